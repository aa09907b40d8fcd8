"""What happens to the sound on its way in: rate, level, high-pass, padding, and where a long one is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.signal
import soxr
from numpy.typing import NDArray

from deployments.core.types import AudioClip

SAMPLE_RATE = 16_000
"""Hertz: of ContentVec and the estimators of f0."""
HOP = 160
"""Samples of a 10 ms frame."""
_PEAK = 0.95
"""Louder inputs are turned down to it: upstream's limit."""
_HIGH_PASS = scipy.signal.butter(5, 48, btype="high", fs=SAMPLE_RATE)
"""Order and hertz as upstream: what lies below a voice disturbs f0 and features."""
_FILTER_PADDING = 18
"""Samples, filtfilt's own choice for this order."""


@dataclass(frozen=True)
class Framing:
    """How a sound is padded, and cut when it is long. Seconds; the defaults are upstream's for float32."""

    pad_s: float = 1.0
    """Mirrored sound on either side: the model's view into what was before and after."""
    query_s: float = 6.0
    """A cut moves by up to this to where it is quiet."""
    center_s: float = 38.0
    """Distance of cuts."""
    max_s: float = 41.0
    """A longer sound is cut."""
    grid_s: float = 0.0
    """The padded length is rounded up to a multiple, 0 leaves it: sounds of equal length can share a batch."""

    @property
    def pad(self) -> int:
        """10 ms frames on either side."""
        return round(self.pad_s * SAMPLE_RATE) // HOP


@dataclass(frozen=True)
class Span:
    """A piece of a padded sound that the model sees at once."""

    start: int
    """First sample."""
    stop: int
    """Behind the last sample."""
    frames: slice
    """Of f0, 10 ms each."""
    kept: int | None
    """Frames of output that belong to this piece; None for the last, which has the rest."""


def to_model_rate(clip: AudioClip) -> NDArray[np.float64]:
    """(N,) float64 at 16 kHz, within the level that the model knows."""
    samples = clip.samples
    if clip.sample_rate != SAMPLE_RATE:
        resampled = soxr.resample(samples, clip.sample_rate, SAMPLE_RATE)
        samples = resampled if len(resampled) else samples[:1]  # two samples at 48 kHz are none at 16 kHz
    peak = float(np.abs(samples).max(initial=0)) / _PEAK
    return samples.astype(np.float64) / max(1.0, peak)


def high_pass(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Forward and backward, so that nothing moves in time; (N,) -> (N,), N > 0."""
    padding = min(_FILTER_PADDING, len(samples) - 1)
    filtered: NDArray[np.float64] = scipy.signal.filtfilt(*_HIGH_PASS, samples, padlen=padding)
    return filtered


def cut_points(samples: NDArray[np.float64], framing: Framing) -> list[int]:
    """Samples at which a long sound is cut: where 10 ms are quietest around every multiple of center_s."""
    window = np.pad(samples, HOP // 2, mode="reflect")
    if len(window) <= framing.max_s * SAMPLE_RATE:
        return []
    # Summed in upstream's order: a running sum would break ties between equally quiet places otherwise.
    loudness = np.zeros_like(samples)
    for offset in range(HOP):
        loudness += np.abs(window[offset : offset - HOP])
    query, center = round(framing.query_s * SAMPLE_RATE), round(framing.center_s * SAMPLE_RATE)
    return [
        start + int(np.argmin(loudness[start : around + query]))
        for around in range(center, len(samples), center)
        for start in [around - query]
    ]


def pad(samples: NDArray[np.float64], framing: Framing) -> NDArray[np.float64]:
    """Mirrors both ends; a sound shorter than the padding is mirrored again and again."""
    sides = framing.pad * HOP
    grid = round(framing.grid_s * SAMPLE_RATE)
    more = -(len(samples) + 2 * sides) % grid if grid else 0
    return np.pad(samples, (sides, sides + more), mode="reflect")


def spans(padded: int, cuts: Sequence[int], framing: Framing) -> list[Span]:
    """Pieces of a padded sound, each with the padding on both sides.

    Args:
        padded: samples of the padded sound.
        cuts: as cut_points gives them.
        framing: as the sound was padded.
    """
    pieces, start, pad_frames = [], 0, framing.pad
    for cut in (cut // HOP for cut in cuts):
        # One more frame of sound than of f0: the extractor swallows the end.
        stop = cut + 2 * pad_frames
        pieces.append(Span(start * HOP, (stop + 1) * HOP, slice(start, stop), cut - start))
        start = cut
    pieces.append(Span(start * HOP, padded, slice(start, padded // HOP), None))
    return pieces
