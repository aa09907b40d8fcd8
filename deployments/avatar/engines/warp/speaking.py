"""The mouth in time: from a step function of visemes to smooth articulators at any moment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deployments.core.types import VisemeTrack
from deployments.core.visemes import VISEMES

from .shapes import DOMINANCE, OPENING, SHAPE, SHAPES

_KIND = np.array([viseme.kind for viseme in VISEMES])
_SLOW = {"jaw": 0.030, "tongue": 0.025, "tip": 0.025}
_SMOOTH_S = np.array([_SLOW.get(name, 0.030) for name in SHAPE])
"""(len(SHAPE),) float64, seconds: sigma of the Gaussian that every step becomes. A lip takes about 80 ms from shape to
shape (JALI); the tip of the tongue is lighter. A slower jaw (0.042) looks softer and follows too little of the speech:
the opening in finished videos then correlates by 0.71 to 0.80 with what was asked for, instead of 0.87 to 0.91."""
_HELD_S = 0.030
"""How much earlier than its end a long contact begins to part."""
_RELEASE_S = np.array([{"jaw": 0.06}.get(name, 0.05) for name in SHAPE])
"""(len(SHAPE),) float64, seconds: from contact to free lips, which burst; the jaw takes its time."""
_TUCK = SHAPE.index("tuck")


def mouth(track: VisemeTrack, times_s: NDArray[np.float64], frame_s: float, strength: float) -> NDArray[np.float32]:
    """Amounts of every articulator.

    Each shape is a step smoothed by a Gaussian, exactly (differences of its integral), so nothing depends on where
    frames fall; where shapes overlap they are averaged by dominance. Closures and bites are then made sure of: at the
    frame nearest to the middle of each they are complete.

    Args:
        track: what is said.
        times_s: (N,) float64, seconds, ascending.
        frame_s: seconds from frame to frame.
        strength: 0.5-1.5: how far the mouth opens; contacts are contacts whatever it is.

    Returns:
        (N, len(SHAPE)) float32.
    """
    starts, ends = track.starts_s, track.ends_s
    if len(starts) == 0 or len(times_s) == 0:
        return np.zeros((len(times_s), len(SHAPE)), np.float32)
    near = (ends > times_s[0] - 0.5) & (starts < times_s[-1] + 0.5)
    near[[0, -1]] |= (times_s[0] <= ends[0], times_s[-1] >= starts[-1])
    starts, ends = starts[near], ends[near]
    visemes, weights = track.visemes[near], track.weights[near]
    # The mouth rests before and after: both are silences without end.
    starts = np.concatenate(([-1e3], starts, [track.duration_s]))
    ends = np.concatenate(([track.starts_s[near][0]], ends, [1e3]))
    visemes = np.concatenate(([0], visemes, [0]))
    weights = np.concatenate(([1.0], weights, [1.0]))
    share = _present(times_s, starts, ends)
    pull = share * DOMINANCE[visemes]
    amounts = (pull * targets(visemes, weights, strength)).sum(1) / np.maximum(pull.sum(1), 1e-6)
    return _contacts(amounts.astype(np.float32), times_s, starts, ends, visemes, frame_s)


def targets(visemes: NDArray[np.integer], weights: NDArray[np.floating], strength: float) -> NDArray[np.float64]:
    """(M, len(SHAPE)) float64: what each shape asks for. The weight scales the opening, and half of the rest."""
    weight = np.where(np.isin(_KIND[visemes], ("closure", "bite")), 1.0, weights)[:, None]
    scale = np.where(OPENING, weight * strength, 0.5 + 0.5 * weight)
    found: NDArray[np.float64] = SHAPES[visemes] * scale
    return found


def _present(
    times_s: NDArray[np.float64], starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, M, len(SHAPE)) float64 in 0-1: how much of each span a Gaussian around each moment covers."""
    rise = _normal((times_s[:, None] - starts)[..., None] / _SMOOTH_S)
    fall = _normal((times_s[:, None] - ends)[..., None] / _SMOOTH_S)
    return np.maximum(rise - fall, 0)


def _normal(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral of the normal density; the logistic curve is within 0.01 of it (Bowling et al., 2009)."""
    z = np.clip(x, -8, 8)
    found: NDArray[np.float64] = 1 / (1 + np.exp(-(1.5976 * z + 0.07056 * z**3)))
    return found


def _contacts(
    amounts: NDArray[np.float32],
    times_s: NDArray[np.float64],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    visemes: NDArray[np.integer],
    frame_s: float,
) -> NDArray[np.float32]:
    """Lips that touch where they must."""
    for index in np.flatnonzero(np.isin(_KIND[visemes], ("closure", "bite"))):
        middle = (starts[index] + ends[index]) / 2
        half = max(frame_s / 2 + 1e-6, (ends[index] - starts[index]) / 2 - _HELD_S)
        beyond = np.clip((np.abs(times_s - middle) - half)[:, None] / _RELEASE_S, 0, 1)
        hold = (1 - beyond * beyond * (3 - 2 * beyond)).astype(np.float32)
        wanted = SHAPES[visemes[index]]
        insists = np.where((wanted > 0) | OPENING | (np.arange(len(SHAPE)) == _TUCK), hold, 0)
        amounts = amounts + (wanted - amounts) * insists
    return amounts
