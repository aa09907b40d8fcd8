"""Framing, closing the mouth, and what is measured of a face."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.avatar.contract import Canvas, Portrait
from deployments.avatar.engines.warp.anatomy import measure, smooth_step
from deployments.avatar.engines.warp.curves import coverage, heights, spline
from deployments.avatar.engines.warp.framing import frame, over
from deployments.avatar.engines.warp.interior import furnish
from deployments.avatar.engines.warp.state import State
from deployments.avatar.landmarks import CHIN, LIPS_INNER_LOWER, LIPS_INNER_UPPER, MOUTH_CORNERS, OVAL
from tests.deployments.avatar.portraits import NAMES, OPAQUE, portrait

SIZES = st.integers(32, 400).map(lambda half: 2 * half)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(width=SIZES, height=SIZES)
def test_a_face_is_framed_whole(name: str, width: int, height: int) -> None:
    picture, face = portrait(name)
    framed = frame(picture, face, Canvas(width, height), None)
    assert framed.pixels.shape == (height, width, 4) and framed.background.shape == (height, width, 3)
    oval = framed.landmarks[list(OVAL), :2]
    middle = (oval.max(0) + oval.min(0)) / 2
    assert 0 <= middle[0] < width and 0 <= middle[1] < height
    assert np.ptp(oval[:, 0]) <= 0.53 * width + 3 or name in OPAQUE
    assert framed.pixels[..., :3].max(-1).max() <= 255
    assert (framed.pixels[..., :3] <= framed.pixels[..., 3:]).all()  # premultiplied


@pytest.mark.parametrize("crop", ["face", "whole"])
@pytest.mark.parametrize(("width", "height"), [(512, 512), (640, 360), (360, 640)])
def test_nothing_is_made_up_beside_a_photograph(crop: str, width: int, height: int) -> None:
    picture, face = portrait("astronaut")
    framed = frame(picture, face, Canvas(width, height, crop="whole" if crop == "whole" else "face"), None)
    assert framed.opaque


def test_landmarks_go_with_the_picture() -> None:
    picture, face = portrait("ada")
    marked = picture.pixels.copy()
    x, y = np.rint(face.landmarks[CHIN, :2]).astype(int)
    marked[y - 3 : y + 4, x - 3 : x + 4] = (0, 0, 255, 255)
    framed = frame(Portrait(marked), face, Canvas(400, 400), None)
    blue = (framed.pixels[..., 2] > 200) & (framed.pixels[..., 0] < 60)
    rows, columns = np.nonzero(blue)
    assert np.abs(np.array((columns.mean(), rows.mean())) - framed.landmarks[CHIN, :2]).max() < 1


def test_a_flat_frame_around_a_large_cut_out_takes_little_memory() -> None:
    small, face = portrait("ada")
    scale = 4096 / max(small.pixels.shape)
    pixels = np.asarray(cv2.resize(np.array(small.pixels), None, fx=scale, fy=scale), np.uint8)
    points = face.landmarks * np.float32(scale)
    x, y = np.rint(points[CHIN, :2]).astype(int)
    pixels[y - 150 : y + 151, x - 150 : x + 151] = (0, 0, 255, 255)
    tracemalloc.start()
    framed = frame(Portrait(pixels), replace(face, landmarks=points), Canvas(1920, 64), None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 500e6
    blue = (framed.pixels[..., 2] > 200) & (framed.pixels[..., 0] < 60)
    assert np.abs(np.argwhere(blue).mean(0)[::-1] - framed.landmarks[CHIN, :2]).max() < 1


def test_a_bust_stands_on_the_lower_border() -> None:
    framed = frame(*portrait("leo"), Canvas(256, 256), None)
    assert (framed.pixels[-1, 60:-60, 3] == 255).all()


def test_a_smile_is_taken_back(prepared: Callable[..., State]) -> None:
    state = prepared("astronaut")
    framed = frame(*portrait("astronaut"), Canvas(), None)
    before, after = measure(framed.landmarks), state.anatomy
    for anatomy, parted in ((before, True), (after, False)):
        local = anatomy.local(anatomy.points)
        gap = (local[list(LIPS_INNER_LOWER), 1] - local[list(LIPS_INNER_UPPER), 1]).max()
        assert (gap > 0.08) == parted
        assert parted or abs(gap) < 1e-3
    rise = [-anatomy.local(anatomy.points)[list(MOUTH_CORNERS), 1].mean() for anatomy in (before, after)]
    assert rise[1] < rise[0] - 0.02
    assert after.mouth < before.mouth
    teeth = state.still[int(after.centre[1]) - 1 : int(after.centre[1]) + 2, int(after.centre[0])]
    assert teeth.max(axis=1).min() < 200  # lips, where teeth were


def test_a_mouth_that_is_shut_stays_as_it_is(prepared: Callable[..., State]) -> None:
    framed = frame(*portrait("ada"), Canvas(), None)
    state = prepared("ada")
    assert np.abs(state.still.astype(int) - over(framed.pixels, framed.background)).mean() < 3  # sharpened, no more


def test_a_face_has_its_own_axes() -> None:
    _, face = portrait("ada")
    angle = np.float32(0.4)
    turn = np.array(((np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))), np.float32)
    turned = face.landmarks.copy()
    turned[:, :2] = turned[:, :2] @ turn
    upright, leaning = measure(face.landmarks), measure(turned)
    assert np.abs(upright.local(upright.points) - leaning.local(leaning.points)).max() < 1e-3
    assert leaning.mouth == pytest.approx(upright.mouth, rel=1e-4)


def test_curves_go_through_their_points() -> None:
    points = np.array([(0, 0), (1, 2), (3, 1), (6, 4)], np.float32)
    assert np.abs((spline(4) @ points)[::8] - points).max() < 1e-5
    assert heights(points, np.array([-5, 0.5, 9], np.float32)).tolist() == [0, 1, 4]


@given(st.floats(0, 9), st.floats(0, 9))
def test_coverage_is_the_height_between_two_lines(top: float, bottom: float) -> None:
    found = coverage(np.arange(10, dtype=np.float32), np.array([top], np.float32), np.array([bottom], np.float32))
    assert found.sum() == pytest.approx(max(bottom - top, 0), abs=1e-3)


@pytest.mark.parametrize("tone", [(250, 214, 190), (190, 140, 110), (96, 62, 46)])
def test_teeth_are_lit_as_the_skin_and_never_grey(tone: tuple[int, int, int]) -> None:
    mouth = furnish(90.0, np.array(tone, np.float32))
    row = int(-mouth.top) - 2
    front = mouth.upper[row, mouth.size[1] // 2 - 12 : mouth.size[1] // 2 + 12]
    assert front[:, 3].min() == 1
    red, green, blue = np.median(front[:, :3], axis=0)
    assert red >= green >= blue and red > 130
    assert blue > 0.72 * red


def test_over_shows_what_is_behind() -> None:
    picture = np.array([[(0, 0, 0, 0), (60, 30, 0, 128), (200, 100, 50, 255)]], np.uint8)
    behind = np.full((1, 3, 3), 100, np.uint8)
    shown = over(picture, behind)[0].astype(int)
    assert shown[0].tolist() == [100, 100, 100] and shown[2].tolist() == [200, 100, 50]
    assert np.abs(shown[1] - (110, 80, 50)).max() <= 1


def test_smooth_step() -> None:
    assert smooth_step(1, 3, np.array([0, 1, 2, 3, 4])).tolist() == [0, 0, 0.5, 1, 1]
    assert smooth_step(3, 1, np.array([0, 2, 4])).tolist() == [1, 0.5, 0]
