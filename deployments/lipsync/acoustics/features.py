"""Mel cepstra as the acoustic model was trained on them.

The settings are those of the model's feat.params: 25 triangular filters from 130 to 6800 Hz, steady noise taken off,
13 cepstra, lifter 22, a Hamming window of 25.6 ms every 10 ms, pre-emphasis 0.97, first and second differences. They
equal PocketSphinx's to 0.003 on its own dump of them (-mfclogdir; typical size 10).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16000
"""Hertz."""
HOP = 160
"""Samples from frame to frame."""
HOP_S = HOP / RATE
_WINDOW = 410
_FFT = 512
_FILTERS = 25
_LOW_HZ, _HIGH_HZ = 130.0, 6800.0
_LIFTER = 22
_CEPSTRA = 13
_PRE_EMPHASIS = 0.97
_SCALE = 32768
"""The model was trained on 16 bit samples; floors below are in their units."""
_FLOOR = 1e-4
_CHUNK = 2000
"""Frames that are transformed at once: bounds the memory to 10 MB."""


def _mel_filters() -> NDArray[np.float64]:
    """(257, 25): triangles of equal width in mel and of equal area, their corners on bins of the FFT."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOW_HZ, _HIGH_HZ))
    corners = 700 * (10 ** (np.linspace(low, high, _FILTERS + 2) / 2595) - 1)
    step = RATE / _FFT
    corners = np.round(corners / step) * step
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    hertz = (np.arange(_FFT // 2 + 1) * step)[:, None]
    rising, falling = (hertz - left) / (centre - left), (right - hertz) / (right - centre)
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None) * 2 / (right - left)
    return filters


def _cosines() -> NDArray[np.float64]:
    """(25, 13): the orthonormal cosine transform, liftered."""
    order = np.arange(_CEPSTRA)
    cosines = np.cos(np.pi / _FILTERS * np.outer(np.arange(_FILTERS) + 0.5, order)) * np.sqrt(2 / _FILTERS)
    cosines[:, 0] *= np.sqrt(0.5)
    lifted: NDArray[np.float64] = cosines * (1 + _LIFTER / 2 * np.sin(np.pi * order / _LIFTER))
    return lifted


_MEL = _mel_filters()
_DCT = _cosines()
_NEAR = np.abs(np.subtract.outer(np.arange(_FILTERS), np.arange(_FILTERS))) <= 4
_SMOOTH = _NEAR / _NEAR.sum(axis=1, keepdims=True)
"""Gains of neighbouring filters are averaged."""


def features(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(T, 3, 13) float32: cepstra less their mean, first and second differences; and (T,) the level of every frame.

    The level is 0 for the quietest twentieth of the frames and 1 for the loudest, linear in decibels.

    Args:
        samples: (N,) float32 in [-1, 1] at RATE; frame t is of samples t * HOP to t * HOP + 410.
    """
    if len(samples) < _WINDOW:
        return np.zeros((0, 3, _CEPSTRA), np.float32), np.zeros(0, np.float32)
    cepstra = np.log(np.maximum(_without_noise(_mel_powers(samples)), _FLOOR)) @ _DCT
    low, high = np.percentile(cepstra[:, 0], (5, 95))
    level = np.clip((cepstra[:, 0] - low) / max(high - low, _FLOOR), 0, 1).astype(np.float32)
    cepstra -= cepstra.mean(axis=0)
    padded = np.pad(cepstra, ((3, 3), (0, 0)), "edge")

    def at(offset: int) -> NDArray[np.float64]:
        return padded[3 + offset : 3 + offset + len(cepstra)]

    first, second = at(2) - at(-2), (at(3) - at(-1)) - (at(1) - at(-3))
    return np.stack([cepstra, first, second], axis=1).astype(np.float32), level


def _mel_powers(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T, 25) power in each filter."""
    scaled = samples.astype(np.float64) * _SCALE
    emphasized = np.append(scaled[:1], scaled[1:] - _PRE_EMPHASIS * scaled[:-1])
    frames = np.lib.stride_tricks.sliding_window_view(emphasized, _WINDOW)[::HOP]
    window = np.hamming(_WINDOW)
    return np.concatenate(
        [
            np.square(np.abs(np.fft.rfft(frames[at : at + _CHUNK] * window, _FFT))) @ _MEL
            for at in range(0, len(frames), _CHUNK)
        ]
    )


def _without_noise(powers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steady noise taken off, the decay after loud sounds masked: what the model's training had (-remove_noise).

    Noise by spectral minima after Doblinger (Eurospeech 1995), masking after Kim and Stern's PNCC.
    """
    powers = np.maximum(powers, _FLOOR)
    smooth, noise, floor = powers[0], powers[0] / 20, powers[0] / 20
    peak = np.zeros(_FILTERS)
    gains = np.empty_like(powers)
    for index, power in enumerate(powers):
        smooth = 0.7 * smooth + 0.3 * power
        noise = _lower_envelope(noise, smooth)
        signal = np.maximum(smooth - noise, 1)
        floor = _lower_envelope(floor, signal)
        peak *= 0.85
        masked = np.where(signal < 0.85 * peak, 0.2 * peak, signal)
        peak = np.maximum(peak, signal)
        gains[index] = np.maximum(masked, floor) / smooth
    cleaned: NDArray[np.float64] = powers * (np.clip(gains, 1 / 20, 20) @ _SMOOTH.T)
    return cleaned


def _lower_envelope(envelope: NDArray[np.float64], power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Follows minima at once, rises slowly."""
    return np.where(power >= envelope, 0.995 * envelope + 0.005 * power, 0.5 * (envelope + power))
