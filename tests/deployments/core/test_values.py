"""What is flattened comes back; what was never flattened does not."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from deployments.core import keys, values
from deployments.core.types import AudioClip, EyeEvent, PhonemeSpan, VisemeTrack
from tests.deployments.cache import strategies


def there_and_back(value: Any) -> Any:
    document, buffers = values.flatten(value)
    return values.restore(document, [bytes(values.raw(buffer)) for buffer in buffers])


def arrays_in(value: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(value, np.ndarray):
        return [value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return arrays_in(tuple(vars(value).values()))
    if isinstance(value, dict):
        return arrays_in(tuple(value.values()))
    return [found for item in value for found in arrays_in(item)] if isinstance(value, tuple) else []


@given(strategies.values)
def test_a_value_comes_back_with_its_type_and_digest(value: Any) -> None:
    back = there_and_back(value)
    assert type(back) is type(value)
    assert values.flatten(back)[0] == values.flatten(value)[0]
    assert keys.digest(back) == keys.digest(value)


@given(strategies.values)
def test_arrays_come_back_read_only(value: Any) -> None:
    assert not any(array.flags.writeable for array in arrays_in(there_and_back(value)))


@given(strategies.arrays())
def test_an_array_is_a_view_of_its_buffer(array: np.ndarray[Any, Any]) -> None:
    document, (buffer,) = values.flatten(array)
    kept = bytes(values.raw(buffer))
    back = values.restore(document, [kept])
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert back.size == 0 or np.shares_memory(back, np.frombuffer(kept, np.uint8))


@given(strategies.documents)
def test_a_document_of_a_stranger_is_a_value_or_a_value_error(document: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numbers too large for float32
        with contextlib.suppress(ValueError):
            values.restore(json.dumps(document), [b"\x00" * 8, b""])


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[",
        "{}",
        '{"a": 1}',
        "[]",
        '["Path", "x"]',
        '["os.system", "x"]',
        "[[]]",
        '["EyeEvent", "blink", 0, 1]',
        '["PhonemeSpan", "a", 0, 1, 2]',
        '["array", 0, "|O", [1]]',
        '["array", 0, null, [1]]',
        '["array", 0, ["<f4"], [2]]',
        '["array", 7, "<f4", [2]]',
        '["array", 0, "<f4", [3]]',
        '["array", 0, "<f4", [1e30]]',
        f'["array", 0, "<f4", [{10**30}]]',
        '["bytes", 7]',
        '["bytes"]',
        '["{}", [1, 2]]',
        '["{}", 1]',
        '["AudioClip", "x", 1]',
        '["VisemeTrack", null, null, null, 1]',
        "[" * 100_000,
    ],
)
def test_what_was_never_flattened_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.restore(document, [b"\x00" * 8])


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        {1: "a"},
        {"a": {None: 1}},
        1j,
        EyeEvent,
        np.array([object()]),
        np.array(["text"]),
        np.array(["2026-01-01"], "datetime64[D]"),
        np.array([1j]),
        np.zeros(2, [("a", "f4")]),
    ],
)
def test_what_has_no_bytes_of_its_own_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        values.flatten(value)


def test_bytes_of_any_kind_are_bytes() -> None:
    assert values.flatten(bytearray(b"ab")) == values.flatten(memoryview(b"ab")) == values.flatten(b"ab")


def test_the_size_is_that_of_text_and_buffers() -> None:
    clip = AudioClip(np.zeros(1000, np.float32), 22050)
    document, buffers = values.flatten((clip, b"12345"))
    assert values.size_bytes(document, buffers) == len(document) + 4000 + 5


def test_an_empty_track_comes_back() -> None:
    empty = VisemeTrack(np.empty(0), np.empty(0, np.uint8), np.empty(0, np.float32), 0.0)
    assert there_and_back(empty).weights.shape == (0,)


def test_nested_types_come_back() -> None:
    value = {"spans": (PhonemeSpan("ˈaː", 0.0, 0.1), None), "events": (EyeEvent("saccade", 0.0, 0.1, "left"),)}
    assert there_and_back(value) == value
