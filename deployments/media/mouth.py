"""From exact phoneme shapes to a mouth that moves like one: lead, coarticulation, shapes that last long enough to see.

Why: viewers accept sound 30 ms early to 170 ms late (van Wassenhove 2007), lips lead the voice by 100-150 ms after a
pause and by little inside speech (Schwartz & Savariaux 2014); tongue consonants leave the lips to the vowels around
them, while p b m close and f v bite at any speed (Edwards et al. 2016, JALI).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from deployments.core.types import VisemeTrack
from deployments.core.visemes import VISEMES

_KIND = np.array([viseme.kind for viseme in VISEMES])
PROTECTED = np.isin(_KIND, ["closure", "bite"])
"""(len(VISEMES),) bool: shapes that must be seen."""
_SILENT = _KIND == "silence"
_VOWEL = _KIND == "vowel"
_TONGUE = _KIND == "tongue"

_BORROWED = 0.6
"""Opening of a tongue consonant that borrows a vowel's lips, relative to the vowel: the jaw rises a little for it."""


class MouthOptions(BaseModel):
    """Settings of `timing: natural`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lead_ms: float = Field(default=30, ge=0, le=100)
    """How long before its sound a shape is made, inside speech."""
    lead_after_pause_ms: float = Field(default=120, ge=0, le=300)
    """The same for the first shape after a pause, within half of that pause."""
    tongue_max_ms: float = Field(default=100, ge=0, le=300)
    """Tongue consonants shorter than this take the lips of a neighbouring vowel."""
    min_hold_ms: float = Field(default=40, ge=0, le=100)
    """Shortest shape: one frame at 25 a second. Closures and bites grow to it, others give way."""


def natural(track: VisemeTrack, options: MouthOptions) -> VisemeTrack:
    """The track with coarticulation, minimum hold and lead; same duration."""
    if len(track.starts_s) == 0:
        return track
    visemes, weights = _coarticulate(track, options.tongue_max_ms / 1000)
    # Neighbouring silences (the end of a sentence, the pause, the start of the next) are one pause.
    first = np.concatenate(([True], ~(_SILENT[visemes[1:]] & _SILENT[visemes[:-1]])))
    starts, visemes, weights = track.starts_s[first], visemes[first], weights[first]
    starts, visemes, weights = _hold(starts, visemes, weights, track.duration_s, options.min_hold_ms / 1000)
    starts = _lead(starts, visemes, options.lead_ms / 1000, options.lead_after_pause_ms / 1000)
    return VisemeTrack(starts, visemes, weights, track.duration_s)


def _coarticulate(track: VisemeTrack, limit_s: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    visemes, weights = np.array(track.visemes), np.array(track.weights)
    short = _TONGUE[visemes] & (track.ends_s - track.starts_s < limit_s)
    for index in np.flatnonzero(short):
        vowel = _near_vowel(track.visemes, int(index))
        if vowel is not None:
            visemes[index] = track.visemes[vowel]
            weights[index] = track.weights[vowel] * _BORROWED
    return visemes, weights


def _near_vowel(visemes: NDArray[np.uint8], index: int) -> int | None:
    """The vowel behind, else in front, with nothing but tongue consonants between."""
    for step in (1, -1):
        position = index + step
        while 0 <= position < len(visemes) and _TONGUE[visemes[position]]:
            position += step
        if 0 <= position < len(visemes) and _VOWEL[visemes[position]]:
            return position
    return None


def _hold(
    starts: NDArray[np.float64],
    visemes: NDArray[np.uint8],
    weights: NDArray[np.float32],
    duration_s: float,
    hold_s: float,
) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.float32]]:
    """Grows short closures and bites into their neighbours, and thins out other shapes that are too short to see."""
    ends = np.append(starts[1:], duration_s)
    protected = PROTECTED[visemes]
    missing = np.where(protected, np.maximum(0, hold_s - (ends - starts)), 0.0)
    # Two protected neighbours share their border as it is; any other begins later or ends sooner.
    behind_protected = np.concatenate(([False], protected[:-1]))
    earlier = np.where(behind_protected, starts, starts - missing / 2)
    starts = np.maximum.accumulate(np.clip(earlier, 0, duration_s))
    pushed = np.concatenate(([0.0], missing[:-1])) / 2
    starts = np.where(protected, starts, np.minimum(starts + pushed, np.append(starts[1:], duration_s)))
    lengths = np.append(starts[1:], duration_s) - starts
    kept = _thinned(visemes, lengths, protected | _SILENT[visemes] | (lengths >= hold_s), hold_s)
    first, shown = (list(column) for column in zip(*kept, strict=True))
    return starts[first], visemes[shown], weights[shown]


def _thinned(
    visemes: NDArray[np.uint8], lengths: NDArray[np.float64], stays: NDArray[np.bool_], hold_s: float
) -> list[tuple[int, int]]:
    """Index at which a shape begins and index of that shape; of short ones in a row the longest speaks for all.

    A lone short shape leaves its time to the shape before it.
    """
    kept: list[tuple[int, int]] = [(0, 0)]
    waiting: list[int] = []
    for index in range(1, len(visemes)):
        same = visemes[index] == visemes[kept[-1][1]] and not waiting
        if stays[index] or same:
            kept.append((index, index))
            waiting = []
            continue
        waiting.append(index)
        if lengths[waiting].sum() >= hold_s:
            kept.append((waiting[0], max(waiting, key=lengths.__getitem__)))
            waiting = []
    return kept


def _lead(
    starts: NDArray[np.float64], visemes: NDArray[np.uint8], lead_s: float, after_pause_s: float
) -> NDArray[np.float64]:
    """Moves shapes ahead of their sound; lips come to rest, and open after a closure or a bite, on time."""
    silent, protected = _SILENT[visemes], PROTECTED[visemes]
    on_time = silent | np.concatenate(([False], protected[:-1])) & ~protected
    previous_silent = np.concatenate(([False], silent[:-1]))
    previous_starts = np.concatenate(([0.0], starts[:-1]))
    room = np.where(previous_silent, (starts - previous_starts) / 2, np.inf)
    lead = np.where(on_time, 0.0, np.where(previous_silent, np.minimum(after_pause_s, room), lead_s))
    led: NDArray[np.float64] = np.maximum.accumulate(np.clip(starts - lead, 0, None))
    led[0] = 0.0
    return led
