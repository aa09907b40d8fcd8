"""The words that may be heard, each with its pronunciations, as one graph of phones from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .model import SILENCE_PHONE, AcousticModel

Pronunciation = tuple[str, ...]
"""Phones of a word, at least one."""


@dataclass(frozen=True, eq=False)
class Graph:
    """N words in order, with a junction before, between and behind them: 0 to N.

    At a junction there may be silence, or speech that is not in the text. Units 0 to U - 1 are the phones of the words,
    word by word and pronunciation by pronunciation; the N + 1 behind them are the silences.
    """

    phones: NDArray[np.intp]
    """(U + N + 1,) base phone of each unit."""
    senones: NDArray[np.intp]
    """(U + N + 1, 3) its states."""
    words: NDArray[np.intp]
    """(U,) word of each phone."""
    variants: NDArray[np.intp]
    """(U,) which pronunciation of it."""
    places: NDArray[np.intp]
    """(U,) which phone of that."""
    priors: NDArray[np.float32]
    """(U,) log probability of the pronunciation, where `places` is 0."""
    ends: NDArray[np.intp]
    """(N, most pronunciations) last unit of each; -1 where a word has fewer."""

    @property
    def junctions(self) -> int:
        """N + 1."""
        return len(self.ends) + 1


def build(model: AcousticModel, words: Sequence[Sequence[Pronunciation]]) -> Graph:
    """All pronunciations of a word are equally likely before it is heard.

    Phones at the edge of a word are those between the neighbours' first pronunciations: with the contexts of each
    pair the graph would be several times as large, and times did not get better for it (strict .783 and .784).
    """
    index = {phone: at for at, phone in enumerate(model.phones)}
    silence = index[SILENCE_PHONE]
    rows: list[tuple[int, int, int, int]] = []
    states: list[NDArray[np.uint16]] = []
    ends = np.full((len(words), max((len(word) for word in words), default=1)), -1, np.intp)
    for at, word in enumerate(words):
        before = index[words[at - 1][0][-1]] if at else silence
        behind = index[words[at + 1][0][0]] if at + 1 < len(words) else silence
        for variant, phones in enumerate(word):
            around = [before, *(index[phone] for phone in phones), behind]
            for place, own in enumerate(around[1:-1]):
                first, last = place == 0, place == len(phones) - 1
                states.append(model.states(own, around[place], around[place + 2], first=first, last=last))
                rows.append((own, at, variant, place))
            ends[at, variant] = len(rows) - 1
    heads, word_of, variant_of, place_of = np.array(rows, np.intp).reshape(-1, 4).T
    pauses = len(words) + 1
    counts = np.array([len(word) for word in words], np.float32)
    return Graph(
        np.append(heads, np.full(pauses, silence)),
        np.array([*states, *[model.senones[silence]] * pauses], np.intp),
        word_of,
        variant_of,
        place_of,
        -np.log(counts)[word_of],
        ends,
    )
