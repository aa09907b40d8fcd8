"""Content keys: equal work has the same key in every process and on every machine, anything else has another.

key = hash(stage, engine, engine version, weights digest, canonical options, digests of the input values). Digests of
*values*, not of their keys: a voice speaks the same text a little differently each time, and a key made of keys could
join new audio to the mouth shapes of the old.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import values

Kind = Literal["speech", "video"]
"""What a value lives as long as: see cache_ttl_hours."""

_DIGEST_BYTES = 32
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Node:
    """A stage of the DAG, as far as its results depend on it."""

    stage: str
    """As in tts."""
    engine: str
    """File name in the room's engines/."""
    version: str
    """Of the engine: another where it makes other values of the same input."""
    options: str
    """Canonical JSON of those options that change the values."""
    weights: str = ""
    """Digest of the weight files; empty for an engine without."""
    kind: Kind = "speech"


def digest(value: Any) -> str:
    """64 hexadecimal digits (BLAKE2b-256) of a value; see values.flatten for what it may hold."""
    document, buffers = values.flatten(value)
    # What a type is called and in what order its fields stand is in the document; what they are called is here.
    content = hashlib.blake2b(values.SCHEMA.encode(), digest_size=_DIGEST_BYTES)
    for part in (memoryview(document.encode()), *map(values.raw, buffers)):
        content.update(len(part).to_bytes(8, "little"))
        content.update(part)
    return content.hexdigest()


def key(node: Node, inputs: Sequence[str]) -> str:
    """KIND/64 hexadecimal digits.

    Args:
        node: what is run.
        inputs: digests of the values that go in, in order.
    """
    return f"{node.kind}/{digest((node, tuple(inputs)))}"


def file_state(path: Path) -> tuple[int, ...]:
    """Numbers that change with a file, to a tick of the kernel's clock (10 ms at most); for this machine alone.

    Raises:
        OSError: there is none.
    """
    state = path.stat()
    # A copy may have the old file's size and time, and its inode too, which is free again; ctime nobody can set.
    return state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino


def file_digest(path: Path) -> str:
    """Digest of a file's content; read again only when its state changes. Blocking: 1 s for 700 MB.

    Raises:
        OSError: it cannot be read.
    """
    return _file_digest(path, *file_state(path))


@functools.lru_cache(maxsize=1024)
def _file_digest(path: Path, *_state: int) -> str:
    content = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            content.update(chunk)
    return content.hexdigest()
