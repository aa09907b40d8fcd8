"""Rows of landmarks are lines that can be drawn."""

from __future__ import annotations

import pytest

from deployments.avatar import landmarks

ROWS = sorted(name for name, value in vars(landmarks).items() if name.isupper() and isinstance(value, tuple))
PARTS = ["LIPS_OUTER", "LIPS_INNER", "RIGHT_EYE", "LEFT_EYE"]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_every_point_once(name: str) -> None:
    row = getattr(landmarks, name)
    assert len(set(row)) == len(row) and set(row) <= set(range(landmarks.COUNT))


@pytest.mark.parametrize("part", PARTS)
def test_a_ring_goes_along_the_upper_row_and_back_along_the_lower(part: str) -> None:
    upper, lower = getattr(landmarks, f"{part}_UPPER"), getattr(landmarks, f"{part}_LOWER")
    assert len(upper) == len(lower) and (upper[0], upper[-1]) == (lower[0], lower[-1])
    assert getattr(landmarks, part) == (*upper, *lower[-2:0:-1])
