"""Random values, as stages make them and as they never would."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.core.types import (
    Animation,
    AudioClip,
    EyeEvent,
    EyeTrack,
    PhonemeSpan,
    Speech,
    Take,
    VisemeTrack,
    WordSpan,
)

_DTYPES = ("?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
_TIMES = st.floats(0, 1e4)

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.binary(max_size=8)
)


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    """Numbers of any type and bits, of up to three dimensions, also none and empty ones; some large enough to pack."""
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=3)))
    if draw(st.booleans()):
        shape = (*shape, draw(st.sampled_from([1500, 5000])))
    dtype = np.dtype(draw(st.sampled_from(_DTYPES)))
    noise = np.random.default_rng(draw(st.integers(0, 9))).bytes(int(np.prod(shape)) * dtype.itemsize)
    if dtype.kind == "b":
        return np.asarray(np.frombuffer(noise, np.uint8).reshape(shape) > 127)
    array = np.frombuffer(noise, dtype).reshape(shape)
    return np.zeros_like(array) if draw(st.booleans()) else array


clips = st.builds(
    lambda values, rate: AudioClip(np.array(values, np.float32), rate),
    st.lists(st.floats(-1, 1, width=32), max_size=50),
    st.integers(1, 48000),
)
words = st.lists(st.builds(WordSpan, st.text(max_size=5), _TIMES, _TIMES, st.integers(0), st.integers(0))).map(tuple)
speeches = st.builds(
    Speech,
    clips,
    st.lists(st.builds(PhonemeSpan, st.text(max_size=3), _TIMES, _TIMES), max_size=5).map(tuple),
    words,
    st.text(max_size=20),
    st.sampled_from(["en_US", "de_DE"]),
)
tracks = st.integers(0, 20).map(
    lambda count: VisemeTrack(np.arange(count) / 8, np.arange(count, dtype=np.uint8), np.ones(count, np.float32), count)
)
eyes = st.builds(
    EyeTrack,
    st.lists(st.builds(EyeEvent, st.just("blink"), _TIMES, _TIMES, st.sampled_from([None, "left"])), max_size=3).map(
        tuple
    ),
)
takes = st.builds(Take, st.builds(Animation, clips, tracks, eyes, words), st.none() | st.binary(max_size=30))

values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(scalars, arrays(), speeches, tracks, takes),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
"""Whatever flatten takes."""

documents: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["()", "{}", "array", "bytes", "AudioClip", "EyeEvent", "VisemeTrack", "<f4", "<f8", "|O", ""]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
        | st.tuples(st.just("array"), st.integers(-2, 2), st.sampled_from(["<f4", "|O", "<c8"]), inner)
        | st.tuples(st.just("AudioClip"), inner, inner)
        | st.tuples(st.just("VisemeTrack"), inner, inner, inner, inner)
    ),
    max_leaves=10,
)
"""JSON that is close to documents of flatten."""
