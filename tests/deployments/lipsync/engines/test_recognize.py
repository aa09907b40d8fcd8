"""Words where they are English and clear, phones elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deployments.core.types import AudioClip
from tests.deployments.lipsync.recordings import HARMS, load, recording
from tests.deployments.lipsync.scoring import DATA
from tests.shared import shared


@pytest.fixture(scope="module", autouse=True)
def data() -> None:
    """The data lies beside the repository, not in it."""
    shared(DATA)


@pytest.mark.parametrize("language", ["en_US", "en_GB", ""])
def test_clear_english_has_words(recognizer: Any, language: str) -> None:
    clip, _ = load("s01")
    reading = recognizer.read(recording(clip, "", language))
    assert reading.method == "recognize words"
    assert "my name is joe" in reading.text
    assert [word.text for word in reading.words] == reading.text.split()
    assert reading.confidence > 0.9


def test_another_language_is_read_by_phones(recognizer: Any) -> None:
    clip, _ = load("s01")
    reading = recognizer.read(recording(clip, "", "de_DE"))
    assert reading.method == "recognize phones"
    assert reading.words == ()
    assert reading.text == ""


def test_words_that_do_not_fit_are_not_believed(recognizer: Any) -> None:
    clip, _ = load("s04")
    reading = recognizer.read(recording(HARMS["noise of 10 dB"][0](clip)))
    assert reading.method == "recognize phones"
    assert reading.confidence < recognizer.read(recording(clip)).confidence


def test_the_mouth_rests_in_pauses(recognizer: Any) -> None:
    clip, _ = load("s02")
    pause = np.random.default_rng(1).normal(0, 0.003, 2 * clip.sample_rate).astype(np.float32)
    reading = recognizer.read(
        recording(AudioClip(np.concatenate((clip.samples, pause, clip.samples)), clip.sample_rate))
    )
    track = reading.visemes
    inside = (track.starts_s > clip.duration_s + 0.3) & (track.starts_s < clip.duration_s + 1.7)
    assert not inside.any()
    assert track.visemes[np.searchsorted(track.starts_s, clip.duration_s + 1) - 1] == 0
