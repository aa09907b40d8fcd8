"""Squares of a picture and the way back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.avatar.faces.region import Region, around

REGIONS = st.builds(
    Region, st.floats(-500, 5000), st.floats(-500, 5000), st.floats(1, 10_000), st.floats(-math.pi, math.pi)
)
POINTS = st.lists(st.tuples(st.floats(-2, 3), st.floats(-2, 3)), min_size=1, max_size=20).map(np.array)


@given(REGIONS, POINTS)
def test_there_and_back(region: Region, points: np.ndarray) -> None:
    there = region.to_picture(points)
    assert np.allclose(region.from_picture(there), points, atol=1e-6)


@given(REGIONS)
def test_corners_are_those_of_a_turned_square(region: Region) -> None:
    corners = region.to_picture(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]))
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    assert np.allclose(sides, region.side) and np.allclose(corners.mean(axis=0), (region.x, region.y), atol=1e-6)


@given(
    st.floats(90, 110),
    st.floats(90, 110),
    st.floats(20, 120),
    st.floats(-math.pi, math.pi),
    st.sampled_from([8, 16, 64]),
)
def test_a_cut_shows_what_lies_there(x: float, y: float, side: float, angle: float, pixels: int) -> None:
    """The picture's own coordinates are its colours."""
    rows, columns = np.mgrid[0:200, 0:200].astype(np.uint8)
    region = Region(x, y, side, angle)
    cut = region.cut(np.dstack((columns, rows, rows)), pixels)
    grid = np.stack(np.meshgrid(np.arange(pixels), np.arange(pixels)), axis=-1).reshape(-1, 2) / pixels
    assert cut.shape == (pixels, pixels, 3)
    assert np.abs(cut[..., :2].reshape(-1, 2) - region.to_picture(grid)).max() < 1.6


@pytest.mark.parametrize(("border", "outside"), [(7, 7), (None, 200)], ids=["constant", "replicated"])
def test_what_is_beyond_the_border(border: int | None, outside: int) -> None:
    cut = Region(0, 0, 64).cut(np.full((32, 32, 3), 200, np.uint8), 64, border)
    assert (cut[:30, :30] == outside).all() and (cut[34:60, 34:60] == 200).all()


def test_a_coarse_cut_shows_means() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    cut = Region(256, 256, 512).cut(stripes, 128)[:, 1:]  # the first column reaches beyond the border
    assert cut.min() > 120 and cut.max() < 135


def test_around_is_as_upright_as_two_of_the_points() -> None:
    region = around(np.array([[10.0, 10], [30, 30], [10, 50]]), 1.5, 0, 1)
    assert (region.x, region.y, region.side) == (20, 30, 60) and region.angle == pytest.approx(math.pi / 4)
