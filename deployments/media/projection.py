"""Projects the rich mouth track onto the alphabet that a client asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.core.types import EyeEvent, EyeTrack, GazeDirection, VisemeSet, VisemeTrack
from deployments.core.visemes import VISEMES

from .mouth import PROTECTED

ARKIT_FPS = 30
"""Frames a second of `viseme_set: arkit`: what a phone's face tracking gives."""

_SAME_WEIGHT = 0.02
"""Neighbours of one shape whose weights differ by less are one cue."""
_TWEEN_S = 0.06
"""A blend shape begins to move this long before its shape is due (Rhubarb tweens 40-80 ms)."""


@dataclass(frozen=True)
class MouthCue:
    """From t_ms on, the mouth makes this shape."""

    t_ms: int
    viseme: str | int
    """Name in the set asked for; a number for azure."""
    weight: float
    """0-1; 1 for a mouth at rest or closed."""


@dataclass(frozen=True, eq=False)
class BlendShapes:
    """ARKit coefficients by frame."""

    fps: int
    names: tuple[str, ...]
    frames: NDArray[np.float32]
    """(F, len(names)) float32 in [0, 1]."""

    def rows(self) -> list[list[float]]:
        """The frames for JSON: three digits, which a float32 would not print as such."""
        rows: list[list[float]] = self.frames.astype(np.float64).round(3).tolist()
        return rows


def mouth_cues(track: VisemeTrack, viseme_set: VisemeSet) -> tuple[MouthCue, ...]:
    """A step function from 0 on: sorted, inside [0, duration], every p b m closed, every f v bitten."""
    names: list[str | int] = [getattr(VISEMES[index], viseme_set) for index in track.visemes]
    times, kept = _milliseconds(track)
    cues: list[MouthCue] = []
    for time_ms, index in zip(times, kept, strict=True):
        cue = MouthCue(int(time_ms), names[index], round(float(track.weights[index]), 3))
        last = cues[-1] if cues else None
        # Azure has one number for both halves of a diphthong.
        whole = viseme_set == "azure" and VISEMES[track.visemes[index]].name.endswith("_2")
        if last and last.viseme == cue.viseme and (whole or abs(last.weight - cue.weight) < _SAME_WEIGHT):
            continue
        cues.append(cue)
    return tuple(cues)


def _milliseconds(track: VisemeTrack) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whole milliseconds, strictly rising: what rounds to nothing goes, unless it is a closure or a bite."""
    times = np.round(track.starts_s * 1000).astype(np.int64)
    end_ms = int(track.duration_s * 1000)
    lasting = np.append(times[1:], end_ms) > times
    kept = np.flatnonzero(lasting | PROTECTED[track.visemes])[: max(1, end_ms)]
    times = times[kept]
    for position in range(1, len(times)):
        times[position] = max(times[position], times[position - 1] + 1)
    limit = end_ms
    for position in reversed(range(len(times))):
        if times[position] < limit:
            break
        limit = times[position] = max(0, limit - 1)
    return times, kept


def arkit(track: VisemeTrack, eyes: EyeTrack) -> BlendShapes:
    """ARKit coefficients of mouth and eyes at ARKIT_FPS; the shape of a closure or bite is fully reached."""
    count = max(1, int(np.ceil(track.duration_s * ARKIT_FPS)))
    times = np.arange(count) / ARKIT_FPS
    frames = _mouth_frames(track, times)
    for event in eyes.events:
        _add_eye_event(frames, times, event)
    return BlendShapes(ARKIT_FPS, ARKIT_NAMES, np.clip(frames, 0, 1).astype(np.float32))


def _mouth_frames(track: VisemeTrack, times: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(track.starts_s) == 0:
        return np.zeros((len(times), len(ARKIT_NAMES)))
    poses = _POSES[track.visemes] * track.weights[:, None]
    current = np.clip(np.searchsorted(track.starts_s, times, "right") - 1, 0, None)
    following = np.minimum(current + 1, len(poses) - 1)
    ends = track.ends_s[current]
    tween = np.minimum(_TWEEN_S, (ends - track.starts_s[current]) / 2)
    blend = np.clip((times - (ends - tween)) / np.maximum(tween, 1e-6), 0, 1)[:, None]
    frames = poses[current] * (1 - blend) + poses[following] * blend
    taken: set[int] = set()
    for index in np.flatnonzero(PROTECTED[track.visemes]):
        nearest = min(len(times) - 1, round((track.starts_s[index] + track.ends_s[index]) / 2 * ARKIT_FPS))
        near = (nearest, nearest + 1, nearest - 1)  # "pf" may fall on one frame
        frame = next((frame for frame in near if 0 <= frame < len(times) and frame not in taken), nearest)
        frames[frame] = poses[index]
        taken.add(frame)
    result: NDArray[np.float64] = frames
    return result


def _add_eye_event(frames: NDArray[np.float64], times: NDArray[np.float64], event: EyeEvent) -> None:
    """A blink closes and opens linearly; a saccade jumps within 40 ms and returns at its end."""
    phase = (times - event.start_s) / event.duration_s
    inside = (phase >= 0) & (phase <= 1)
    if event.type == "blink":
        amount = 1 - np.abs(2 * phase - 1)
        middle = min(len(times) - 1, round((event.start_s + event.duration_s / 2) * ARKIT_FPS))
        amount[middle], inside[middle] = 1.0, True
        shapes: Sequence[str] = ("eyeBlinkLeft", "eyeBlinkRight")
    else:
        rise = 0.04 / event.duration_s
        amount = np.clip(np.minimum(phase, 1 - phase) / rise, 0, 1) * 0.5
        shapes = _GAZE[event.direction or "left"]
    for name in shapes:
        column = ARKIT_NAMES.index(name)
        frames[inside, column] = np.maximum(frames[inside, column], amount[inside])


_GAZE: dict[GazeDirection, tuple[str, str]] = {
    # Left and right as the viewer sees them; the names are those of the face's own sides.
    "left": ("eyeLookInLeft", "eyeLookOutRight"),
    "right": ("eyeLookOutLeft", "eyeLookInRight"),
    "up": ("eyeLookUpLeft", "eyeLookUpRight"),
    "down": ("eyeLookDownLeft", "eyeLookDownRight"),
}

ARKIT_NAMES: tuple[str, ...] = (
    *(f"eye{part}Left" for part in ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")),
    *(f"eye{part}Right" for part in ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")),
    *("jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker"),
    *("mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp"),
    *("browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    *("noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""The 52 ARKit blend shapes in the order that Azure Speech documents."""

_POSES = np.array([[viseme.arkit.get(name, 0.0) for name in ARKIT_NAMES] for viseme in VISEMES])
"""(len(VISEMES), 52) amounts at weight 1."""
