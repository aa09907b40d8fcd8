"""What is heard in a video, read as far as it is needed: half an hour of sound is never whole in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr

from deployments.core.types import AudioClip

from .contract import SAMPLE_RATE

_STEP_S = 30
"""Read at a time: 3 MB."""


class Sound(Protocol):
    """Mono sound of any length. Blocking."""

    @property
    def sample_rate(self) -> int:
        """Hertz."""

    @property
    def samples(self) -> int:
        """How many."""

    def clip(self, start: int, end: int) -> AudioClip:
        """The samples from `start` to before `end`.

        Raises:
            UploadNotFound: its file has gone.
        """


@dataclass(frozen=True, eq=False)
class ClipSound:
    """What is in memory already."""

    whole: AudioClip

    @property
    def sample_rate(self) -> int:
        """Hertz."""
        return self.whole.sample_rate

    @property
    def samples(self) -> int:
        """How many."""
        return len(self.whole.samples)

    def clip(self, start: int, end: int) -> AudioClip:
        """The samples from `start` to before `end`."""
        return AudioClip(self.whole.samples[start:end], self.sample_rate)


def for_engine(sound: Sound) -> AudioClip:
    """All of it at SAMPLE_RATE: 38 MB for ten minutes."""
    if sound.samples == 0:
        return AudioClip(np.zeros(0, np.float32), SAMPLE_RATE)
    resampler = soxr.ResampleStream(sound.sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    step = _STEP_S * sound.sample_rate
    parts = [
        resampler.resample_chunk(sound.clip(start, start + step).samples, last=start + step >= sound.samples)
        for start in range(0, sound.samples, step)
    ]
    return AudioClip(np.concatenate(parts), SAMPLE_RATE)
