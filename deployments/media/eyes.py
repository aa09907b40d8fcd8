"""Blinks and saccades for a timeline, drawn from a generator seeded by its content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from deployments.core.types import EyeEvent, EyeTrack, GazeDirection, VisemeTrack, WordSpan
from deployments.core.visemes import REST

_DIRECTIONS: tuple[GazeDirection, ...] = ("left", "right", "up", "down")
_DIRECTION_ODDS = (0.36, 0.36, 0.12, 0.16)
"""Speakers look aside more than up or down."""
_GAP_SPREAD = 0.5
"""Sigma of the log-normal gaps: most blinks come 2-7 s apart, as in conversation."""
_REACH_S = 0.7
"""How far a blink moves to meet a pause."""
_GUARD_S = 0.05
"""Free time kept between two eye events."""


class EyeOptions(BaseModel):
    """Settings of the eyes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    blinks_per_minute: float = Field(default=15, gt=0, le=60)
    saccades_per_minute: float = Field(default=20, gt=0, le=120)


def eye_track(visemes: VisemeTrack, words: Sequence[WordSpan], options: EyeOptions) -> EyeTrack:
    """Eye events within [0, duration]: the same timeline gives the same events."""
    rng = np.random.default_rng(_seed(visemes, words))
    blinks = _blinks(visemes, words, 60 / options.blinks_per_minute, rng)
    saccades = _saccades(visemes.duration_s, 60 / options.saccades_per_minute, blinks, rng)
    return EyeTrack(tuple(sorted((*blinks, *saccades), key=lambda event: event.start_s)))


def _seed(visemes: VisemeTrack, words: Sequence[WordSpan]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(np.round(visemes.starts_s * 1000).astype("<i8").tobytes())
    digest.update(visemes.visemes.tobytes())
    digest.update("\n".join(word.text for word in words).encode(errors="surrogatepass"))
    return int.from_bytes(digest.digest(), "little")


def _gap_s(mean_s: float, rng: np.random.Generator) -> float:
    """Log-normal with that mean."""
    return float(rng.lognormal(np.log(mean_s) - _GAP_SPREAD**2 / 2, _GAP_SPREAD))


def _blinks(
    visemes: VisemeTrack, words: Sequence[WordSpan], mean_gap_s: float, rng: np.random.Generator
) -> list[EyeEvent]:
    rests = _rests(visemes, words)
    blinks: list[EyeEvent] = []
    ideal_s = _gap_s(mean_gap_s, rng) * float(rng.uniform(0.2, 1.0))
    while ideal_s < visemes.duration_s:
        length_s = float(np.clip(rng.normal(0.15, 0.02), 0.1, 0.25))
        start_s = _meet(rests, ideal_s, length_s)
        free_s = blinks[-1].start_s + blinks[-1].duration_s + 0.5 if blinks else 0.0
        if start_s >= free_s and start_s + length_s <= visemes.duration_s:
            blinks.append(EyeEvent("blink", start_s, length_s))
        # Gaps count from where the blink was due, so that moving it to a pause does not change the rate.
        ideal_s += _gap_s(mean_gap_s, rng)
    return blinks


def _rests(visemes: VisemeTrack, words: Sequence[WordSpan]) -> np.ndarray:
    """(N, 2) start and end of where a blink disturbs no word: pauses, and the moments between words."""
    silent = visemes.visemes == REST
    pauses = np.stack((visemes.starts_s[silent], visemes.ends_s[silent]), axis=1)
    between = np.array([(word.end_s, word.end_s) for word in words]).reshape(-1, 2)
    return np.concatenate((pauses, between))


def _meet(rests: np.ndarray, ideal_s: float, length_s: float) -> float:
    """The start nearest to `ideal_s` at a pause within reach, else between words, else as it is."""
    if len(rests) == 0:
        return ideal_s
    nearest = np.clip(ideal_s, rests[:, 0], np.maximum(rests[:, 0], rests[:, 1] - length_s))
    distance = np.abs(nearest - ideal_s)
    pause = rests[:, 1] - rests[:, 0] > 0
    reachable = distance <= _REACH_S
    for group in (reachable & pause, reachable):
        if group.any():
            return float(nearest[group][distance[group].argmin()])
    return ideal_s


def _saccades(
    duration_s: float, mean_gap_s: float, blinks: Sequence[EyeEvent], rng: np.random.Generator
) -> list[EyeEvent]:
    saccades: list[EyeEvent] = []
    start_s = _gap_s(mean_gap_s, rng)
    while start_s < duration_s:
        length_s = float(np.clip(rng.lognormal(np.log(0.3), 0.35), 0.12, 0.9))
        direction = _DIRECTIONS[int(rng.choice(len(_DIRECTIONS), p=_DIRECTION_ODDS))]
        clear = all(
            start_s + length_s + _GUARD_S <= blink.start_s or start_s >= blink.start_s + blink.duration_s + _GUARD_S
            for blink in blinks
        )
        if clear and start_s + length_s <= duration_s:
            saccades.append(EyeEvent("saccade", start_s, length_s, direction))
        start_s += length_s + _gap_s(mean_gap_s, rng)
    return saccades
