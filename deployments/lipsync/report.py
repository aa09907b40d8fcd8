"""What an engine found in a recording, put together as a Reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from deployments.core.types import AudioClip, Reading, VisemeTrack, WordSpan

from .acoustics.features import RATE
from .listening import Heard, spans
from .recognition import Spoken, mean_fit
from .shapes import Emphasis, draw

_EVEN_FIT = 0.5
"""Nats a frame at which sounds are as likely wrong as right: between wrong words (below 0) and noisy right ones."""
_FIT_SLOPE = 1.2
_ENERGY_CONFIDENCE = 0.1
_SPANS_SHOWN = 3


@dataclass
class Findings:
    """Sounds of a whole recording, from one or several ways of listening."""

    heard: list[Heard] = field(default_factory=list)
    """`word` is an index into `words`, or -1."""
    words: list[tuple[str, int, int]] = field(default_factory=list)
    """Each as written, with its offsets in the text."""
    text: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    """Way -> seconds that were read by it."""
    notes: list[str] = field(default_factory=list)

    def add_spoken(self, spoken: Spoken, seconds: float, *, with_words: bool) -> None:
        """Adds a passage that was recognised; its words make up the text, if they are wanted."""
        first = len(self.words)
        if with_words and spoken.words:
            for word in spoken.words:
                self.text += f" {word}" if self.text else word
                self.words.append((word, len(self.text) - len(word), len(self.text)))
            self.heard += [
                Heard(each.sound, each.start_s, each.end_s, first + each.word, each.fit) for each in spoken.heard
            ]
        else:
            self.heard += [Heard(each.sound, each.start_s, each.end_s, -1, each.fit) for each in spoken.heard]
        way = spoken.way if spoken.way == "energy" else f"recognize {spoken.way}"
        self.seconds[way] = self.seconds.get(way, 0.0) + seconds


def reading(
    findings: Findings, samples: NDArray[np.float32], duration_s: float, emphasis: Emphasis, method: str
) -> Reading:
    """The Reading of what was found.

    Args:
        findings: in any order.
        samples: (N,) float32 at RATE, the recording.
        duration_s: of it, to the sample as it came.
        emphasis: of the drawing.
        method: where nothing was read at all; else the way that most of the seconds were read by.
    """
    heard = sorted(findings.heard, key=lambda each: each.start_s)
    phonemes, times = spans(heard, duration_s)
    track = draw(phonemes, AudioClip(samples, RATE), emphasis) if duration_s else _no_track()
    found: dict[int, tuple[float, float]] = {}
    for each, (start, end) in zip(heard, times, strict=True):
        if each.word >= 0:
            found[each.word] = (found.get(each.word, (start, end))[0], end)
    words = tuple(
        WordSpan(text, *found[index], start, end)
        for index, (text, start, end) in enumerate(findings.words)
        if index in found
    )
    ways = findings.seconds
    method = max(ways, key=lambda way: ways[way]) if ways else method
    notes = (*findings.notes, *_mixed(ways, method))
    return Reading(replace(track, duration_s=duration_s), words, findings.text, method, _confidence(findings), notes)


def _no_track() -> VisemeTrack:
    return VisemeTrack(np.zeros(0), np.zeros(0, np.uint8), np.zeros(0, np.float32), 0.0)


def _confidence(findings: Findings) -> float:
    """By how well the sounds fit, less for every second that only loudness spoke for; 1 where nobody speaks."""
    total = sum(findings.seconds.values())
    if not total:
        return 1.0
    by_energy = findings.seconds.get("energy", 0.0) / total
    fitting = 1 / (1 + np.exp(-_FIT_SLOPE * (mean_fit(findings.heard) - _EVEN_FIT)))
    return float(np.clip(by_energy * _ENERGY_CONFIDENCE + (1 - by_energy) * fitting, 0, 1))


def _mixed(ways: dict[str, float], method: str) -> list[str]:
    others = {way: seconds for way, seconds in ways.items() if way != method}
    return [f"{seconds:.1f} s were read by another way, {way}." for way, seconds in others.items() if seconds >= 0.1]


def listed(ranges: Sequence[tuple[float, float]]) -> str:
    """Times for a note: the first few."""
    shown = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in ranges[:_SPANS_SHOWN])
    return shown + (f" and {len(ranges) - _SPANS_SHOWN} more" if len(ranges) > _SPANS_SHOWN else "")
