"""How a portrait is looked at."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.avatar.contract import Portrait
from deployments.avatar.faces.picture import MAX_SIDE, Picture, seen


def portrait(height: int, width: int, alpha: int = 255) -> Portrait:
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 200, alpha
    return Portrait(pixels)


def test_a_small_one_is_seen_as_it_is() -> None:
    source = portrait(30, 40)
    picture = seen(source)
    assert (picture.pixels == source.pixels[..., :3]).all()
    assert (picture.scale, picture.left, picture.top) == (1, 0, 0)


@pytest.mark.parametrize(("alpha", "red", "green"), [(0, 128, 128), (128, 164, 64), (255, 200, 0)])
def test_behind_what_is_transparent_is_grey(alpha: int, red: int, green: int) -> None:
    assert seen(portrait(8, 8, alpha)).pixels[3, 3].tolist() == [red, green, green]


@pytest.mark.parametrize(("height", "width"), [(2049, 100), (3, 5000), (4096, 4097), (1, 3000)])
def test_a_large_one_is_made_smaller(height: int, width: int) -> None:
    picture = seen(portrait(height, width))
    rows, columns = picture.pixels.shape[:2]
    assert max(rows, columns) <= MAX_SIDE and min(rows, columns) >= 1
    assert abs(columns * picture.scale - width) < picture.scale and abs(columns - width / picture.scale) <= 1


def test_pixels_of_a_smaller_one_lie_in_the_middle_of_those_that_became_one() -> None:
    columns = np.linspace(0, 255, 5000).astype(np.uint8)
    pixels = np.dstack([np.tile(columns, (30, 1))] * 3 + [np.full((30, 5000), 255, np.uint8)])
    picture = seen(Portrait(pixels))
    x = picture.to_portrait(np.array([[800.0, 4, 0]]))[0, 0]
    assert picture.scale == 3 and x == 2401 and abs(int(picture.pixels[4, 800, 0]) - int(columns[2401])) <= 1


def test_a_part_is_seen_in_full() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (300, 3000, 4), np.uint8)
    pixels[..., 3] = 255
    picture = seen(Portrait(pixels), (-5, 100.5, 60.2, 900))
    assert (picture.pixels == pixels[100:, :61, :3]).all() and (picture.left, picture.top, picture.scale) == (0, 100, 1)
    assert picture.to_portrait(np.array([[1.0, 2, 3]])).tolist() == [[1, 102, 3]]


@given(st.integers(1, 2000), st.integers(1, 2000), st.sampled_from([2, 4]))
def test_tiles_leave_nothing_out(width: int, height: int, parts: int) -> None:
    picture = Picture(np.broadcast_to(np.uint8(0), (height, width, 3)))
    tiles = picture.tiles(parts)
    assert len(tiles) <= (2 * parts) ** 2 and bool(tiles) == (max(width, height) / parts >= 192)
    for axis, length in (("x", width), ("y", height)):
        centres = sorted({getattr(tile, axis) for tile in tiles})
        for tile in tiles[:1]:
            assert centres[0] - tile.side / 2 <= 1e-9 and centres[-1] + tile.side / 2 >= length - 1e-9
            assert all(b - a <= tile.side / 2 + 1e-9 for a, b in pairwise(centres))
