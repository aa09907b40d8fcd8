"""What a head does beside speaking: it sways, nods and lifts its brows on stress, blinks, glances, breathes.

All of it is a smooth function of time, drawn from a generator that the content seeds: any frame can be made alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.core.types import Animation, EyeEvent, VisemeTrack
from deployments.core.visemes import VISEMES

_OPEN = np.array([viseme.kind == "vowel" and viseme.arkit.get("jawOpen", 0) >= 0.35 for viseme in VISEMES])
_SILENT = np.array([viseme.kind == "silence" for viseme in VISEMES])
_STRESS_GAP_S = 0.55
"""Nods come no closer: about the time of a stressed foot in English."""
_NOD_S = 0.16
"""Sigma of a nod."""
_BROW_S = 0.2
_SACCADE_S = 0.04
"""A glance of ten degrees takes 40 ms (Leigh and Zee, The Neurology of Eye Movements)."""
_BREATH_S = 3.9
"""15 breaths a minute."""

_Curve = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gestures:
    """Curves over the frames asked for, all (N,) float64."""

    shut: _Curve
    """0-1: of the lids."""
    gaze_x: _Curve
    """-1..1, 1 is right in the picture."""
    gaze_y: _Curve
    """-1..1, 1 is down."""
    brow: _Curve
    """0-1: up."""
    yaw: _Curve
    """Radians to the right of the picture."""
    pitch: _Curve
    """Radians down."""
    roll: _Curve
    """Radians clockwise in the picture."""
    aside: _Curve
    """Of the head, to the right, eye distances."""
    down: _Curve
    """Eye distances."""
    breath: _Curve
    """0-1: 1 is full."""


def gestures(
    animation: Animation, times_s: _Curve, frame_s: float, head: float, brows: float, blinks: bool
) -> Gestures:
    """Everything but the mouth.

    Args:
        animation: the timeline.
        times_s: (N,) float64, seconds.
        frame_s: seconds from frame to frame.
        head: 0-1: how much the head moves.
        brows: 0.5-1.5.
        blinks: whether eyes shut at all.
    """
    track = animation.visemes
    rng = np.random.default_rng(_seed(track))
    stress = stresses(track)
    raised = stress[rng.random(len(stress)) < 0.45]
    nod = _bumps(times_s, stress, _NOD_S)
    alive = head * (0.55 + 0.45 * _speaking(track, times_s))
    sway = [_sway(times_s, rng) for _ in range(5)]
    events = _near(animation.eyes.events, times_s)
    gaze = _gaze(events, times_s)
    return Gestures(
        _shut(events, times_s, frame_s) if blinks else np.zeros(len(times_s)),
        gaze[0],
        gaze[1],
        brows * (0.8 * _bumps(times_s, raised, _BROW_S) + 0.12 * sway[0]).clip(-0.3, 1.2),
        alive * (0.085 * sway[1] + 0.02 * gaze[0]),
        alive * (0.05 * sway[2] + 0.07 * nod),
        alive * (0.016 * sway[3] + 0.005 * sway[1]),
        alive * (0.035 * sway[1] + 0.02 * sway[3]),
        alive * (0.015 * sway[4] + 0.035 * nod),
        0.5 - 0.5 * np.cos(2 * np.pi * times_s / _BREATH_S),
    )


def _seed(track: VisemeTrack) -> int:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(np.round(track.starts_s * 1000).astype("<i8").tobytes())
    digest.update(track.visemes.tobytes())
    return int.from_bytes(digest.digest(), "little")


def stresses(track: VisemeTrack) -> _Curve:
    """(M,) float64, seconds: middles of the long, open, loud vowels, the strongest first within each foot."""
    lengths = track.ends_s - track.starts_s
    strength = lengths * track.weights * _OPEN[track.visemes]
    middles = track.starts_s + lengths / 2
    found: list[float] = []
    for index in np.flatnonzero((strength >= 0.06) & (track.weights >= 0.5)):
        if not found or middles[index] - found[-1] >= _STRESS_GAP_S:
            found.append(float(middles[index]))
    return np.array(found)


def _bumps(times_s: _Curve, centres_s: _Curve, sigma_s: float) -> _Curve:
    """Sum of bells."""
    if len(centres_s) == 0:
        return np.zeros(len(times_s))
    found: _Curve = np.exp(-(((times_s[:, None] - centres_s) / sigma_s) ** 2) / 2).sum(1)
    return found


def _speaking(track: VisemeTrack, times_s: _Curve) -> _Curve:
    """0-1: whether somebody speaks about then; a head is livelier while it does."""
    spoken = ~_SILENT[track.visemes]
    starts, ends = track.starts_s[spoken], track.ends_s[spoken]
    rise = np.tanh((times_s[:, None] - starts) / 0.5)
    fall = np.tanh((times_s[:, None] - ends) / 0.5)
    found: _Curve = ((rise - fall) / 2).sum(1).clip(0, 1)
    return found


def _sway(times_s: _Curve, rng: np.random.Generator) -> _Curve:
    """-1..1: three slow sines whose periods share no multiple, as heads drift (Hill and Johnston, 2001)."""
    found = np.zeros(len(times_s))
    for period_s, amount in ((6.7, 0.5), (4.1, 0.3), (2.3, 0.2)):
        period_s *= float(rng.uniform(0.85, 1.15))
        found += amount * np.sin(2 * np.pi * (times_s / period_s + float(rng.random())))
    return found


def _near(events: tuple[EyeEvent, ...], times_s: _Curve) -> tuple[EyeEvent, ...]:
    """Those within a second: an hour has 2000."""
    if len(times_s) == 0:
        return ()
    first, last = times_s[0] - 1, times_s[-1] + 1
    return tuple(event for event in events if event.start_s < last and event.start_s + event.duration_s > first)


def _shut(events: tuple[EyeEvent, ...], times_s: _Curve, frame_s: float) -> _Curve:
    """Lids fall faster than they rise; every blink is complete in the frame nearest to its depth."""
    found = np.zeros(len(times_s))
    for event in events:
        if event.type != "blink":
            continue
        depth_s = event.start_s + 0.4 * event.duration_s
        since = times_s - depth_s
        before = np.clip((-since - frame_s / 2) / max(0.4 * event.duration_s, 1e-3), 0, 1)
        after = np.clip((since - frame_s / 2) / max(0.6 * event.duration_s, 1e-3), 0, 1)
        away = np.maximum(before, after)
        found = np.maximum(found, 1 - away * away * (3 - 2 * away))
    return found


def _gaze(events: tuple[EyeEvent, ...], times_s: _Curve) -> tuple[_Curve, _Curve]:
    x, y = np.zeros(len(times_s)), np.zeros(len(times_s))
    for event in events:
        if event.type != "saccade":
            continue
        jump_s = min(_SACCADE_S, event.duration_s / 3)
        share = np.clip((times_s - event.start_s) / jump_s, 0, 1)
        back = np.clip((event.start_s + event.duration_s - times_s) / jump_s, 0, 1)
        there = np.minimum(share, back)
        there = there * there * (3 - 2 * there)
        x += there * {"left": -1.0, "right": 1.0}.get(event.direction or "", 0.0)
        y += there * {"up": -1.0, "down": 1.0}.get(event.direction or "", 0.0)
    return x.clip(-1, 1), y.clip(-1, 1)
