"""The face of a portrait, from the easy to the impossible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from deployments.avatar import landmarks
from deployments.avatar.contract import Portrait
from deployments.avatar.faces.finder import FaceFinder, Found, values
from deployments.avatar.faces.given import parse
from deployments.core.errors import BadInput, NoFace

from .drawing import CHIN, EYES, MOUTH, drawn

LIPS = [*landmarks.LIPS_OUTER, *landmarks.LIPS_INNER]
Picture = NDArray[np.uint8]
Affine = NDArray[np.float64]
SAME = np.array([[1.0, 0, 0], [0, 1, 0]])


def portrait(picture: Picture, alpha: Picture | None = None) -> Portrait:
    opaque = np.full(picture.shape[:2], 255, np.uint8)
    return Portrait(np.dstack((picture, opaque if alpha is None else alpha)))


def scaled(picture: Picture, factor: float) -> Picture:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def away(found: Found, face: NDArray[Any], affine: Affine) -> NDArray[np.float64]:
    """(478,) pixels of the original photograph."""
    back = (found.face.landmarks[:, :2] - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    return np.asarray(np.linalg.norm(back - face[:, :2], axis=1), np.float64)


def test_landmarks_are_those_of_mediapipe(
    finder: FaceFinder, astronaut: Picture, mediapipe: Mapping[str, NDArray[Any]]
) -> None:
    found = finder.find(portrait(astronaut))
    far = away(found, mediapipe["looks"][1], SAME)
    assert far.max() < 1.5 and far.mean() < 0.5 and far[LIPS].mean() < 0.5
    assert np.abs(found.face.landmarks - mediapipe["looks"][1])[:, 2].max() < 3
    assert found.face.method == "model" and found.face.score > 0.85
    assert (found.width, found.height, found.notes) == (512, 512, ()) and found.faces == (found.face,)
    assert found.face.box == pytest.approx([179, 86, 271, 178], abs=2)


def turned(picture: Picture, degrees: float) -> tuple[Picture, Affine]:
    affine = cv2.getRotationMatrix2D((225, 130), degrees, 1)
    affine[:, 2] += (40, 80)
    return np.asarray(cv2.warpAffine(picture, affine, (600, 600)), np.uint8), np.asarray(affine, np.float64)


def size(picture: Picture, factor: float) -> tuple[Picture, Affine]:
    return scaled(picture, factor), SAME * factor


def padded(picture: Picture) -> tuple[Picture, Affine]:
    return np.pad(picture, ((300, 400), (600, 200), (0, 0))), np.array([[1.0, 0, 600], [0, 1, 300]])


def cropped(picture: Picture) -> tuple[Picture, Affine]:
    return picture[75:185, 172:278], np.array([[1.0, 0, -172], [0, 1, -75]])


def jpeg(picture: Picture, quality: int) -> Picture:
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


VARIANTS: dict[str, Any] = {
    "turned by -40": lambda a: turned(a, -40),
    "turned by -20": lambda a: turned(a, -20),
    "turned by 20": lambda a: turned(a, 20),
    "turned by 40": lambda a: turned(a, 40),
    "0.72 as large": lambda a: size(a, 0.72),
    "2 times as large": lambda a: size(a, 2),
    "4 times as large": lambda a: size(a, 4),
    "grey": lambda a: (np.repeat(cv2.cvtColor(a, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2), SAME),
    "half as light": lambda a: (a // 2, SAME),
    "a quarter as light": lambda a: (a // 4, SAME),
    "JPEG of quality 15": lambda a: (jpeg(a, 15), SAME),
    "small in a large picture": padded,
    "nothing but the face": cropped,
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_the_photograph(
    name: str, finder: FaceFinder, astronaut: Picture, mediapipe: Mapping[str, NDArray[Any]]
) -> None:
    """Within what MediaPipe's own landmarks move from one look to the next: mean 0.7, at the hair line 3."""
    picture, affine = VARIANTS[name](astronaut)
    far = away(finder.find(portrait(picture)), mediapipe["looks"][1], affine)
    assert far[LIPS].mean() < 1 and far.mean() < 0.9 and far.max() < 4


def test_a_mirrored_face(finder: FaceFinder, astronaut: Picture, mediapipe: Mapping[str, NDArray[Any]]) -> None:
    """Right and left change places, so only what lies in the middle can be compared point by point."""
    found = finder.find(portrait(astronaut[:, ::-1]))
    middle = [landmarks.FOREHEAD, landmarks.NOSE_TIP, 0, 13, 14, 17, landmarks.CHIN]
    expected = mediapipe["looks"][1][middle, :2] * [-1, 1] + [511, 0]
    assert np.linalg.norm(found.face.landmarks[middle, :2] - expected, axis=1).mean() < 1.5


def test_a_drawn_face(finder: FaceFinder) -> None:
    found = finder.find(portrait(drawn()))
    points = found.face.landmarks[:, :2]
    irises = points[[landmarks.RIGHT_IRIS_CENTRE, landmarks.LEFT_IRIS_CENTRE]]
    assert np.abs(irises - EYES).max() < 6
    assert np.abs(points[list(landmarks.MOUTH_CORNERS)] - MOUTH).max() < 8
    assert np.abs(points[landmarks.CHIN] - CHIN).max() < 10


@pytest.mark.parametrize("hidden", [False, True], ids=["colours kept", "black"])
def test_a_transparent_portrait(
    hidden: bool, finder: FaceFinder, astronaut: Picture, mediapipe: Mapping[str, NDArray[Any]]
) -> None:
    alpha = np.zeros((512, 512), np.uint8)
    cv2.ellipse(alpha, (225, 120), (75, 95), 0, 0, 360, 255, -1)
    picture = np.where(alpha[..., None] == 0, 0, astronaut).astype(np.uint8) if hidden else astronaut
    far = away(finder.find(portrait(picture, alpha)), mediapipe["looks"][1], SAME)
    assert far[LIPS].mean() < 0.6 and far.mean() < 0.6


def test_the_larger_of_two_faces(finder: FaceFinder, astronaut: Picture, mediapipe: Mapping[str, NDArray[Any]]) -> None:
    smaller = np.pad(scaled(astronaut, 0.75), ((0, 128), (0, 0), (0, 0)))
    found = finder.find(portrait(np.concatenate((smaller, astronaut), axis=1)))
    assert len(found.faces) == 2 and found.face is found.faces[0]
    assert found.notes == ("The picture shows 2 faces: the largest is taken.",)
    assert away(found, mediapipe["looks"][1], np.array([[1.0, 0, 384], [0, 1, 0]])).mean() < 0.9


def test_a_whole_face_is_taken_before_a_larger_one_that_is_cut(finder: FaceFinder, astronaut: Picture) -> None:
    cut = scaled(astronaut, 1.3)[:205]
    picture = np.concatenate((np.pad(cut, ((307, 0), (0, 0), (0, 0))), astronaut), axis=1)
    found = finder.find(portrait(picture))
    assert found.face.box[0] > 800 and len(found.faces) == 2
    assert found.notes == ("The picture shows 2 faces: the largest that can be animated is taken.",)


@pytest.mark.parametrize("name", ["chelsea", "coffee", "brick", "gravel", "rocket", "moon", "page", "clock"])
def test_what_shows_nobody(name: str, finder: FaceFinder) -> None:
    picture = getattr(data, name)()
    with pytest.raises(NoFace, match=r"^image: no face was found\.$") as caught:
        finder.find(portrait(picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)))
    assert caught.value.status == 422 and '"box"' in (caught.value.hint or "")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3000), (3000, 2), (16, 16)])
def test_odd_sizes(height: int, width: int, finder: FaceFinder) -> None:
    with pytest.raises(NoFace, match="no face was found"):
        finder.find(portrait(np.full((height, width, 3), 90, np.uint8)))


def test_a_huge_portrait(finder: FaceFinder, astronaut: Picture, mediapipe: Mapping[str, NDArray[Any]]) -> None:
    huge = cv2.resize(astronaut, (8000, 8000), interpolation=cv2.INTER_LINEAR)
    found = finder.find(portrait(np.asarray(huge, np.uint8)))
    far = away(found, mediapipe["looks"][1], SAME * (8000 / 512))
    assert far.mean() < 0.9 and (found.width, found.height) == (8000, 8000)


def test_a_tiny_face(finder: FaceFinder, astronaut: Picture) -> None:
    with pytest.raises(NoFace, match=r"too small: 4\d pixels from ear to ear, 64 are needed") as caught:
        finder.find(portrait(scaled(astronaut, 0.5)))
    assert "larger picture" in (caught.value.hint or "")


def test_a_profile(finder: FaceFinder) -> None:
    """scikit-image's photograph of a man at his camera, who looks aside."""
    camera = scaled(np.repeat(data.camera()[..., None], 3, axis=2), 2)  # type: ignore[no-untyped-call]
    with pytest.raises(NoFace, match=r"turned \d\d degrees to the side, at most 45"):
        finder.find(portrait(camera))


@pytest.mark.parametrize(
    ("quarters", "clockwise"), [(1, 90), (2, 180), (3, 270)], ids=["on its left", "upside down", "on its right"]
)
def test_a_picture_that_was_turned(quarters: int, clockwise: int, finder: FaceFinder, astronaut: Picture) -> None:
    with pytest.raises(NoFace, match="does not stand upright") as caught:
        finder.find(portrait(np.rot90(astronaut, quarters)))  # anticlockwise
    assert caught.value.hint == f"Turn the picture by {clockwise} degrees clockwise."


@pytest.mark.parametrize(
    ("cut", "side"),
    [(np.s_[:160], "bottom"), (np.s_[:, :250], "right"), (np.s_[:, 213:], "left"), (np.s_[112:], "top")],
    ids=["bottom", "right", "left", "top"],
)
def test_a_face_that_the_border_cuts(cut: Any, side: str, finder: FaceFinder, astronaut: Picture) -> None:
    with pytest.raises(NoFace, match=rf"the {side} border cuts the face: its \w+ (is|are) outside"):
        finder.find(portrait(astronaut[cut]))


def given(value: Any, picture: Picture) -> Any:
    return parse(json.dumps(value), picture.shape[1], picture.shape[0])


def test_given_points_go_first(finder: FaceFinder, mediapipe: Mapping[str, NDArray[Any]]) -> None:
    blank = np.zeros((512, 512, 3), np.uint8)
    points = mediapipe["looks"][0]
    found = finder.find(portrait(blank), given({"points": points.tolist()}, blank))
    assert (found.face.landmarks == points).all() and (found.face.method, found.face.score) == ("given", 1)


def test_given_points_of_a_tiny_face(finder: FaceFinder, mediapipe: Mapping[str, NDArray[Any]]) -> None:
    blank = np.zeros((512, 512, 3), np.uint8)
    with pytest.raises(NoFace, match="too small"):
        finder.find(portrait(blank), given({"points": (mediapipe["looks"][0] / 2).tolist()}, blank))


def test_given_points_of_no_face(finder: FaceFinder, astronaut: Picture) -> None:
    with pytest.raises(BadInput, match="not those of a face"):
        finder.find(portrait(astronaut), given({"points": [[i, i] for i in range(68)]}, astronaut))


def test_a_box_says_which_face_is_meant(finder: FaceFinder, astronaut: Picture) -> None:
    smaller = np.pad(scaled(astronaut, 0.75), ((0, 128), (0, 0), (0, 0)))
    picture = np.concatenate((smaller, astronaut), axis=1)
    found = finder.find(portrait(picture), given({"box": [120, 50, 220, 150]}, picture))
    assert found.face.method == "model" and found.face.box == pytest.approx([134, 65, 203, 133], abs=3)


def test_a_box_shows_what_is_small_in_a_large_picture(
    finder: FaceFinder, astronaut: Picture, mediapipe: Mapping[str, NDArray[Any]]
) -> None:
    picture = np.full((3000, 6000, 3), 90, np.uint8)
    picture[1500:2012, 4000:4512] = astronaut
    found = finder.find(portrait(picture), given({"box": [4170, 1580, 4280, 1690]}, picture))
    assert away(found, mediapipe["looks"][1], np.array([[1.0, 0, 4000], [0, 1, 1500]])).mean() < 0.9


def test_a_box_without_a_face_gets_a_mean_one(finder: FaceFinder) -> None:
    picture = data.chelsea()  # type: ignore[no-untyped-call]
    found = finder.find(portrait(picture), given({"box": [150, 20, 300, 200]}, picture))
    assert found.face.method == "box" and found.face.box == pytest.approx([150, 20, 300, 200])
    assert found.notes == ("No face is seen in the box: a mean face is put there.",)


def stencil(astronaut: Picture) -> Picture:
    """Black and white, nothing between."""
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    return np.repeat(np.where(grey > 110, 255, 0).astype(np.uint8)[..., None], 3, axis=2)


def test_a_face_that_is_hard_to_see(
    finder: FaceFinder, astronaut: Picture, mediapipe: Mapping[str, NDArray[Any]]
) -> None:
    found = finder.find(portrait(stencil(astronaut)))
    assert found.face.method == "relaxed model" and found.notes[-1].startswith("The face is hard to see")
    assert away(found, mediapipe["looks"][1], SAME)[LIPS].mean() < 5


def test_plain_values(finder: FaceFinder, astronaut: Picture) -> None:
    picture = np.concatenate((np.pad(scaled(astronaut, 0.6), ((0, 205), (0, 0), (0, 0))), astronaut), axis=1)
    source = portrait(picture)
    told = json.loads(json.dumps(values(source, finder.look(source))))
    assert (told["width"], told["height"], len(told["faces"])) == (819, 512, 2)
    large, small = told["faces"]
    assert large["problem"] is None and "too small" in small["problem"] and large["method"] == "model"
    assert np.array(large["landmarks"]).shape == (478, 3) and large["box"][0] == round(large["box"][0], 1)
    assert 0.5 <= large["score"] <= 1


def test_nobody_is_no_value(finder: FaceFinder) -> None:
    blank = portrait(np.zeros((300, 200, 3), np.uint8))
    assert values(blank, finder.look(blank)) == {"width": 200, "height": 300, "faces": []}


def test_the_same_portrait_gives_the_same_face(finder: FaceFinder, astronaut: Picture) -> None:
    first, second = (finder.find(portrait(astronaut)).face.landmarks for _ in range(2))
    assert (first == second).all()
