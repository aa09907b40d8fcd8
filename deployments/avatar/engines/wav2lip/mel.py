"""The mel spectrogram that Wav2Lip was trained on: 80 columns a second.

16 kHz; pre-emphasis 0.97; 800 samples of periodic Hann every 200, centred, the edges reflected; magnitude; 80 bands of
Slaney's scale and normalisation (Auditory Toolbox, 1998) from 55 to 7600 Hz; 20 log10 - 20 dB, scaled to -4 ... 4. The
published checkpoints were made with librosa 0.7, which reflected; librosa 0.10 pads zeros, which moves the edges by
up to 0.75.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

WINDOW = 16
"""Columns, 0.2 s, that a frame hears."""

RATE = 16_000
"""Hertz."""
BANDS = 80
COLUMNS_PER_S = 80
HOP = RATE // COLUMNS_PER_S
"""Samples."""
LOWEST, HIGHEST = -4.0, 4.0
"""Of a value: -100 dB and below, 0 dB and above."""
_WINDOW = 800
_PREEMPHASIS = 0.97
_LOWEST_HZ, _HIGHEST_HZ = 55.0, 7600.0
_FLOOR = 1e-5
_REFERENCE_DB = 20.0
_RANGE_DB = 100.0
_CHUNK = 2048
"""Columns at a time: 13 MB of float64."""
_SHORTEST = WINDOW * HOP
"""Samples that fill one window of the network."""

# Slaney's scale: linear to 1 kHz, 3 mels in 200 Hz, then 27 mels to each factor of 6.4.
_LINEAR_HZ = 200 / 3
_BEND_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27


def mel_spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Args:
        samples: (T,) in [-1, 1], 16 kHz. What is no number counts as silence; shorter than 0.2 s, as followed by it.

    Returns:
        (80, 1 + T // 200) float32 in [-4, 4], at least 16 columns; column c is around sample 200 c.
    """
    sound = _long_enough(samples)
    return _columns(sound, 0, _count(sound))


def windows(samples: NDArray[np.float32], frames: range, fps: int) -> NDArray[np.float32]:
    """What frames of a video hear: frame i from column int(80 i / fps) on, and behind the end the last 16 columns.

    So upstream's inference; it was trained on windows that begin a 25th of a second earlier. Lips lead what is heard.

    Args:
        samples: of the whole video, as mel_spectrogram; only what these frames hear is looked at.
        frames: which; step 1.
        fps: frames in a second.

    Returns:
        (N, 80, 16) float32.
    """
    if not frames:
        return np.zeros((0, BANDS, WINDOW), np.float32)
    sound = _long_enough(samples)
    starts = np.minimum(np.asarray(frames, np.int64) * COLUMNS_PER_S // fps, _count(sound) - WINDOW)
    first = int(starts[0])
    mel = _columns(sound, first, int(starts[-1]) + WINDOW)
    return np.stack([mel[:, start : start + WINDOW] for start in starts - first])


def _long_enough(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    missing = _SHORTEST - len(samples)
    return np.pad(samples, (0, missing)) if missing > 0 else samples


def _count(sound: NDArray[np.float32]) -> int:
    return 1 + len(sound) // HOP


def _columns(sound: NDArray[np.float32], first: int, last: int) -> NDArray[np.float32]:
    """(80, last - first) of the spectrogram."""
    out = np.empty((BANDS, last - first), np.float32)
    for start in range(first, last, _CHUNK):  # an hour of sound has 288 000 of them
        stop = min(last, start + _CHUNK)
        emphasised = _emphasised(sound, start * HOP - _WINDOW // 2, (stop - 1) * HOP + _WINDOW // 2)
        frames = np.lib.stride_tricks.sliding_window_view(emphasised, _WINDOW)[::HOP]
        spectrum = np.abs(np.fft.rfft(frames * _hann()))
        decibels = 20 * np.log10(np.maximum(spectrum @ _bands().T, _FLOOR)) - _REFERENCE_DB
        scaled = (HIGHEST - LOWEST) * (decibels + _RANGE_DB) / _RANGE_DB + LOWEST
        out[:, start - first : stop - first] = np.clip(scaled, LOWEST, HIGHEST).T
    return out


def _emphasised(sound: NDArray[np.float32], first: int, last: int) -> NDArray[np.float64]:
    """(last - first,): y[n] = x[n] - 0.97 x[n - 1]; n beyond an end is as far on its other side."""
    places = np.abs(np.arange(first, last))
    places = np.where(places < len(sound), places, 2 * (len(sound) - 1) - places)
    now, before = (_clean(sound[np.maximum(index, 0)]) for index in (places, places - 1))
    return now - _PREEMPHASIS * before * (places > 0)


def _clean(values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


@functools.cache
def _hann() -> NDArray[np.float64]:
    """(800,), periodic."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)


@functools.cache
def _bands() -> NDArray[np.float64]:
    """(80, 401): triangles of area 1 on the scale of Hz."""
    edges = _hertz(np.linspace(_mels(_LOWEST_HZ), _mels(_HIGHEST_HZ), BANDS + 2))
    bins = np.arange(_WINDOW // 2 + 1) * RATE / _WINDOW
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    triangles: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left)
    return triangles


def _mels(hertz: float) -> float:
    if hertz < _BEND_HZ:
        return hertz / _LINEAR_HZ
    return float(_BEND_HZ / _LINEAR_HZ + np.log(hertz / _BEND_HZ) / _LOG_STEP)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    bend = _BEND_HZ / _LINEAR_HZ
    above: NDArray[np.float64] = _BEND_HZ * np.exp(_LOG_STEP * (mels - bend))
    return np.where(mels < bend, mels * _LINEAR_HZ, above)
