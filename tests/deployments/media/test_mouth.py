"""A natural mouth: it leads, it is lazy with the tongue, and it always closes and bites."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from pydantic import ValidationError

from deployments.core.types import SILENCE, VisemeTrack
from deployments.core.visemes import VISEMES
from deployments.media.mouth import PROTECTED, MouthOptions, natural
from tests.deployments.strategies import sequences, track_of

STILL = MouthOptions(lead_ms=0, lead_after_pause_ms=0, tongue_max_ms=0, min_hold_ms=0)
"""Everything off."""


def _shapes(track: VisemeTrack) -> list[tuple[str, int]]:
    """Names with whole milliseconds; equal neighbours as one."""
    shapes: list[tuple[str, int]] = []
    for index, start_s in zip(track.visemes, track.starts_s, strict=True):
        if not shapes or shapes[-1][0] != VISEMES[index].name:
            shapes.append((VISEMES[index].name, round(float(start_s) * 1000)))
    return shapes


@given(sequences())
def test_track_stays_sound(sequence: list[tuple[str, int]]) -> None:
    exact = track_of(sequence)
    track = natural(exact, MouthOptions())
    assert track.duration_s == exact.duration_s
    assert track.starts_s[0] == 0
    assert (np.diff(track.starts_s) >= 0).all()
    assert track.starts_s[-1] <= track.duration_s
    assert ((track.weights >= 0) & (track.weights <= 1)).all()


@given(sequences())
def test_closures_and_bites_are_all_kept(sequence: list[tuple[str, int]]) -> None:
    exact = track_of(sequence)
    track = natural(exact, MouthOptions())
    kept = exact.visemes[PROTECTED[exact.visemes]]
    np.testing.assert_array_equal(track.visemes[PROTECTED[track.visemes]], kept)
    np.testing.assert_array_equal(track.weights[PROTECTED[track.visemes]], exact.weights[PROTECTED[exact.visemes]])


@given(sequences())
def test_with_everything_off_nothing_changes(sequence: list[tuple[str, int]]) -> None:
    exact = track_of(sequence)
    assert _shapes(natural(exact, STILL)) == _shapes(exact)


@given(sequences())
def test_lead_is_bounded(sequence: list[tuple[str, int]]) -> None:
    """No shape comes late, and none more than its lead early."""
    exact = track_of(sequence)
    leading = STILL.model_copy(update={"lead_ms": 30, "lead_after_pause_ms": 120})
    still, led = natural(exact, STILL), natural(exact, leading)
    np.testing.assert_array_equal(still.visemes, led.visemes)
    early = still.starts_s - led.starts_s
    assert (early >= -1e-9).all()
    assert (early <= 0.12 + 1e-9).all()


def test_lead_inside_speech_and_after_a_pause() -> None:
    track = track_of([(SILENCE, 400), ("ɑ", 200), ("u", 200), (SILENCE, 200)])
    shapes = _shapes(natural(track, STILL.model_copy(update={"lead_ms": 30, "lead_after_pause_ms": 120})))
    assert shapes == [("sil", 0), ("AA", 280), ("U", 570), ("sil", 800)]


@pytest.mark.parametrize(("symbol", "name"), [("p", "PP"), ("v", "FF")])
def test_lips_close_early_and_open_on_time(symbol: str, name: str) -> None:
    shapes = _shapes(natural(track_of([("ɑ", 200), (symbol, 80), ("u", 200)]), MouthOptions(lead_ms=30)))
    assert shapes == [("AA", 0), (name, 170), ("U", 280)]


def test_lead_takes_at_most_half_the_pause() -> None:
    track = track_of([("a", 200), (SILENCE, 100), ("u", 200)])
    assert _shapes(natural(track, MouthOptions())) == [("AA", 0), ("sil", 200), ("U", 250)]


def test_silences_in_a_row_are_one_pause() -> None:
    """The end of a sentence, the pause between, and the start of the next."""
    parts = track_of([("a", 200), (SILENCE, 150), (SILENCE, 150), (SILENCE, 20), ("u", 200)])
    assert _shapes(natural(parts, MouthOptions())) == [("AA", 0), ("sil", 200), ("U", 400)]


def test_short_closure_grows_to_one_frame() -> None:
    track = natural(track_of([("a", 200), ("p", 10), ("a", 200)]), MouthOptions(lead_ms=0))
    assert _shapes(track) == [("AA", 0), ("PP", 185), ("AA", 225)]


def test_short_bite_grows_to_one_frame() -> None:
    track = natural(track_of([("a", 200), ("v", 12), ("a", 200)]), MouthOptions(lead_ms=0))
    assert _shapes(track) == [("AA", 0), ("FF", 186), ("AA", 226)]


def test_neighbours_that_must_be_seen_share_their_border() -> None:
    track = natural(track_of([("a", 200), ("p", 10), ("f", 10), ("a", 200)]), MouthOptions(lead_ms=0))
    assert _shapes(track) == [("AA", 0), ("PP", 185), ("FF", 210), ("AA", 235)]


def test_short_tongue_consonant_takes_the_lips_of_its_vowel() -> None:
    shapes = _shapes(natural(track_of([("u", 200), ("t", 60), ("u", 200)]), MouthOptions(lead_ms=0)))
    assert shapes == [("U", 0)]


def test_jaw_rises_a_little_for_the_tongue() -> None:
    track = natural(track_of([("ˈu", 200), ("t", 60), ("ˈu", 200)]), MouthOptions(lead_ms=0))
    assert track.weights[1] < 0.7 * track.weights[0]


def test_long_tongue_consonant_has_its_own_shape() -> None:
    shapes = _shapes(natural(track_of([("u", 200), ("l", 120), ("u", 200)]), MouthOptions(lead_ms=0)))
    assert shapes == [("U", 0), ("L", 200), ("U", 320)]


def test_tongue_consonant_between_closures_stays() -> None:
    shapes = _shapes(natural(track_of([("p", 60), ("t", 60), ("p", 60)]), MouthOptions(lead_ms=0)))
    assert shapes == [("PP", 0), ("D", 60), ("PP", 120)]


def test_lone_shape_too_short_to_see_goes() -> None:
    shapes = _shapes(natural(track_of([("a", 200), ("s", 20), ("u", 200)]), MouthOptions(lead_ms=0)))
    assert shapes == [("AA", 0), ("U", 220)]


def test_fast_speech_does_not_freeze() -> None:
    """Of short shapes in a row the longest stand for the others: the mouth never rests on one for long."""
    sequence = [(symbol, 25 + index % 3 * 5) for index, symbol in enumerate("asuʃiwɔsaʃu" * 3)]
    track = natural(track_of([("a", 100), *sequence, ("a", 100)]), MouthOptions())
    shapes = _shapes(track)
    lengths = np.diff([start for _, start in shapes])
    assert lengths[1:-1].min() >= 40
    assert lengths[1:-1].max() < 150


def test_empty_track() -> None:
    empty = VisemeTrack(np.zeros(0), np.zeros(0, np.uint8), np.zeros(0, np.float32), 0.0)
    assert natural(empty, MouthOptions()) is empty


def test_options_are_closed() -> None:
    with pytest.raises(ValidationError, match="colour"):
        MouthOptions.model_validate({"colour": "red"})
    with pytest.raises(ValidationError, match="lead_ms"):
        MouthOptions(lead_ms=-1)
