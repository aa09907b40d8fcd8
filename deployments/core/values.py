"""Values as a JSON document and plain buffers: what is hashed into a digest, and what is written to a file.

No pickle: a file of values from a stranger is data, and only the types listed here are ever made of it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from .types import (
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

Buffer: TypeAlias = bytes | memoryview | np.ndarray

_TYPES: dict[str, type] = {
    each.__name__: each
    for each in (Animation, AudioClip, EyeEvent, EyeTrack, PhonemeSpan, Speech, Take, VisemeTrack, WordSpan)
}
_TUPLE, _ARRAY, _BYTES, _MAPPING = "()", "array", "bytes", "{}"
"""First item of a list in the document, where it is not the name of a dataclass."""

SCHEMA = ";".join(
    f"{name}({','.join(field.name for field in dataclasses.fields(each))})" for name, each in sorted(_TYPES.items())
)
"""The shape of all types: part of every key, so that a release with other fields never meets values of this one."""


def flatten(value: Any) -> tuple[str, list[Buffer]]:
    """A value as text and buffers; equal values give equal ones.

    Args:
        value: dataclasses, tuples, mappings with string keys, arrays, bytes, str, int, float, bool, None, nested.

    Returns:
        JSON, and the arrays (contiguous, little-endian) and bytes that it refers to by their index.

    Raises:
        TypeError: something else is in it.
    """
    buffers: list[Buffer] = []
    document = _flatten(value, buffers)
    return json.dumps(document, ensure_ascii=True, allow_nan=True, separators=(",", ":")), buffers


def _flatten(value: Any, buffers: list[Buffer]) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return value.item()
    if dataclasses.is_dataclass(value):
        fields = (getattr(value, field.name) for field in dataclasses.fields(value))
        return [type(value).__name__, *(_flatten(field, buffers) for field in fields)]
    if isinstance(value, np.ndarray):
        buffers.append(np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")))
        return [_ARRAY, len(buffers) - 1, buffers[-1].dtype.str, list(value.shape)]
    if isinstance(value, bytes):
        buffers.append(value)
        return [_BYTES, len(buffers) - 1]
    if isinstance(value, Mapping):
        return [_MAPPING, *([key, _flatten(value[key], buffers)] for key in sorted(value))]
    if isinstance(value, Sequence):
        return [_TUPLE, *(_flatten(item, buffers) for item in value)]
    raise TypeError(f"{type(value).__name__} is no value that a key can be made of")


def restore(document: str, buffers: Sequence[Any]) -> Any:
    """The value again; arrays are views of the buffers, read-only.

    Args:
        document: JSON of `flatten`.
        buffers: what has the buffer protocol, in the order of `flatten`.

    Raises:
        ValueError: that is no document of `flatten`, or one of other types.
    """
    try:
        return _restore(json.loads(document), buffers)
    except (TypeError, IndexError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"no document of a value: {error}") from error


def _restore(node: Any, buffers: Sequence[Any]) -> Any:
    if not isinstance(node, list):
        return node
    name, *items = node
    if name == _TUPLE:
        return tuple(_restore(item, buffers) for item in items)
    if name == _ARRAY:
        index, dtype, shape = items
        array = np.frombuffer(buffers[index], np.dtype(dtype)).reshape(shape)
        array.flags.writeable = False
        return array
    if name == _BYTES:
        return bytes(buffers[items[0]])
    if name == _MAPPING:
        return {key: _restore(item, buffers) for key, item in items}
    return _TYPES[name](*(_restore(item, buffers) for item in items))


def size_bytes(document: str, buffers: Sequence[Buffer]) -> int:
    """What a flattened value takes, in bytes."""
    return len(document) + sum(memoryview(buffer).nbytes for buffer in buffers)
