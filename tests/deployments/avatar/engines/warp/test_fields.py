"""Fields on coarse grids."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deployments.avatar.engines.warp.fields import Grid, inverse, solve
from deployments.avatar.engines.warp.sampling import sample

GRID = Grid(-7, 12, 40, 30, 4)


def test_a_grid_knows_where_it_is() -> None:
    nodes = GRID.nodes
    assert nodes.shape == (30, 40, 2) and nodes[0, 0].tolist() == [-5.5, 13.5] and nodes[0, 1].tolist() == [-1.5, 13.5]
    assert np.abs(GRID.at(nodes, nodes[3:9, 4:11]) - nodes[3:9, 4:11]).max() < 1e-3
    fine = GRID.fine(nodes)  # places of pixels: all but half a cell at the border
    assert fine.shape == (120, 160, 2)
    assert np.abs(fine[2:-2, 2:-2, 0] - (np.arange(2, 158) - 7)).max() < 1e-3
    assert np.abs(fine[2:-2, 2:-2, 1] - (np.arange(2, 118) + 12)[:, None]).max() < 1e-3


def test_beyond_a_grid_nothing_moves() -> None:
    ones = np.ones((30, 40, 2), np.float32)
    assert GRID.at(ones, np.full((1, 1, 2), 500, np.float32)).max() == 0


@given(st.integers(0, 2**16))
def test_points_go_where_they_should_and_the_border_stays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inside = np.stack(np.meshgrid(np.linspace(20, 125, 5), np.linspace(35, 110, 4)), -1).reshape(-1, 2)
    points = (inside + rng.uniform(-4, 4, inside.shape)).astype(np.float32)
    moves = rng.uniform(-3, 3, (2, len(points), 2)).astype(np.float32)
    fields = solve(GRID, points, moves, 6)
    assert fields.shape == (2, 30, 40, 2)
    for field, wanted in zip(fields, moves, strict=True):
        assert np.abs(GRID.at(field, points[None])[0] - wanted).max() < 0.4  # straight lines between nodes
        assert max(np.abs(field[[0, -1]]).max(), np.abs(field[:, [0, -1]]).max()) == 0


@given(st.floats(-0.45, 0.45), st.floats(-0.45, 0.45), st.floats(5, 20))
def test_an_inverse_leads_back(steep_x: float, steep_y: float, width: float) -> None:
    """For fields up to the steepness of a wide open mouth."""
    middle = GRID.nodes[15, 20]
    away = (GRID.nodes - middle) / np.float32(width)
    bell = np.exp(-(away**2).sum(-1, keepdims=True) / 2).astype(np.float32)
    field = bell * np.array((steep_x * width, steep_y * width), np.float32)
    back = inverse(GRID, field, 6)
    source = GRID.nodes + back
    inner = np.s_[6:-6, 6:-6]
    assert np.abs(source + GRID.at(field, source) - GRID.nodes)[inner].max() < 0.35


def test_a_picture_is_looked_up_between_its_pixels() -> None:
    picture = np.array([[[0], [100]], [[100], [200]]], np.float32)
    places = np.array([[[0.5, 0.5], [-9, 0], [9, 0.25]]], np.float32)
    assert sample(picture, places).ravel().tolist() == [100, 0, 125]
    assert sample(picture, places, zero=True).ravel().tolist() == [100, 0, 0]
