"""What Rhubarb prints: {"metadata": …, "mouthCues": [{"start": 0.00, "end": 0.05, "value": "X"}, …]} in seconds."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from deployments.core.errors import LipSyncFailed
from deployments.core.types import VisemeTrack
from deployments.core.visemes import INDEX, REST

SHAPES = {"A": "PP", "B": "I", "C": "E", "D": "AA", "E": "AO", "F": "U", "G": "FF", "H": "L", "X": "sil"}
"""Rhubarb's shape -> ours, after its README: A closed for p b m, B clenched, C open, D wide, E rounded, F puckered,
G teeth on the lip, H tongue up, X idle."""
_MOST_A_SECOND = 100
"""Its frames are 10 ms."""
_ROUNDING_S = 0.011
"""Times have two decimals."""
_BACK_S = 0.12
"""The WebAssembly build lets a cue begin up to so much before the one in front of it, or before the sound: as far as
Rhubarb moves the closure of a plosive forward."""
_BEYOND_S = 1.0
"""A last cue may end so late behind the sound."""


def read(document: bytes, duration_s: float) -> VisemeTrack:
    """A track of the sound's length. Where nothing is said of a time, the mouth rests; where two cues share one, as the
    WebAssembly build prints them, the later counts.

    Args:
        document: what the program printed.
        duration_s: of the sound.

    Raises:
        LipSyncFailed: it is no animation of this sound.
    """
    cues = _cues(document, duration_s)
    starts, shapes, at_s = [0.0], [REST], 0.0
    last_s = 0.0
    for number, cue in enumerate(cues):
        start_s, end_s, shape = _checked(cue, number)
        if start_s < last_s - _BACK_S:
            raise _bad(f"cue {number} begins before the one in front of it")
        start_s = max(start_s, last_s)
        end_s = max(start_s, end_s)
        if end_s > duration_s + _BEYOND_S:
            raise _bad(f"cue {number} ends at {end_s:g} s, the sound at {duration_s:.2f}")
        if start_s > at_s + _ROUNDING_S:
            starts.append(at_s)
            shapes.append(REST)
        starts.append(start_s)
        shapes.append(INDEX[SHAPES[shape]])
        last_s, at_s = start_s, end_s
    starts.append(at_s)
    shapes.append(REST)
    return _track(starts, shapes, duration_s)


def _track(starts: list[float], shapes: list[int], duration_s: float) -> VisemeTrack:
    """Of entries in order, the last of which counts where several begin together."""
    entries = dict(sorted({min(start, duration_s): shape for start, shape in zip(starts, shapes, strict=True)}.items()))
    kept = [(start, shape) for start, shape in entries.items() if start < duration_s]
    return VisemeTrack(
        np.array([start for start, _ in kept], np.float64),
        np.array([shape for _, shape in kept], np.uint8),
        np.ones(len(kept), np.float32),
        duration_s,
    )


def _cues(document: bytes, duration_s: float) -> list[Any]:
    try:
        plain = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise _bad(f"no JSON: {str(error)[:100]}") from error
    cues = plain.get("mouthCues") if isinstance(plain, dict) else None
    if not isinstance(cues, list):
        raise _bad("there are no mouthCues")
    if len(cues) > _MOST_A_SECOND * (duration_s + 1):
        raise _bad(f"{len(cues)} cues for {duration_s:.1f} s")
    return cues


def _checked(cue: Any, number: int) -> tuple[float, float, str]:
    """Start and end in seconds, and the shape."""
    if not isinstance(cue, dict) or cue.get("value") not in tuple(SHAPES):
        raise _bad(f"cue {number} has none of the shapes {''.join(SHAPES)}")
    start_s, end_s = _seconds(cue.get("start"), number), _seconds(cue.get("end"), number)
    if not -_BACK_S <= start_s <= end_s:
        raise _bad(f"cue {number} ends before it begins")
    return start_s, end_s, cue["value"]


def _seconds(value: Any, number: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad(f"cue {number} has no times")
    return float(value)


def _bad(reason: str) -> LipSyncFailed:
    return LipSyncFailed(
        f"rhubarb printed no animation: {reason}.", hint="Is the program Rhubarb Lip Sync? Or choose another engine."
    )
