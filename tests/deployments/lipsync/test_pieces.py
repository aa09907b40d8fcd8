"""Recordings are cut in their pauses, without a gap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.lipsync.pieces import MAX_S, WINDOW_S, Piece, split

SECOND = round(1 / WINDOW_S)


def _noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1, round(seconds * SECOND)).astype(np.float32)


@given(st.floats(0, 200), st.integers(0, 5), st.floats(0, 1))
def test_pieces_cover_all_of_it(seconds: float, seed: int, begins: float) -> None:
    levels = _noise(seconds, seed)
    start = round(begins * len(levels))
    pieces = split(levels, start)
    assert [piece.start for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
    assert (pieces[0].start, pieces[-1].end) == (start, len(levels)) if start < len(levels) else not pieces
    lengths_s = [(piece.end - piece.start) * WINDOW_S for piece in pieces]
    assert all(length_s <= MAX_S for length_s in lengths_s)
    assert all(length_s >= 5 for length_s in lengths_s) or len(lengths_s) == 1
    assert all(10 <= length_s <= 25 for length_s in lengths_s[:-1])


@given(st.lists(st.floats(3, 9), min_size=6, max_size=12), st.integers(0, 5))
def test_cuts_are_in_pauses(phrases_s: list[float], seed: int) -> None:
    """Phrases of at most 9 s with pauses of 0.4 s between them: there is always one within reach."""
    pause = np.full(round(0.4 * SECOND), 0.001, np.float32)
    parts = [part for index, each in enumerate(phrases_s) for part in (_noise(each, seed + index), pause)]
    levels = np.concatenate(parts)
    assert all(levels[piece.end] == pytest.approx(0.001) for piece in split(levels)[:-1])


def test_a_short_dip_is_no_pause() -> None:
    levels = _noise(40)
    levels[12 * SECOND : 12 * SECOND + 8] = 0  # the closure of a long stop
    levels[18 * SECOND : 18 * SECOND + 30] = 0.01
    assert split(levels)[0].end == pytest.approx(18 * SECOND + 15, abs=15)


def test_what_is_equally_quiet_makes_few_pieces() -> None:
    assert [piece.end / SECOND for piece in split(np.zeros(60 * SECOND, np.float32))] == pytest.approx(
        [25, 50, 60], abs=0.1
    )


def test_same_sound_same_pieces() -> None:
    assert split(_noise(100)) == split(_noise(100)) and split(_noise(3)) == (Piece(0, 300),)


def test_no_sound_no_pieces() -> None:
    assert split(np.zeros(0, np.float32)) == ()
