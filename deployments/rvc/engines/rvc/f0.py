"""Fundamental frequency, one value per 10 ms frame: three estimators, and what the network makes of their values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyworld
import scipy.signal
import swift_f0
from numpy.typing import NDArray

from .signals import HOP, SAMPLE_RATE

F0 = NDArray[np.float64]
Estimator = Callable[[NDArray[np.float64]], F0]
"""(N,) samples at 16 kHz -> (N // 160,) Hz at 0, 10, 20 ms..., 0 where unvoiced."""

LOWEST_HZ, HIGHEST_HZ = 50.0, 1100.0
"""Range of all RVC voices; coarse pitch is spread over it."""
_BINS = 254
"""Coarse steps above the first, which is also that of unvoiced frames."""
_VOICED = 0.5
"""Confidence from which swift-f0 calls a frame voiced."""
_SWIFT_FRAME_S = 256 / 16_000
"""Its frames are 16 ms apart, the first centred on the first sample."""
_MEDIAN_FRAMES = 3
"""Upstream's median filter has this width whatever the filter radius; the radius only switches it on."""


class SwiftF0:
    """swift-f0: 7 ms for a second of sound on one core, weights in the package."""

    def __init__(self) -> None:
        # Threads that wait without spinning leave the cores to the synthesizer.
        self._detector = swift_f0.SwiftF0(threads=1, spin=False)

    def __call__(self, samples: NDArray[np.float64]) -> F0:
        """As Estimator."""
        found = self._detector.detect(samples.astype(np.float32), SAMPLE_RATE, LOWEST_HZ, HIGHEST_HZ)
        positions = np.arange(len(samples) // HOP, dtype=np.float64) * (HOP / SAMPLE_RATE / _SWIFT_FRAME_S)
        return resample_f0(found.pitch_hz, found.confidence >= _VOICED, positions)


def resample_f0(pitch_hz: F0, voiced: NDArray[np.bool_], positions: NDArray[np.float64]) -> F0:
    """Values between frames: on a log scale between two voiced ones, else the nearest one's, 0 if that is unvoiced.

    Args:
        pitch_hz: (F,) Hz.
        voiced: (F,) whether a frame counts.
        positions: (P,) in frames.
    """
    last = len(pitch_hz) - 1
    left = np.clip(np.floor(positions).astype(int), 0, last)
    right, nearest = np.minimum(left + 1, last), np.clip(np.rint(positions).astype(int), 0, last)
    share = np.clip(positions - left, 0, 1)
    between = np.exp(np.log(pitch_hz[left]) * (1 - share) + np.log(pitch_hz[right]) * share)
    values = np.where(voiced[left] & voiced[right], between, pitch_hz[nearest])
    return np.where(voiced[nearest], values, 0.0)


def harvest(samples: NDArray[np.float64]) -> F0:
    """Harvest (Morise 2017, Interspeech) refined by StoneMask, from WORLD; 170 ms for a second of sound."""
    frame_ms = 1000 * HOP / SAMPLE_RATE
    rough, times = pyworld.harvest(samples, SAMPLE_RATE, f0_floor=LOWEST_HZ, f0_ceil=HIGHEST_HZ, frame_period=frame_ms)
    fine: F0 = pyworld.stonemask(samples, rough, times, SAMPLE_RATE)
    return fine[: len(samples) // HOP]


def median(f0: F0) -> F0:
    """Takes single outliers away."""
    filtered: F0 = scipy.signal.medfilt(f0, _MEDIAN_FRAMES)
    return filtered


def fill_unvoiced(f0: F0) -> F0:
    """Draws the pitch through unvoiced frames; one without any voiced frame stays 0."""
    voiced = np.flatnonzero(f0 > 0)
    return np.interp(np.arange(len(f0)), voiced, f0[voiced]) if len(voiced) else f0


def coarse(f0: F0) -> NDArray[np.int64]:
    """1-255, on the mel scale from 50 to 1100 Hz; 1 where unvoiced."""
    low, high = _mel(LOWEST_HZ), _mel(HIGHEST_HZ)
    steps = np.where(f0 > 0, (_mel(f0) - low) * _BINS / (high - low) + 1, 1.0)
    rounded: NDArray[np.int64] = np.rint(np.clip(steps, 1, _BINS + 1)).astype(np.int64)
    return rounded


def _mel(hertz: F0 | float) -> F0:
    return np.asarray(1127 * np.log(1 + np.asarray(hertz) / 700), dtype=np.float64)
