"""Makes the result follow the loudness of the input, as far as a voice asks for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FLOOR = 1e-6
"""RMS below is taken as this."""
_PEAK = 0.99
"""Louder results are turned down to it: upstream's limit."""


def mix_loudness(
    samples: NDArray[np.float32], rate: int, reference: NDArray[np.float64], reference_rate: int, mix: float
) -> NDArray[np.float32]:
    """Multiplies by RMS(reference)^(1 - mix) * RMS(samples)^(mix - 1), both taken over a second every half second.

    Args:
        samples: (N,) float32.
        rate: hertz, of samples.
        reference: (M,) what it is to be as loud as.
        reference_rate: hertz.
        mix: 0 follows the reference, 1 leaves the samples as they are.

    Returns:
        (N,) float32; may leave [-1, 1].
    """
    if mix == 1:
        return samples
    wanted = _stretch(_rms(reference, reference_rate), len(samples))
    present = _stretch(_rms(samples, rate), len(samples))
    gain = np.maximum(wanted, 0) ** (1 - mix) * np.maximum(present, _FLOOR) ** (mix - 1)
    return (samples * gain).astype(np.float32)


def limit_peak(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turns a sound down whose peak is above 0.99."""
    peak = float(np.abs(samples).max(initial=0)) / _PEAK
    return samples / np.float32(peak) if peak > 1 else samples


def _rms(samples: NDArray[np.floating], rate: int) -> NDArray[np.float64]:
    """(1 + N // hop,): frames of a second (an even number of samples) every half second, centred, zeros outside."""
    hop = rate // 2
    squares = np.pad(samples.astype(np.float64) ** 2, hop)
    sums = np.concatenate(([0.0], np.cumsum(squares)))
    starts = np.arange(1 + len(samples) // hop) * hop
    rms: NDArray[np.float64] = np.sqrt(np.maximum(sums[starts + 2 * hop] - sums[starts], 0) / (2 * hop))
    return rms


def _stretch(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Linear, with the centres of old and new samples spread alike (PyTorch's align_corners=False)."""
    positions = (np.arange(length) + 0.5) * (len(values) / length) - 0.5
    stretched: NDArray[np.float64] = np.interp(positions, np.arange(len(values)), values)
    return stretched
