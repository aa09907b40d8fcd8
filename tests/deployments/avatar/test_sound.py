"""What is heard in a video."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.avatar.contract import SAMPLE_RATE
from deployments.avatar.sound import ClipSound, for_engine
from deployments.core.types import AudioClip


def tone(seconds: float, rate: int) -> AudioClip:
    return AudioClip(0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate).astype(np.float32), rate)


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 24_000, 48_000])
@pytest.mark.parametrize("seconds", [0.01, 1.0, 61.0])
def test_all_of_it_at_the_rate_of_the_engines(rate: int, seconds: float) -> None:
    heard = for_engine(ClipSound(tone(seconds, rate)))
    assert heard.sample_rate == SAMPLE_RATE and heard.duration_s == pytest.approx(seconds, abs=2 / SAMPLE_RATE)
    if seconds > 60:  # across the border between two steps
        expected = tone(seconds, SAMPLE_RATE).samples[: len(heard.samples)]
        middle = slice(29 * SAMPLE_RATE, 32 * SAMPLE_RATE)
        assert np.abs(heard.samples[middle] - expected[middle]).max() < 2e-3


def test_no_sound() -> None:
    assert len(for_engine(ClipSound(AudioClip(np.zeros(0, np.float32), 24_000))).samples) == 0


@given(st.integers(0, 500), st.integers(0, 600))
def test_a_part(start: int, length: int) -> None:
    whole = (np.arange(500) / 500).astype(np.float32)
    part = ClipSound(AudioClip(whole, 100)).clip(start, start + length)
    assert np.array_equal(part.samples, whole[start : start + length]) and part.sample_rate == 100
