"""Sound is encoded as far as it is asked for, and no further."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.avatar.soundtrack import SOUND_RATE, Soundtrack

LATE = 2048 + 64
"""Samples of 48 kHz that encoder and resampler may keep back: two frames of AAC, and a filter."""


@settings(max_examples=30)
@given(
    st.sampled_from([8_000, 22_050, 48_000]),
    st.lists(st.integers(0, 5_000), max_size=8),
    st.lists(st.integers(0, 20_000), max_size=8),
    st.integers(133, 20_000),  # a frame of 1/60 s at 8 kHz
)
def test_it_ends_at_the_sample_that_it_is_told(rate: int, given: list[int], asked: list[int], end: int) -> None:
    with av.open(io.BytesIO(), mode="w", format="mp4") as container:
        sound = Soundtrack(container, rate, "und")
        for samples in given:
            sound.give(np.full(samples, 0.1, np.float32))
        packets = []
        for position in sorted(min(each, end) for each in asked):
            packets += sound.up_to(position)
            done = sum(packet.duration for packet in packets)
            reached = min(position, sum(given)) * SOUND_RATE / rate
            assert reached - LATE <= done <= reached + 1024  # AAC begins with a frame of its own
        packets += sound.end(end)
    assert sum(packet.duration for packet in packets) == pytest.approx(end * SOUND_RATE / rate + 1024, abs=2)
