"""Whether anybody speaks: a real voice, and what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.core.types import AudioClip, Speech
from deployments.lipsync.hearing import speech_share
from deployments.media.encoding import wav

RATE = 24_000


def share(tmp_path: Path, samples: NDArray[np.float32], rate: int = RATE) -> float:
    path = tmp_path / "sound.wav"
    path.write_bytes(wav(AudioClip(samples, rate)))
    return speech_share(path, float(np.abs(samples).max(initial=0)))


@pytest.mark.parametrize("gain", [1.0, 0.02])
def test_a_voice_speaks(speech: Speech, tmp_path: Path, gain: float) -> None:
    assert share(tmp_path, speech.audio.samples * np.float32(gain), speech.audio.sample_rate) > 0.6


def test_pauses_are_no_speech(speech: Speech, tmp_path: Path) -> None:
    pause = np.zeros(len(speech.audio.samples) * 3, np.float32)
    assert 0.15 < share(tmp_path, np.concatenate((pause, speech.audio.samples)), speech.audio.sample_rate) < 0.26


def test_what_is_no_voice_does_not_speak(tmp_path: Path) -> None:
    time = np.arange(5 * RATE) / RATE
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * RATE)
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330)) / 6
    for sound in (noise, chord, np.zeros(RATE), np.zeros(0), np.full(RATE, 0.5)):
        assert share(tmp_path, np.asarray(sound, np.float32)) == 0
