"""The portraits that come with the product."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import deployments.avatar
from deployments.avatar.faces.finder import FaceFinder
from tests.deployments.avatar.portraits import NAMES, OPAQUE, portrait
from tests.draw_portraits import SIZE, svg
from tests.portrait_looks import PORTRAITS

FOLDER = Path(deployments.avatar.__file__).parent / "portraits"
BUILT_IN = sorted(set(NAMES) - set(OPAQUE))


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def test_every_portrait_has_its_drawing() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(PORTRAITS) == BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_portrait_is_small_and_cut_out(name: str) -> None:
    path = FOLDER / f"{name}.png"
    assert path.stat().st_size < 220_000
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None and pixels.shape == (SIZE, SIZE, 4)
    assert pixels[0, 0, 3] == pixels[0, -1, 3] == 0
    assert (pixels[-1, SIZE // 4 : -SIZE // 4, 3] == 255).all()


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_drawing_shows_only_its_own_colours(name: str) -> None:
    look = PORTRAITS[name]
    drawn = svg(look)
    assert drawn.startswith("<svg ") and drawn.endswith("</svg>")
    assert all(colour in drawn for colour in (*look.skin, *look.iris, *look.clothes))


@pytest.mark.parametrize("name", NAMES)
def test_the_face_is_found_where_tests_say_it_is(name: str, finder: FaceFinder) -> None:
    picture, face = portrait(name)
    found = finder.find(picture).face
    assert found.method == "model"
    width = np.ptp(face.landmarks[:, 0])
    assert np.abs(found.landmarks - face.landmarks)[:, :2].mean() < 0.02 * width
