"""Eyes that live: at the right rate, in the pauses, and the same for the same timeline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deployments.core.types import SILENCE, EyeEvent, VisemeTrack, WordSpan
from deployments.media.eyes import EyeOptions, eye_track
from tests.deployments.strategies import sequences, track_of

MINUTES = 10


def _conversation(seed: int, minutes: float = MINUTES) -> tuple[VisemeTrack, tuple[WordSpan, ...]]:
    """Words of a third of a second, and a pause every few of them."""
    rng = np.random.default_rng(seed)
    sequence: list[tuple[str, int]] = []
    words: list[WordSpan] = []
    position = 0
    while position < minutes * 60_000:
        for number in range(int(rng.integers(4, 12))):
            length = int(rng.integers(100, 600))
            sequence += [("t", length // 2), ("a", length - length // 2)]
            words.append(WordSpan(f"w{number}", position / 1000, (position + length) / 1000, 0, 1))
            position += length
        pause = int(rng.integers(150, 700))
        sequence.append((SILENCE, pause))
        position += pause
    return track_of(sequence), tuple(words)


def _blinks(events: tuple[EyeEvent, ...]) -> list[EyeEvent]:
    return [event for event in events if event.type == "blink"]


@pytest.mark.parametrize("seed", range(5))
def test_about_15_blinks_a_minute(seed: int) -> None:
    events = eye_track(*_conversation(seed), EyeOptions()).events
    assert 11 <= len(_blinks(events)) / MINUTES <= 19
    saccades = len(events) - len(_blinks(events))
    assert 10 <= saccades / MINUTES <= 25


def test_gaps_vary_like_peoples() -> None:
    """Log-normal: the middle gap is shorter than the mean, and they spread."""
    starts = [event.start_s for event in _blinks(eye_track(*_conversation(3), EyeOptions()).events)]
    gaps = np.diff(starts)
    assert np.median(gaps) < np.mean(gaps)
    assert 0.3 < np.std(gaps) / np.mean(gaps) < 0.9
    assert gaps.min() > 0.5


def test_blinks_prefer_pauses() -> None:
    track, words = _conversation(1)
    blinks = _blinks(eye_track(track, words, EyeOptions()).events)
    inside = [
        blink for blink in blinks if any(word.start_s + 0.01 < blink.start_s < word.end_s - 0.01 for word in words)
    ]
    silent = track.visemes == 0
    pauses = list(zip(track.starts_s[silent], track.ends_s[silent], strict=True))
    resting = [blink for blink in blinks if any(a - 1e-9 <= blink.start_s <= b + 1e-9 for a, b in pauses)]
    assert len(inside) <= 0.1 * len(blinks)
    # A fifth of the time is pause; chance would put a fifth of the blinks there.
    assert len(resting) > 0.35 * len(blinks)


def test_same_timeline_same_events() -> None:
    track, words = _conversation(0, 1)
    assert eye_track(track, words, EyeOptions()) == eye_track(track, words, EyeOptions())


def test_other_content_other_events() -> None:
    track, words = _conversation(0, 1)
    other = (replace(words[0], text="other"), *words[1:])
    assert eye_track(track, words, EyeOptions()) != eye_track(track, other, EyeOptions())


def test_rates_are_settings() -> None:
    track, words = _conversation(0)
    events = eye_track(track, words, EyeOptions(blinks_per_minute=4, saccades_per_minute=60)).events
    assert 2 <= len(_blinks(events)) / MINUTES <= 6
    assert (len(events) - len(_blinks(events))) / MINUTES > 25


@given(sequences(), st.floats(1, 60), st.floats(1, 120), st.integers(1, 40))
def test_events_are_sound(sequence: list[tuple[str, int]], blinks: float, saccades: float, repeats: int) -> None:
    track = track_of(sequence * repeats)
    options = EyeOptions(blinks_per_minute=blinks, saccades_per_minute=saccades)
    events = eye_track(track, (), options).events
    end_s = 0.0
    for event in events:
        assert event.start_s >= end_s
        assert event.duration_s > 0
        end_s = event.start_s + event.duration_s
        assert (event.direction is None) == (event.type == "blink")
    assert end_s <= track.duration_s + 1e-9


def test_any_word_can_be_seen_by_the_eyes() -> None:
    track, _ = _conversation(0, 0.2)
    assert eye_track(track, (WordSpan("\ud800", 0, 1, 0, 1),), EyeOptions()).events


def test_no_time_no_events() -> None:
    empty = VisemeTrack(np.zeros(0), np.zeros(0, np.uint8), np.zeros(0, np.float32), 0.0)
    assert eye_track(empty, (), EyeOptions()).events == ()


def test_options_are_closed() -> None:
    with pytest.raises(ValidationError, match="colour"):
        EyeOptions.model_validate({"colour": "red"})
    with pytest.raises(ValidationError, match="blinks_per_minute"):
        EyeOptions(blinks_per_minute=0)
