"""How loud a sound is that comes bit by bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ACTIVE_DBFS = -50.0
"""Of 10 ms that count as sound: a quiet room is below, a whisper above."""
_CLIPPED = 0.999
_SILENCE = 1e-12
"""Power of digital silence: -120 dBFS."""


class Loudness:
    """Sums over all samples so far.

    Attributes:
        peak: largest magnitude.
        clipped: samples at full scale and beyond.
        active_frames: of 10 ms that are louder than -50 dBFS.
    """

    def __init__(self, sample_rate: int) -> None:
        """
        Args:
            sample_rate: Hertz.
        """
        self.peak = 0.0
        self.clipped = 0
        self.active_frames = 0
        self._frame = sample_rate // 100
        self._squares = 0.0
        self._samples = 0
        self._rest = np.zeros(0, np.float32)

    def add(self, samples: NDArray[np.float32]) -> None:
        """The next (N,) float32."""
        magnitudes = np.abs(samples)
        self.peak = max(self.peak, float(magnitudes.max(initial=0)))
        self.clipped += int((magnitudes >= _CLIPPED).sum())
        self._squares += float(np.square(samples, dtype=np.float64).sum())
        self._samples += len(samples)
        pending = np.concatenate((self._rest, samples))
        whole = len(pending) // self._frame * self._frame
        power = np.square(pending[:whole]).reshape(-1, self._frame).mean(axis=1)
        self.active_frames += int((power > 10 ** (_ACTIVE_DBFS / 10)).sum())
        self._rest = pending[whole:]

    @property
    def rms_dbfs(self) -> float:
        """Of all of it; -120 for digital silence."""
        return float(10 * np.log10(self._squares / max(1, self._samples) + _SILENCE))
