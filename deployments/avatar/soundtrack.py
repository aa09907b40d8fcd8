"""The sound of a video on its way into the file."""

from __future__ import annotations

from collections import deque
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SOUND_RATE = 48_000
"""Hertz in the file: 24, 25, 30, 50 and 60 frames a second divide it."""
_BIT_RATE = 96_000
"""Bits per second: as much as AAC needs for one voice without loss that is heard."""


class Soundtrack:
    """A track of AAC that is encoded as far as the picture is, and no further: what is too long can still be cut."""

    def __init__(self, container: Any, sample_rate: int, language: str) -> None:
        """
        Args:
            container: that gets a track of AAC; not started yet.
            sample_rate: Hertz of the sound that follows.
            language: three letters of ISO 639-2.
        """
        self.track = container.add_stream("aac", rate=SOUND_RATE)
        self.track.layout = "mono"
        self.track.bit_rate = _BIT_RATE
        self.track.metadata["language"] = language
        self._sample_rate = sample_rate
        self._waiting: deque[NDArray[np.float32]] = deque()
        self._position = 0
        self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE)

    def give(self, samples: NDArray[np.float32]) -> None:
        """(T,) float32, not copied."""
        if len(samples):
            self._waiting.append(samples)

    def up_to(self, position: int) -> list[Any]:
        """Packets of what was given, up to that sample."""
        packets = []
        while self._waiting and self._position < position:
            first = self._waiting.popleft()
            taken = first[: position - self._position]
            if len(taken) < len(first):
                self._waiting.appendleft(first[len(taken) :])
            packets += self._encode(taken)
        return packets

    def end(self, position: int) -> list[Any]:
        """The rest, up to exactly that sample."""
        packets = self.up_to(position)
        while self._position < position:
            packets += self._encode(np.zeros(min(self._sample_rate, position - self._position), np.float32))
        for resampled in self._resampler.resample(None):
            packets += self.track.encode(resampled)
        return [*packets, *self.track.encode(None)]

    def _encode(self, samples: NDArray[np.float32]) -> list[Any]:
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = self._sample_rate, self._position
        self._position += len(samples)
        return [packet for resampled in self._resampler.resample(frame) for packet in self.track.encode(resampled)]
