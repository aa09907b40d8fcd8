"""Sentences become one timeline; nothing moves against the sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.types import AudioClip, Speech, WordSpan
from deployments.core.visemes import REST
from deployments.lipsync.engines.phonemes import Engine, Options
from deployments.media.join import Pauses, Timeline
from tests.deployments.strategies import RATE, sequences, speech_of

PAUSES = Pauses(sentence_s=0.15, paragraph_s=0.4)
MOUTH = Engine(Options())


@given(st.lists(st.tuples(sequences(8), st.booleans()), max_size=5))
def test_sound_and_mouth_stay_together(sentences: list[tuple[list[tuple[str, int]], bool]]) -> None:
    timeline = Timeline(PAUSES)
    appended: list[np.ndarray] = []
    starts_s, owed_s = [], 0.0
    for sequence, ends_paragraph in sentences:
        speech = speech_of(sequence)
        starts_s.append(timeline.duration_s + owed_s)
        appended.append(timeline.add(speech, MOUTH.track(speech), 0, ends_paragraph).samples)
        owed_s = PAUSES.paragraph_s if ends_paragraph else PAUSES.sentence_s
    audio, track = timeline.audio, timeline.visemes
    np.testing.assert_array_equal(audio.samples, np.concatenate([np.zeros(0, np.float32), *appended]))
    assert track.duration_s == timeline.duration_s == pytest.approx(len(audio.samples) / RATE)
    assert track.starts_s[0] == 0
    assert (np.diff(track.starts_s) >= -1e-9).all()
    for start_s, (sequence, _) in zip(starts_s, sentences, strict=True):
        speech = speech_of(sequence)
        first = round(start_s * RATE)
        np.testing.assert_array_equal(audio.samples[first : first + len(speech.audio.samples)], speech.audio.samples)
        own = MOUTH.track(speech)
        index = int(np.flatnonzero(np.isclose(track.starts_s, start_s + own.starts_s[0]))[-1])
        assert set(np.round(start_s + own.starts_s, 6)) <= set(np.round(track.starts_s, 6))
        assert index < len(track.visemes)


def test_pauses_lie_between_sentences_only() -> None:
    timeline = Timeline(PAUSES)
    speech = speech_of([("a", 100)])
    track = MOUTH.track(speech)
    assert timeline.add(speech, track, 0, False).duration_s == pytest.approx(0.1)
    assert timeline.add(speech, track, 3, True).duration_s == pytest.approx(0.25)
    assert timeline.add(speech, track, 6, True).duration_s == pytest.approx(0.5)
    assert timeline.duration_s == pytest.approx(0.85)
    shapes = list(zip(timeline.visemes.starts_s.round(3), timeline.visemes.visemes == REST, strict=True))
    assert [shape for shape in shapes if shape[0] > 0] == [
        (0.1, True),
        (0.25, False),
        (0.35, True),
        (0.75, False),
        (0.85, True),
    ]


def test_words_move_in_time_and_text() -> None:
    timeline = Timeline(PAUSES)
    spoken = speech_of([("a", 100)])
    speech = Speech(spoken.audio, spoken.phonemes, (WordSpan("a", 0.02, 0.1, 1, 2),), "(a)", "en_US")
    timeline.add(speech, MOUTH.track(speech), 0, False)
    timeline.add(speech, MOUTH.track(speech), 10, False)
    first, second = timeline.words
    assert first == WordSpan("a", 0.02, 0.1, 1, 2)
    assert (second.start_char, second.end_char) == (11, 12)
    assert (second.start_s, second.end_s) == pytest.approx((0.27, 0.35))


def test_sentence_without_sound_takes_no_time() -> None:
    timeline = Timeline(PAUSES)
    speech = speech_of([("a", 100)])
    silent = Speech(AudioClip(np.zeros(0, np.float32), RATE), (), (), "...", "en_US")
    timeline.add(speech, MOUTH.track(speech), 0, False)
    assert len(timeline.add(silent, MOUTH.track(silent), 3, True).samples) == 0
    timeline.add(speech, MOUTH.track(speech), 7, False)
    assert timeline.duration_s == pytest.approx(0.35)


def test_empty_timeline() -> None:
    timeline = Timeline(PAUSES)
    assert len(timeline.audio.samples) == 0
    assert timeline.words == ()
    assert timeline.visemes.duration_s == 0
