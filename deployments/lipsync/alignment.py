"""The words of a text found in a recording, passage by passage.

A long recording is searched twice: forward, keeping of each passage only how likely every place in the text is behind
it, then backward along the best way. So memory is that of one passage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .acoustics.features import HOP_S
from .acoustics.graph import build
from .acoustics.model import AcousticModel
from .acoustics.scores import Scores
from .acoustics.search import FOREIGN, MISSING, MISSING_WORD, Trellis, search
from .activity import Passage
from .listening import Heard, within
from .phones import Sound

_BEAM = 400.0
"""Places in the text that are this many nats less likely than the best are given up."""
_WORDS_A_SECOND = 6
"""Twice the speed of a quick reader."""
_MIN_FOREIGN_S = 0.1
"""Less than a sound: an edge, not speech that is missing in the text."""

Words = Sequence[Sequence[Sequence[Sound]]]
"""Word -> pronunciation -> sounds."""


@dataclass
class Found:
    """What was heard of a text."""

    heard: list[Heard] = field(default_factory=list)
    """In order; `word` counts the words of the text."""
    foreign: list[tuple[float, float]] = field(default_factory=list)
    """Seconds of speech that is not in the text."""


@dataclass(frozen=True)
class _Step:
    """A passage, and which part of the text may be in it."""

    passage: Passage
    first: int
    """Word."""
    last: int
    """Behind the last."""
    start: NDArray[np.float32]
    """(last - first + 1,) log likelihood to begin at each place."""


def align(model: AcousticModel, samples: NDArray[np.float32], passages: Sequence[Passage], words: Words) -> Found:
    """Every word at the time at which it is heard.

    Args:
        model: of the phones.
        samples: (N,) float32 in [-1, 1] at RATE.
        passages: where somebody speaks.
        words: of the text; where the recording leaves some out, these have no sounds in the result.
    """
    places = np.full(len(words) + 1, -np.inf, np.float32)
    places[0] = 0
    steps: list[_Step] = []
    trellis = None
    for passage in passages:
        step = _step(passage, places)
        trellis = _search(model, samples, words, step)
        places = np.full(len(words) + 1, -np.inf, np.float32)
        places[step.first : step.last + 1] = trellis.final
        steps.append(step)
    left = np.arange(len(words), -1, -1)
    place = int((places - np.where(left > 0, MISSING + left * MISSING_WORD, 0)).argmax())
    parts: list[Found] = []
    for index in reversed(range(len(steps))):
        if trellis is None:
            trellis = _search(model, samples, words, steps[index])
        part, place = _trace(trellis, steps[index], words, place)
        parts.append(part)
        trellis = None
    found = Found()
    for part in reversed(parts):
        found.heard += part.heard
        found.foreign += part.foreign
    return found


def _step(passage: Passage, places: NDArray[np.float32]) -> _Step:
    likely = np.flatnonzero(places > places.max() - _BEAM)
    reach = round((passage.end_s - passage.start_s + 1) * _WORDS_A_SECOND)
    first, last = int(likely[0]), min(len(places) - 1, int(likely[-1]) + reach)
    start = np.maximum(places[first : last + 1] - places.max(), -1e9).astype(np.float32)
    return _Step(passage, first, last, start)


def _search(model: AcousticModel, samples: NDArray[np.float32], words: Words, step: _Step) -> Trellis:
    graph = build(
        model,
        [[tuple(sound.phone for sound in sounds) for sounds in word] for word in words[step.first : step.last]],
    )
    return search(graph, Scores(model, within(samples, step.passage)), step.start)


def _trace(trellis: Trellis, step: _Step, words: Words, place: int) -> tuple[Found, int]:
    stretches, began = trellis.trace(place - step.first)
    found = Found()
    graph, offset = trellis.graph, step.passage.start_s
    for stretch in stretches:
        start, end = offset + stretch.start * HOP_S, offset + stretch.end * HOP_S
        if stretch.unit == FOREIGN:
            if end - start >= _MIN_FOREIGN_S:
                found.foreign.append((start, end))
        elif stretch.unit < len(graph.words):
            word = step.first + int(graph.words[stretch.unit])
            sound = words[word][graph.variants[stretch.unit]][graph.places[stretch.unit]]
            found.heard.append(Heard(sound, start, end, word, trellis.fit(stretch)))
    return found, step.first + began
