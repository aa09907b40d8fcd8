"""What the network hears; against references in test_parity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.avatar.engines.wav2lip.mel import BANDS, HIGHEST, LOWEST, RATE, WINDOW, mel_spectrogram, windows


def _noise(length: int, seed: int = 0) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(seed).standard_normal(length)).astype(np.float32)


def _tone(hertz: float, level: float = 0.1) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)).astype(np.float32)


@given(st.integers(0, 20_000), st.integers(0, 40), st.integers(0, 12), st.sampled_from([10, 24, 25, 30, 60]))
def test_frames_hear_what_the_whole_spectrogram_has(length: int, first: int, count: int, fps: int) -> None:
    """From int(80 i / fps) on, behind the end the last 16 columns, wherever a render begins."""
    sound = _noise(length)
    mel = mel_spectrogram(sound)
    heard = windows(sound, range(first, first + count), fps)
    assert heard.shape == (count, BANDS, WINDOW) and heard.dtype == np.float32
    for frame, found in enumerate(heard, start=first):
        start = min(int(80 * frame / fps), mel.shape[1] - WINDOW)
        np.testing.assert_allclose(found, mel[:, start : start + WINDOW], atol=1e-6)


@given(st.integers(0, 9000))
def test_columns_and_range(length: int) -> None:
    """80 a second, and enough for a frame of the shortest sound."""
    mel = mel_spectrogram(_noise(length))
    assert mel.shape == (BANDS, 1 + max(length, 3200) // 200)
    assert mel.min() >= LOWEST and mel.max() <= HIGHEST


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf])
def test_silence_and_what_is_no_number(value: float) -> None:
    """Upstream stops with 'Mel contains nan'."""
    assert (mel_spectrogram(np.full(8000, value, np.float32)) == LOWEST).all()


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 4000.0])
def test_a_tone_is_where_it_is(hertz: float) -> None:
    """In the band whose middle is nearest, on Slaney's scale."""
    loudest = int(mel_spectrogram(_tone(hertz))[:, 40].argmax())
    lowest, highest = 55 * 3 / 200, 15 + 27 * np.log(7.6) / np.log(6.4)
    wanted = hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)
    assert abs(loudest + 1 - (wanted - lowest) / (highest - lowest) * (BANDS + 1)) <= 0.6


def test_ten_times_the_amplitude_is_20_db() -> None:
    """1.6 of the 8 that 100 dB are spread over."""
    quiet, loud = (mel_spectrogram(_tone(1000, level))[:, 40].max() for level in (0.02, 0.2))
    assert loud - quiet == pytest.approx(1.6, abs=1e-3)


def test_a_long_sound_in_pieces_is_the_same() -> None:
    """More columns than are computed at a time."""
    sound = _noise(200 * 2100)
    part = windows(sound, range(640, 646), 25)
    np.testing.assert_allclose(part[5], mel_spectrogram(sound)[:, 2064:2080], atol=1e-6)
