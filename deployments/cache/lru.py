"""A map that forgets: what was used least recently when it is full, and what is too old."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class _Entry(Generic[ValueT]):
    value: ValueT
    size_bytes: int
    expires_at: float


class Lru(Generic[ValueT]):
    """Values by key, bounded by bytes, each with a time to live. For one thread."""

    def __init__(self, limit_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            limit_bytes: never more than this.
            clock: seconds.
        """
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._size_bytes = 0
        self._entries: OrderedDict[str, _Entry[ValueT]] = OrderedDict()
        """Least recently used first."""

    def __len__(self) -> int:
        """Entries, those included that have expired and were not asked for since."""
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        """The keys, least recently used first."""
        return iter(self._entries)

    @property
    def size_bytes(self) -> int:
        """Of all entries."""
        return self._size_bytes

    @property
    def limit_bytes(self) -> int:
        """Of all entries."""
        return self._limit_bytes

    def put(self, key: str, value: ValueT, size_bytes: int, ttl_s: float) -> None:
        """Keeps a value, replacing what is there; one larger than the limit is not kept.

        Args:
            key: the key.
            value: anything.
            size_bytes: what it takes.
            ttl_s: seconds that it lives.
        """
        self.pop(key)
        if size_bytes > self._limit_bytes:
            return
        self._entries[key] = _Entry(value, size_bytes, self._clock() + ttl_s)
        self._size_bytes += size_bytes
        while self._size_bytes > self._limit_bytes:
            self.pop(next(iter(self._entries)))

    def get(self, key: str) -> ValueT | None:
        """The value, unless it is missing or expired; it counts as used."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= self._clock():
            self.pop(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    def pop(self, key: str) -> ValueT | None:
        """Drops a key and returns its value; None if it is missing or expired."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._size_bytes -= entry.size_bytes
        return entry.value if self._clock() < entry.expires_at else None

    def clear(self) -> None:
        """Drops everything."""
        self._entries.clear()
        self._size_bytes = 0

    def expire(self) -> None:
        """Drops what has expired."""
        now = self._clock()
        for key in [key for key, entry in self._entries.items() if entry.expires_at <= now]:
            self.pop(key)
