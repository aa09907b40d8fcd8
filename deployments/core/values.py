"""Values as a JSON document and plain buffers: what is hashed into a digest, and what is written to a file.

No pickle: a file of values from a stranger is data, and only the types listed here are ever made of it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .types import (
    Animation,
    AudioClip,
    EyeEvent,
    EyeTrack,
    LipSyncSummary,
    PhonemeSpan,
    Reading,
    Speech,
    Take,
    VisemeTrack,
    WordSpan,
)
from .video import Video

Buffer: TypeAlias = bytes | NDArray[Any]

_TYPES: dict[str, type] = {
    each.__name__: each
    for each in (
        *(Animation, AudioClip, EyeEvent, EyeTrack, LipSyncSummary, PhonemeSpan, Reading, Speech, Take),
        *(Video, VisemeTrack, WordSpan),
    )
}
_TUPLE, _ARRAY, _BYTES, _MAPPING = "()", "array", "bytes", "{}"
"""First item of a list in the document, where it is not the name of a dataclass."""

_DTYPES = {np.dtype(code).newbyteorder("<").str for code in "?bBhHiIlLqQefd"}
"""What arrays may hold: numbers of a size that every machine knows. No objects: their bytes are addresses."""

SCHEMA = ";".join(
    f"{name}({','.join(field.name for field in dataclasses.fields(each))})" for name, each in sorted(_TYPES.items())
)
"""The shape of all types: part of every key, so that a release with other fields never meets values of this one."""


def flatten(value: Any) -> tuple[str, list[Buffer]]:
    """A value as text and buffers; equal values give equal ones.

    Args:
        value: dataclasses, tuples, mappings with string keys, arrays of numbers, bytes, str, int, float, bool, None,
            nested.

    Returns:
        JSON, and the arrays (contiguous, little-endian) and bytes that it refers to by their index.

    Raises:
        TypeError: something else is in it.
    """
    buffers: list[Buffer] = []
    document = _flatten(value, buffers)
    return json.dumps(document, ensure_ascii=True, allow_nan=True, separators=(",", ":")), buffers


def _flatten(value: Any, buffers: list[Buffer]) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (getattr(value, field.name) for field in dataclasses.fields(value))
        return [type(value).__name__, *(_flatten(field, buffers) for field in fields)]
    if isinstance(value, np.ndarray):
        return _flatten_array(value, buffers)
    if isinstance(value, bytes | bytearray | memoryview):
        buffers.append(bytes(value))
        return [_BYTES, len(buffers) - 1]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return [_MAPPING, *([key, _flatten(value[key], buffers)] for key in sorted(value))]
    if isinstance(value, Sequence):
        return [_TUPLE, *(_flatten(item, buffers) for item in value)]
    raise TypeError(f"{type(value).__name__} is no value that a key can be made of")


def _flatten_array(array: NDArray[Any], buffers: list[Buffer]) -> Any:
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in _DTYPES:
        raise TypeError(f"an array of {array.dtype} is no value that a key can be made of")
    buffers.append(np.ascontiguousarray(array, dtype=dtype))
    return [_ARRAY, len(buffers) - 1, dtype.str, list(array.shape)]


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
    except (TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"no document of a value: {error}") from error


def _restore(node: Any, buffers: Sequence[Any]) -> Any:
    if node is None or isinstance(node, str | bool | int | float):
        return node
    if not isinstance(node, list):
        raise TypeError(f"{type(node).__name__} stands for nothing")
    name, *items = node
    if name == _TUPLE:
        return tuple(_restore(item, buffers) for item in items)
    if name == _ARRAY:
        return _restore_array(*items, buffers=buffers)
    if name == _BYTES:
        (index,) = items
        return bytes(buffers[index])
    if name == _MAPPING:
        return {_string(key): _restore(item, buffers) for key, item in items}
    # Strict: a dataclass with defaults would take fewer.
    names = (field.name for field in dataclasses.fields(_TYPES[name]))
    return _TYPES[name](**{name: _restore(item, buffers) for name, item in zip(names, items, strict=True)})


def _restore_array(index: int, dtype: str, shape: list[int], *, buffers: Sequence[Any]) -> NDArray[Any]:
    if dtype not in _DTYPES:
        raise TypeError(f"no array of {dtype}")
    array = np.frombuffer(buffers[index], dtype).reshape(shape)
    array.flags.writeable = False
    return array


def _string(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{type(key).__name__} is no key of a mapping")
    return key


def raw(buffer: Buffer) -> memoryview:
    """The bytes of a buffer of `flatten`, without a copy."""
    return memoryview(buffer) if isinstance(buffer, bytes) else buffer.reshape(-1).view(np.uint8).data


def size_bytes(document: str, buffers: Sequence[Buffer]) -> int:
    """What a flattened value takes, in bytes."""
    return len(document) + sum(len(raw(buffer)) for buffer in buffers)
