"""A whole mesh from a few points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.avatar import landmarks
from deployments.avatar.faces.fitting import IBUG_68, NAMED, fit, fit_box, mend_irises, template
from deployments.avatar.faces.given import Given, Named
from deployments.avatar.faces.judging import box_of
from deployments.core.errors import BadInput

LIPS = [*landmarks.LIPS_OUTER, *landmarks.LIPS_INNER]
EYES = [*landmarks.RIGHT_EYE, *landmarks.LEFT_EYE]
LEAST = [name for name, field in Named.model_fields.items() if field.is_required()]


@pytest.fixture(scope="module")
def face(mediapipe: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """(478, 3): the astronaut's, who smiles with her mouth open; 92 pixels from ear to ear."""
    points: NDArray[np.float32] = mediapipe["looks"][1]
    return points.astype(np.float64)


def pairs(points: NDArray[np.float64]) -> Any:
    return tuple(map(tuple, points.tolist()))


def named(face: NDArray[np.float64], names: list[str]) -> Given:
    return Given(named=Named(**{name: tuple(face[NAMED[name], :2]) for name in names}))


def away(found: NDArray[np.float64], face: NDArray[np.float64], part: list[int]) -> float:
    """Mean distance in pixels."""
    return float(np.linalg.norm((found - face)[part, :2], axis=1).mean())


def test_template_is_a_frontal_face_with_its_mouth_closed() -> None:
    points = template()
    mirrored = points[[*landmarks.LIPS_OUTER_UPPER[::-1]]] * [-1, 1, 1]
    assert points.shape == (478, 3) and np.abs(points[: landmarks.MESH_COUNT, 2].mean()) < 1e-6
    assert np.abs(mirrored - points[list(landmarks.LIPS_OUTER_UPPER)]).max() < 0.05
    gap = points[list(landmarks.LIPS_INNER_LOWER), 1] - points[list(landmarks.LIPS_INNER_UPPER), 1]
    assert gap[1:-1].min() > 0 and gap.max() < 0.07
    assert points[landmarks.NOSE_TIP, 2] < points[landmarks.CHIN, 2] < points[landmarks.CHEEKS[0], 2]


def test_all_points_are_taken_as_they_are(face: NDArray[np.float64]) -> None:
    assert (fit(Given(points=pairs(face))) == face).all()


@pytest.mark.parametrize("count", [478, 468])
def test_a_flat_mesh_gets_the_depth_of_the_mean_face(count: int, face: NDArray[np.float64]) -> None:
    found = fit(Given(points=pairs(face[:count, :2])))
    assert (found[:count, :2] == face[:count, :2]).all()
    assert np.abs(found - face)[:, 2].mean() < 5 and found[landmarks.NOSE_TIP, 2] < 0 < found[landmarks.CHEEKS[0], 2]


def test_irises_that_are_not_given_lie_round_in_the_eyes(face: NDArray[np.float64]) -> None:
    found = fit(Given(points=pairs(face[: landmarks.MESH_COUNT])))
    assert (found[: landmarks.MESH_COUNT] == face[: landmarks.MESH_COUNT]).all()
    assert away(found, face, list(range(landmarks.MESH_COUNT, landmarks.COUNT))) < 1
    ring = found[list(landmarks.LEFT_IRIS_RING), :2] - found[landmarks.LEFT_IRIS_CENTRE, :2]
    assert np.ptp(np.linalg.norm(ring, axis=1)) < 1e-3


@pytest.mark.parametrize(("shift", "mended"), [(0, False), (3, False), (9, True)], ids=["middle", "aside", "outside"])
def test_an_iris_outside_its_eye_is_put_back(shift: float, mended: bool, face: NDArray[np.float64]) -> None:
    iris = slice(landmarks.LEFT_IRIS_CENTRE, landmarks.COUNT)
    wrong = face.copy()
    wrong[iris, 0] -= shift
    found = wrong.copy()
    mend_irises(found)
    assert (found[: iris.start] == wrong[: iris.start]).all()
    assert away(found, face, list(range(iris.start, iris.stop))) < 1 if mended else (found == wrong).all()


def test_68_points(face: NDArray[np.float64]) -> None:
    found = fit(Given(points=pairs(face[list(IBUG_68), :2])))
    assert np.abs(found[list(IBUG_68), :2] - face[list(IBUG_68), :2]).max() < 1e-9
    assert len(set(IBUG_68)) == 68
    assert away(found, face, LIPS) < 0.6 and away(found, face, EYES) < 0.4
    assert away(found, face, list(range(landmarks.COUNT))) < 1


def test_names(face: NDArray[np.float64]) -> None:
    found = fit(named(face, list(NAMED)))
    assert np.abs(found[list(NAMED.values()), :2] - face[list(NAMED.values()), :2]).max() < 1e-9
    assert away(found, face, LIPS) < 1.6 and away(found, face, EYES) < 0.4
    assert away(found, face, list(range(landmarks.COUNT))) < 3


def test_the_least_names_close_the_mouth(face: NDArray[np.float64]) -> None:
    found = fit(named(face, LEAST))
    upper, lower = found[list(landmarks.LIPS_INNER_UPPER), 1], found[list(landmarks.LIPS_INNER_LOWER), 1]
    assert np.abs(lower - upper).max() < 0.6
    assert face[0, 1] < found[13, 1] < face[17, 1]


def test_a_box_of_the_face_bends_the_oval(face: NDArray[np.float64]) -> None:
    given = named(face, list(NAMED))
    assert given.named
    low, high = face[:, 0].min(), face[:, 0].max()
    boxed = given.named.model_copy(update={"face": (low, face[10, 1], high, face[152, 1])})
    found = fit(Given(named=boxed))
    assert found[10, 1] == pytest.approx(face[10, 1]) and found[234, 0] == pytest.approx(low)
    assert away(found, face, list(landmarks.OVAL)) < away(fit(given), face, list(landmarks.OVAL))


@pytest.mark.parametrize("names", [list(NAMED), LEAST], ids=["all", "least"])
def test_rows_of_lips_stay_in_order(names: list[str], face: NDArray[np.float64]) -> None:
    found = fit(named(face, names))
    for row in (landmarks.LIPS_OUTER_UPPER, landmarks.LIPS_OUTER_LOWER, landmarks.LIPS_INNER_UPPER):
        assert (np.diff(found[list(row), 0]) > 0).all()
    assert (found[list(landmarks.LIPS_INNER_LOWER), 1] - found[list(landmarks.LIPS_INNER_UPPER), 1] > -0.1).all()


def test_a_turned_and_larger_face_is_fitted_the_same(face: NDArray[np.float64]) -> None:
    turn = np.array([[0.8, -0.6], [0.6, 0.8]]) * 3
    moved = face[:, :2] @ turn.T + (500, 90)
    found = fit(Given(points=pairs(moved[list(IBUG_68)])))
    straight = fit(Given(points=pairs(face[list(IBUG_68), :2])))
    mesh = slice(0, landmarks.MESH_COUNT)
    assert np.allclose(found[mesh, :2], straight[mesh, :2] @ turn.T + (500, 90), atol=1e-6)


@pytest.mark.parametrize("kind", ["mirrored", "shuffled", "upside down order", "one point"])
def test_points_of_no_face(kind: str, face: NDArray[np.float64]) -> None:
    points = face[list(IBUG_68), :2]
    changed = {
        "mirrored": points * [-1, 1] + [512, 0],
        "shuffled": np.random.default_rng(0).permutation(points),
        "upside down order": points[::-1],
        "one point": np.full_like(points, 100),
    }[kind]
    with pytest.raises(BadInput, match=r"^landmarks: points are not those of a face"):
        fit(Given(points=pairs(changed)))


def test_a_mesh_of_no_face(face: NDArray[np.float64]) -> None:
    with pytest.raises(BadInput, match=r"^landmarks: points are not those of a face"):
        fit(Given(points=pairs(face[::-1])))


def test_a_box_is_filled(face: NDArray[np.float64]) -> None:
    box = (100.0, 50.0, 300.0, 290.0)
    found = fit_box(box)
    assert box_of(found) == pytest.approx(box)
    assert found[landmarks.NOSE_TIP, :2] == pytest.approx([200, 150], abs=20)
    assert away(fit_box(box_of(face)), face, LIPS) < 10
