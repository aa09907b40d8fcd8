"""Where a portrait lands on its canvas."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.avatar.contract import Canvas, Face, Portrait
from deployments.avatar.framing import composite, cover_window, face_window, frame, to_canvas

WHITE, BLUE = (255, 255, 255), (0, 0, 255)


def _portrait(width: int, height: int, colour: tuple[int, int, int] = (200, 120, 80), alpha: int = 255) -> Portrait:
    return Portrait(np.full((height, width, 4), (*colour, alpha), np.uint8))


def _face(left: float, top: float, right: float, bottom: float) -> Face:
    corners = np.array([(left, top, 0), (right, bottom, 10)], np.float32)
    return Face(np.resize(corners, (478, 3)), (left, top, right, bottom), 0.9, "given")


sizes = st.integers(40, 900)
crops = st.sampled_from(["face", "whole"])
shares = st.floats(0, 0.9)


@given(sizes, sizes, st.sampled_from([(512, 512), (320, 480), (480, 270)]), crops, shares, shares, st.floats(0.05, 1))
def test_an_opaque_picture_fills_the_canvas(
    wide: int, high: int, size: tuple[int, int], crop: Any, across: float, down: float, share: float
) -> None:
    """In its own shape: a window has the canvas's, but for the whole pixels of its borders."""
    face = _face(across * wide, down * high, (across + share) * wide, (down + share) * high)
    canvas = Canvas(*size, crop=crop)
    scene = frame(_portrait(wide, high), face, canvas)
    window = scene.window
    assert 0 <= window.left < window.right <= wide and 0 <= window.top < window.bottom <= high
    assert scene.still.shape == (canvas.height, canvas.width, 3)
    assert (scene.still == (200, 120, 80)).all() and (scene.rgba[..., 3] == 255).all()
    width, height = window.right - window.left, window.bottom - window.top
    assert abs(width * canvas.height - height * canvas.width) <= canvas.height + canvas.width


@given(sizes, sizes, shares, shares, st.floats(0.05, 0.3))
def test_the_whole_picture_keeps_its_face(wide: int, high: int, across: float, down: float, share: float) -> None:
    """However it is cut, where the face fits at all."""
    side = share * min(wide, high)
    left, top = across * (wide - side), down * (high - side)
    window = cover_window(_portrait(wide, high), Canvas(), _face(left, top, left + side, top + side))
    assert window.left - 1 <= left and left + side <= window.right + 1
    assert window.top - 1 <= top and top + side <= window.bottom + 1


def test_head_and_shoulders() -> None:
    """Brows to chin take a third, in the middle: hair has room above, shoulders below."""
    face = _face(900, 700, 1060, 880)
    scene = frame(_portrait(2000, 2000), face, Canvas())
    (left, top, _), (right, bottom, depth) = scene.landmarks[:2]
    assert bottom - top == pytest.approx(0.32 * 512, rel=0.01)
    assert (left + right) / 2 == pytest.approx(256, abs=1) and (top + bottom) / 2 == pytest.approx(0.51 * 512, abs=1)
    assert depth == pytest.approx(10 * (right - left) / 160, rel=1e-4)


def test_what_is_marked_lands_where_its_landmarks_say() -> None:
    """A green square of the portrait is under its corners' landmarks."""
    pixels = _portrait(1000, 800).pixels.copy()
    pixels[300:400, 450:550, :3] = (0, 255, 0)
    scene = frame(Portrait(pixels), _face(450, 300, 550, 400), Canvas(256, 256))
    ((left, top, _), (right, bottom, _)) = np.round(scene.landmarks[:2]).astype(int)
    green = (scene.still == (0, 255, 0)).all(axis=2)
    assert green[top + 2 : bottom - 2, left + 2 : right - 2].all()
    assert green.sum() <= (bottom - top + 2) * (right - left + 2)


def test_what_is_cut_out_gets_air_around_it_but_never_below() -> None:
    """A head that touches the upper border of its picture has room above; the shoulders still end at the lower one."""
    pixels = _portrait(400, 400).pixels.copy()
    pixels[:1] = pixels[:, :40] = pixels[:, -40:] = 0
    window = face_window(Portrait(pixels), _face(130, 40, 270, 200), Canvas())
    assert window.top < 0 and window.bottom <= 400
    assert face_window(_portrait(400, 400), _face(130, 40, 270, 200), Canvas()).top == 0


def test_the_background_shows_through() -> None:
    """By alpha, in the colour of the canvas or the picture that is given in its place."""
    clear, half = _portrait(64, 64, alpha=0), _portrait(64, 64, (255, 0, 0), 128)
    face, canvas = _face(20, 20, 40, 40), Canvas(64, 64, background=BLUE)
    assert (frame(clear, face, canvas).still == BLUE).all()
    assert np.abs(frame(half, face, canvas).still.astype(int) - (128, 0, 127)).max() <= 1
    scene = frame(clear, face, canvas, _portrait(100, 50, (1, 2, 3)))
    assert (scene.still == (1, 2, 3)).all() and (scene.backdrop == (1, 2, 3)).all()
    assert (frame(clear, face, canvas, _portrait(100, 50, alpha=0)).still == BLUE).all()


@pytest.mark.parametrize("side", [50, 400])
def test_no_dark_rim_where_a_portrait_ends(side: int) -> None:
    """Colours under alpha 0 do not bleed in, whether it grows or shrinks."""
    pixels = np.zeros((side, side, 4), np.uint8)
    pixels[side // 3 :, side // 5 : -side // 5] = (255, 255, 255, 255)
    scene = frame(Portrait(pixels), _face(side / 3, side / 3, side * 2 / 3, side * 0.9), Canvas(128, 128))
    assert (scene.still == 255).all()


def test_composite_is_over() -> None:
    rgba: NDArray[np.uint8] = np.array([[[100, 100, 100, 0], [100, 100, 100, 255], [200, 0, 0, 51]]], np.uint8)
    behind = np.full((1, 3, 3), 50, np.uint8)
    assert composite(rgba, behind).tolist() == [[[50, 50, 50], [100, 100, 100], [80, 40, 40]]]


def test_points_of_two_and_three_numbers() -> None:
    face, canvas = _face(10, 10, 60, 60), Canvas(200, 100)
    window = cover_window(_portrait(100, 50), canvas, face)
    points = np.array([(10, 20, 5)], np.float32)
    assert to_canvas(points, window, canvas).tolist() == [[20, 40, 10]]
    assert to_canvas(points[:, :2], window, canvas).tolist() == [[20, 40]]


def test_what_is_beyond_a_large_cut_out_takes_little_memory() -> None:
    pixels = np.zeros((1024, 1024, 4), np.uint8)
    pixels[1:, 1:-1] = (200, 150, 120, 255)
    all_of_it = Face(np.full((478, 3), 500, np.float32), (2, 2, 1022, 1022), 1.0, "given")
    tracemalloc.start()
    scene = frame(Portrait(pixels), all_of_it, Canvas(256, 256))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scene.window.right - scene.window.left > 3000
    assert most < 100e6
