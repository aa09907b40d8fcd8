"""Random speech for tests of invariants."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from deployments.core.types import SILENCE, AudioClip, PhonemeSpan, Speech, VisemeTrack
from deployments.lipsync.engines.phonemes import Engine, Options

RATE = 1000
"""Samples a second, so that a sample is a millisecond."""
CLOSURES = ("p", "b", "m")
BITES = ("f", "v")
_OTHERS = ("t", "n", "s", "k", "l", "ʃ", "w", "h", "θ", "a", "ˈaː", "ɪ", "ˈoʊ", "ə", "u", "ã", "tʃ", "ʰ", "ε", "中")

_SYMBOLS = st.one_of(st.sampled_from(CLOSURES), st.sampled_from(BITES), st.sampled_from(_OTHERS), st.just(SILENCE))
_MILLISECONDS = st.one_of(st.sampled_from([0, 1, 12, 23, 35]), st.integers(0, 400))
"""Piper counts in frames of 11.6 ms; shorter ones must not break anything."""


def speech_of(sequence: list[tuple[str, int]]) -> Speech:
    """Phonemes with these milliseconds, over noise."""
    ends = np.cumsum([length for _, length in sequence])
    spans = tuple(
        PhonemeSpan(symbol, (int(end) - length) / RATE, int(end) / RATE)
        for (symbol, length), end in zip(sequence, ends, strict=True)
    )
    samples = np.random.default_rng(len(sequence)).uniform(-1, 1, int(ends[-1])).astype(np.float32)
    return Speech(AudioClip(samples, RATE), spans, (), "", "en_US")


def track_of(sequence: list[tuple[str, int]]) -> VisemeTrack:
    """The mouth of such speech."""
    return Engine(Options()).track(speech_of(sequence))


def sequences(max_size: int = 30) -> st.SearchStrategy[list[tuple[str, int]]]:
    """Any phonemes, down to no time at all; 60 ms of silence end them, as Piper does."""
    return st.lists(st.tuples(_SYMBOLS, _MILLISECONDS), max_size=max_size).map(lambda spans: [*spans, (SILENCE, 60)])
