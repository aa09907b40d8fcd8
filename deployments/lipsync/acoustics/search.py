"""The best way of a sound through a graph of words (Viterbi), in which words may be missing and speech may be foreign.

Time and memory grow with frames times phones: 20 s and a hundred words are 0.2 s and 20 MB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .graph import Graph
from .model import STATES
from .scores import Scores

_NEVER = np.float32(-1e30)
_PAUSE = np.float32(-5.0)
"""To begin a silence: keeps closures of stops from becoming one."""
_FOREIGN = np.float32(-30.0)
"""To begin speech that is not in the text."""
_FOREIGN_FRAME = np.float32(2.0)
"""What a frame of it scores below any speech. Words score 3.5 above any speech where they are right, on average of
recordings 0.2 to 2.6 under noise of 10 dB, on the telephone or with formants shifted by 15 %, and -3 where they are
wrong."""
MISSING = np.float32(60.0)
MISSING_WORD = np.float32(6.0)
"""To leave words out: once, and for each."""
_RESCALE = 50
"""Frames after which scores are brought back to 0: float32 holds them exactly until then."""
_SILENCE_SOURCE, _FOREIGN_SOURCE = -2, -1
"""Where a junction was reached from, as offsets from the end of its candidates."""


@dataclass(frozen=True)
class Stretch:
    """A unit of the graph and its frames."""

    unit: int
    """Index into the graph's units; FOREIGN for speech that is not in the text."""
    start: int
    """First frame."""
    end: int
    """Behind its last."""


FOREIGN = -1


@dataclass(frozen=True, eq=False)
class Trellis:
    """Every decision of a search, to be traced back from any junction."""

    graph: Graph
    final: NDArray[np.float32]
    """(N + 1,) log likelihood to be at each junction behind the last frame."""
    advanced: NDArray[np.bool_]
    """(T, units, STATES): the state was entered in this frame."""
    opened: NDArray[np.bool_]
    """(T, N + 1): foreign speech began in this frame."""
    sources: NDArray[np.int8]
    """(T, N + 1) column of the candidate through which the junction was reached."""
    origins: NDArray[np.int32]
    """(T + 1, N + 1) junction from which words were left out up to this one; row 0 is before the first frame."""
    emitted: NDArray[np.float32]
    """(T, different senones) log likelihoods."""
    places: NDArray[np.intp]
    """(units, STATES) columns of `emitted`."""
    loop: NDArray[np.float32]
    """(T,) as in Scores."""

    def fit(self, stretch: Stretch) -> float:
        """Nats a frame that a phone scores above any speech: 3 is good, -1 is bad."""
        frames = slice(stretch.start, stretch.end)
        states = self.emitted[frames][:, self.places[stretch.unit]].max(axis=1)
        return float((states - self.loop[frames]).mean())

    def trace(self, junction: int) -> tuple[list[Stretch], int]:
        """The best way that ends at a junction: its stretches in order, and the junction where it began."""
        stretches = []
        frame = len(self.sources) - 1
        candidates = self.graph.ends.shape[1]
        silences = len(self.graph.words)
        while frame >= 0:
            junction = int(self.origins[frame + 1, junction])
            source = int(self.sources[frame, junction])
            last = frame
            if source == candidates + 1:
                while not self.opened[frame, junction]:
                    frame -= 1
                stretches.append(Stretch(FOREIGN, frame, last + 1))
                frame -= 1
                continue
            unit = silences + junction if source == candidates else int(self.graph.ends[junction - 1, source])
            while True:
                begin = self._begin(unit, last)
                stretches.append(Stretch(unit, begin, last + 1))
                last = begin - 1
                if unit >= silences or self.graph.places[unit] == 0:
                    break
                unit -= 1
            junction = int(self.graph.words[unit]) if unit < silences else junction
            frame = last
        return stretches[::-1], int(self.origins[0, junction])

    def _begin(self, unit: int, frame: int) -> int:
        """First frame of a unit that ends with this one."""
        for state in reversed(range(STATES)):
            while not self.advanced[frame, unit, state]:
                frame -= 1
            frame -= 1
        return frame + 1


def search(graph: Graph, scores: Scores, start: NDArray[np.float32], *, free: bool = True) -> Trellis:
    """Runs through all frames.

    Args:
        graph: the words.
        scores: of the sound.
        start: (N + 1,) log likelihood to begin at each junction.
        free: words may be missing and speech may be foreign.
    """
    run = _Run(graph, scores, free)
    origins = np.empty((scores.frames + 1, graph.junctions), np.int32)
    run.junctions, origins[0] = run.skip(start.astype(np.float32))
    for frame in range(scores.frames):
        origins[frame + 1] = run.step(frame)
        if frame % _RESCALE == 0:
            run.rescale()
    return Trellis(
        graph, run.junctions, run.advanced, run.opened, run.sources, origins, run.emitted, run.places, scores.loop
    )


class _Run:
    """The state of a search between two frames."""

    def __init__(self, graph: Graph, scores: Scores, free: bool) -> None:
        self._free = free
        self._units, self._phones, self._count = len(graph.phones), len(graph.words), graph.junctions
        senones, places = np.unique(graph.senones, return_inverse=True)
        self.emitted = scores.senones(senones)
        self.places = places.reshape(-1, STATES)
        self._noise = scores.noise[:, None]
        self._foreign_frame = scores.loop - _FOREIGN_FRAME
        self._stay, self._leave = scores.model.stay[graph.phones], scores.model.leave[graph.phones]
        first = graph.places == 0
        self._first, self._inner = np.flatnonzero(first), np.flatnonzero(~first)
        self._first_words, self._priors = graph.words[self._first], graph.priors[self._first]
        self._ends = np.where(graph.ends < 0, self._units, graph.ends)
        self._order = np.arange(self._count, dtype=np.int32)
        self._skipped = np.arange(self._count, dtype=np.float32) * MISSING_WORD
        self._states = np.full((self._units, STATES), _NEVER, np.float32)
        self._foreign = np.full(self._count, _NEVER, np.float32)
        self._entries = np.empty(self._units, np.float32)
        self._candidates = np.full((self._count, self._ends.shape[1] + 2), _NEVER, np.float32)
        frames = scores.frames
        self.junctions = np.full(self._count, _NEVER, np.float32)
        self.advanced = np.empty((frames, self._units, STATES), bool)
        self.opened = np.zeros((frames, self._count), bool)
        self.sources = np.empty((frames, self._count), np.int8)

    def step(self, frame: int) -> NDArray[np.int32]:
        """One frame on; returns the origin of every junction."""
        states, entries = self._states, self._entries
        gone = states + self._leave
        entries[self._first] = self.junctions[self._first_words] + self._priors
        entries[self._inner] = gone[self._inner - 1, -1]
        entries[self._phones :] = self.junctions + _PAUSE
        entering = np.concatenate((entries[:, None], gone[:, :-1]), axis=1)
        staying = states + self._stay
        np.greater(entering, staying, out=self.advanced[frame])
        self._states = np.maximum(entering, staying) + self.emitted[frame][self.places]
        self._states[self._phones :] -= self._noise[frame]
        if self._free:
            opening = self.junctions + _FOREIGN
            np.greater(opening, self._foreign, out=self.opened[frame])
            self._foreign = np.maximum(opening, self._foreign) + self._foreign_frame[frame]
        return self._meet(frame)

    def _meet(self, frame: int) -> NDArray[np.int32]:
        """The best way to every junction."""
        ended = np.append(self._states[:, -1] + self._leave[:, -1], _NEVER)
        self._candidates[1:, :_SILENCE_SOURCE] = ended[self._ends]
        self._candidates[:, _SILENCE_SOURCE] = ended[self._phones : self._units]
        self._candidates[:, _FOREIGN_SOURCE] = self._foreign
        sources = self._candidates.argmax(axis=1)
        self.sources[frame] = sources
        self.junctions, origins = self.skip(self._candidates[self._order, sources])
        return origins

    def skip(self, junctions: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Junctions when words before them may be left out, and from which one each is reached."""
        if not self._free:
            return junctions, self._order
        level = junctions + self._skipped
        reached = np.maximum.accumulate(level)
        origins = np.maximum.accumulate(np.where(level >= reached, self._order, 0))
        left_out = reached - self._skipped - MISSING
        return np.maximum(junctions, left_out), np.where(left_out > junctions, origins, self._order)

    def rescale(self) -> None:
        """Brings the best state to 0."""
        best = max(self._states.max(), self._foreign.max())
        self._states -= best
        self._foreign -= best
        self.junctions = self.junctions - best
