"""A folder with a size limit: what was not used for longest goes first. Several processes may share it.

The order lives in the files' times, so it survives a restart: mtime is creation, atime is set by hand at each use
(mount options do not matter then).
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import pyarrow.fs as fs

from deployments.cache.contract import Removed

from .filesystem import write_whole
from .place import KINDS, Entry, entry_of

_HIGH = 0.95
"""Of the limit; above it room is made. Each process that shares the folder may write _SCAN more than the others know
of: the rest is enough for five of them."""
_LOW = 0.9
"""Of the limit; room is made down to here, so that it is not made for each file."""
_SCAN = 0.01
"""Of the limit; after so many bytes of its own a process looks what the others did. 50 ms for 25,000 files."""


class Folder:
    """See Place."""

    listing_s = 0.0

    def __init__(self, root: str, limit_bytes: int | None, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            root: absolute path; it need not exist.
            limit_bytes: of all files together; None: without limit.
            clock: seconds since 1970.
        """
        self.limit_bytes = limit_bytes
        self._root = root
        self._clock = clock
        self._files = fs.LocalFileSystem()
        self._lock = threading.Lock()
        self._used_bytes = 0  # never less than what is known to be there or on its way
        self._pending_bytes = 0  # being written by other threads: a scan may see none of it, or a part
        self._unscanned_bytes = float("inf")

    def read(self, name: str) -> bytes:
        """See Place."""
        with open(self._path(name), "rb") as file:
            content = file.read()
            with contextlib.suppress(OSError):  # a folder that is read-only has no order, but its values
                _set_times(file, self._clock(), os.fstat(file.fileno()).st_mtime)
        return content

    def write(self, name: str, created_s: float, *pieces: Any) -> None:
        """See Place."""
        with self._room(sum(memoryview(piece).nbytes for piece in pieces)):
            write_whole(self._files, self._path(name), *pieces)
            with contextlib.suppress(FileNotFoundError), open(self._path(name), "rb") as file:
                _set_times(file, created_s, created_s)

    def remove(self, name: str) -> bool:
        """See Place."""
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            return False
        return True

    def empty(self, entries: Sequence[Entry]) -> Removed:
        """See Place."""
        return sum((Removed(1, entry.size_bytes) for entry in entries if self.remove(entry.name)), Removed())

    def entries(self) -> list[Entry]:
        """See Place."""
        return list(self._entries())

    def shrink(self) -> Removed:
        """See Place."""
        with self._lock:
            return self._make_room(0)

    @contextlib.contextmanager
    def _room(self, size_bytes: int) -> Iterator[None]:
        """Room for a file that is about to be written."""
        with self._lock:
            if self.limit_bytes is not None:
                self._reserve(size_bytes, self.limit_bytes)
            self._used_bytes += size_bytes
            self._pending_bytes += size_bytes
            self._unscanned_bytes += size_bytes
        try:
            yield
        finally:  # of a file that failed or replaced another, too many are counted: until the next scan
            with self._lock:
                self._pending_bytes -= size_bytes

    def _reserve(self, size_bytes: int, limit_bytes: int) -> None:
        full = self._used_bytes + size_bytes > _HIGH * limit_bytes
        if full or self._unscanned_bytes + size_bytes > _SCAN * limit_bytes:
            self._make_room(size_bytes)
        if self._used_bytes + size_bytes > limit_bytes:
            raise OSError(errno.ENOSPC, "no room within the size limit", self._root)

    def _make_room(self, size_bytes: int) -> Removed:
        """Scans; removes so much that the new file leaves the folder at _LOW, unless it is below _HIGH anyway."""
        entries = self.entries()
        self._used_bytes = sum(entry.size_bytes for entry in entries) + self._pending_bytes
        self._unscanned_bytes = 0
        removed = Removed()
        if self.limit_bytes is None or self._used_bytes + size_bytes <= _HIGH * self.limit_bytes:
            return removed
        for entry in sorted((entry for entry in entries if not entry.part), key=lambda entry: entry.used_s):
            if self._used_bytes + size_bytes <= _LOW * self.limit_bytes:
                break
            removed += Removed(1, entry.size_bytes) if self.remove(entry.name) else Removed()
            self._used_bytes -= entry.size_bytes
        return removed

    def _entries(self) -> Iterator[Entry]:
        for kind in KINDS:
            for folder in _listed(self._path(kind)):
                for file in _listed(folder.path):
                    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                        state = file.stat(follow_symlinks=False)
                        name = f"{kind}/{folder.name}/{file.name}"
                        if entry := entry_of(name, state.st_size, state.st_mtime, state.st_atime):
                            yield entry

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _set_times(file: IO[bytes], used_s: float, created_s: float) -> None:
    """By the open file: another process may have replaced the one of that name."""
    os.utime(file.fileno(), ns=(round(used_s * 1e9), round(created_s * 1e9)))


def _listed(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
