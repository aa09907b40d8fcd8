"""A level 2 in memory, whose reads and writes can be held up or fail, and time that passes when the test says so."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from deployments.cache.contract import LevelStats, Removed, Stored

LIMIT_BYTES = 10_000
"""Of level 1."""
_PATIENCE_S = 30.0
"""A test that forgets a gate fails instead of hanging."""


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """What every call passes: open, unless a test closes it."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._came = threading.Semaphore(0)

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def came(self) -> None:
        """Returns when the next call has come; blocking."""
        assert self._came.acquire(timeout=_PATIENCE_S)

    def __call__(self) -> None:
        self._came.release()
        assert self._open.wait(_PATIENCE_S)


class MemoryStore:
    """See Store."""

    def __init__(self) -> None:
        self.kept: dict[str, Stored] = {}
        self.calls: Counter[str] = Counter()
        """Name of a method -> times that it was called."""
        self.broken: set[str] = set()
        """Names of methods that raise."""
        self.reads, self.writes, self.cleanups = Gate(), Gate(), Gate()

    def get(self, key: str) -> Stored | None:
        self._note("get")
        stored = self.kept.get(key)
        self.reads()  # a slow read may bring what is out of date
        return stored

    def put(self, key: str, value: Any, digest: str) -> None:
        self.writes()
        self._note("put")
        self.kept[key] = Stored(value, digest)

    def delete(self, key: str) -> None:
        self._note("delete")
        self.kept.pop(key, None)

    def clear(self) -> Removed:
        self._note("clear")
        entries = len(self.kept)
        self.kept.clear()
        return Removed(entries, entries)

    def cleanup(self) -> Removed:
        self.cleanups()
        self._note("cleanup")
        return Removed(1, 2)

    def stats(self) -> LevelStats:
        self._note("stats")
        return LevelStats(entries=len(self.kept), faults={"corrupt": 1})

    def _note(self, method: str) -> None:
        self.calls[method] += 1
        if method in self.broken:
            raise RuntimeError(f"{method} is broken")
