"""Spans tile the audio, whatever durations the model gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from deployments.core.types import SILENCE
from deployments.tts.engines.piper.spans import TimedPhonemes, time_phonemes

RATE = 22050
HOP = 256
SYMBOLS = {ids[0]: symbol for symbol, ids in DEFAULT_PHONEME_ID_MAP.items()}
PAD, A, SILENT = (DEFAULT_PHONEME_ID_MAP[symbol][0] for symbol in "_a ")


def _time(phonemes: str, *durations_ms: float, audio: np.ndarray | None = None) -> TimedPhonemes:
    """Spans of phonemes with a pad behind each, at 1000 samples a second."""
    ids = [i for symbol in phonemes for i in (DEFAULT_PHONEME_ID_MAP[symbol][0], PAD)][:-1]
    samples = np.array(durations_ms, np.int64)
    sound = np.ones(int(samples.sum()), np.float32) if audio is None else audio
    return time_phonemes(ids, samples, SYMBOLS, sound, 1000)


def _rounded(timed: TimedPhonemes) -> list[tuple[str, int, int]]:
    return [(span.symbol, round(span.start_s * 1000), round(span.end_s * 1000)) for span in timed.spans]


@given(
    st.lists(st.tuples(st.sampled_from(sorted(SYMBOLS)), st.integers(0, 40)), min_size=1, max_size=60),
    st.sampled_from(["silence", "noise", "gap"]),
)
@example([(SILENT, 0)], "noise")
@example([(A, 0), (SILENT, 0), (A, 0)], "silence")
@example([(A, 3), (SILENT, 0), (A, 0)], "noise")
def test_spans_tile_the_audio(sequence: list[tuple[int, int]], kind: str) -> None:
    ids = [phoneme for phoneme, _ in sequence]
    samples = np.array([frames * HOP for _, frames in sequence], np.int64)
    total = int(samples.sum())
    audio = np.random.default_rng(7).uniform(-1, 1, total).astype(np.float32) * (kind != "silence")
    if kind == "gap":
        audio[total // 3 : total // 2] = 0
    timed = time_phonemes(ids, samples, SYMBOLS, audio, RATE)
    heard = [SYMBOLS[i] for i in ids if i != PAD]
    assert len(timed.spans) == len(timed.origins)
    assert timed.spans[0].start_s == 0
    assert timed.spans[-1].end_s == pytest.approx(total / RATE, abs=1e-9)
    for before, after in zip(timed.spans, timed.spans[1:], strict=False):
        assert before.end_s == after.start_s
    for span, origin in zip(timed.spans, timed.origins, strict=True):
        assert span.end_s >= span.start_s
        assert (origin == -1) == (span.symbol == SILENCE)
        assert origin == -1 or span.symbol.startswith(heard[origin])
    origins = [origin for origin in timed.origins if origin >= 0]
    assert origins == sorted(set(origins))


def test_pads_go_half_to_each_neighbour() -> None:
    assert _rounded(_time("^ab$", 10, 20, 100, 40, 100, 20, 10)) == [
        (SILENCE, 0, 20),
        ("a", 20, 150),
        ("b", 150, 280),
        (SILENCE, 280, 300),
    ]


def test_pad_in_front_of_all_goes_to_the_first() -> None:
    samples = np.array([30, 100], np.int64)
    timed = time_phonemes([PAD, DEFAULT_PHONEME_ID_MAP["a"][0]], samples, SYMBOLS, np.ones(130, np.float32), 1000)
    assert _rounded(timed) == [("a", 0, 130)]


def test_stress_goes_to_the_phoneme_behind() -> None:
    timed = _time("^ˈaˌb$", 10, 0, 30, 0, 100, 0, 20, 0, 50, 0, 10)
    assert _rounded(timed) == [(SILENCE, 0, 10), ("ˈa", 10, 140), ("ˌb", 140, 210), (SILENCE, 210, 220)]
    assert timed.origins == (-1, 1, 3, -1)


def test_length_and_other_marks_go_to_the_phoneme_in_front() -> None:
    timed = _time("^aːt\u0303ʰ$", 10, 0, 100, 0, 50, 0, 40, 0, 20, 0, 30, 0, 10)
    assert _rounded(timed) == [(SILENCE, 0, 10), ("aː", 10, 160), ("t\u0303ʰ", 160, 250), (SILENCE, 250, 260)]


def test_stress_without_a_phoneme_is_silence() -> None:
    assert _rounded(_time("aˈ", 100, 0, 30)) == [("a", 0, 100), (SILENCE, 100, 130)]


def test_short_gap_between_words_is_no_pause() -> None:
    assert _rounded(_time("a b", 100, 0, 60, 0, 100, audio=np.zeros(260, np.float32))) == [
        ("a", 0, 130),
        ("b", 130, 260),
    ]


def test_long_quiet_gap_is_a_pause() -> None:
    audio = np.ones(400, np.float32)
    audio[100:300] = 0
    assert _rounded(_time("a,b", 100, 0, 200, 0, 100, audio=audio)) == [
        ("a", 0, 100),
        (SILENCE, 100, 300),
        ("b", 300, 400),
    ]


def test_long_loud_gap_is_no_pause() -> None:
    assert _rounded(_time("a b", 100, 0, 200, 0, 100)) == [("a", 0, 200), ("b", 200, 400)]


def test_signs_in_a_row_are_one_pause() -> None:
    audio = np.ones(400, np.float32)
    audio[100:300] = 0
    timed = _time("a, b", 100, 0, 50, 0, 150, 0, 100, audio=audio)
    assert _rounded(timed) == [("a", 0, 100), (SILENCE, 100, 300), ("b", 300, 400)]


def test_unknown_ids_are_silence() -> None:
    timed = time_phonemes([9999], np.array([10], np.int64), SYMBOLS, np.zeros(10, np.float32), 1000)
    assert _rounded(timed) == [(SILENCE, 0, 10)]
