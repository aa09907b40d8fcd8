"""A bucket: no size limit (it has lifecycle rules of its own), and patience only once."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.fs as fs

from deployments.cache.contract import Removed

from .filesystem import write_whole
from .place import KINDS, Entry, entry_of

_SLOW_S = 1.0
"""A failure that took longer was no answer of the server, but a time limit."""
_PAUSE_S = 10.0
"""A server that did not answer is left alone for this long: else each value would wait for the time limits anew."""
_REMOVED_AT_ONCE = 16
"""Each takes pyarrow three requests, and 20 ms or more. The SDK has 25 connections."""


class Bucket:
    """See Place."""

    limit_bytes: int | None = None
    listing_s = 60.0
    """A listing costs money, and a second for each few thousand objects."""

    def __init__(self, files: fs.FileSystem, root: str) -> None:
        """
        Args:
            files: the object store.
            root: bucket/prefix.
        """
        self._files = files
        self._root = root
        self._silent_until = -float("inf")

    def read(self, name: str) -> Any:
        """See Place."""
        with self._answered(), self._files.open_input_file(self._path(name)) as file:
            return file.read_buffer()

    def write(self, name: str, created_s: float, *pieces: Any) -> None:
        """See Place; the server sets the time itself."""
        with self._answered():
            write_whole(self._files, self._path(name), *pieces)

    def remove(self, name: str) -> bool:
        """See Place."""
        try:
            with self._answered():
                self._files.delete_file(self._path(name))
        except FileNotFoundError:
            return False
        return True

    def empty(self, entries: Sequence[Entry]) -> Removed:
        """See Place. Not whole folders: the bucket may hold what is none of ours. Ends with the first error."""
        with ThreadPoolExecutor(_REMOVED_AT_ONCE, "bucket") as pool:
            removed = pool.map(self.remove, (entry.name for entry in entries))
            sizes = [entry.size_bytes for entry, ours in zip(entries, removed, strict=True) if ours]
        return Removed(len(sizes), sum(sizes))

    def entries(self) -> list[Entry]:
        """See Place."""
        with self._answered():
            return [entry for kind in KINDS for entry in self._entries(self._path(kind))]

    def shrink(self) -> Removed:
        """See Place."""
        return Removed()

    def _entries(self, path: str) -> Iterator[Entry]:
        for info in self._files.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True)):
            if info.type == fs.FileType.File:
                created_s = info.mtime_ns / 1e9
                name = info.path.removeprefix(f"{self._root}/")
                if entry := entry_of(name, info.size, created_s, created_s):
                    yield entry

    @contextlib.contextmanager
    def _answered(self) -> Iterator[None]:
        started = time.monotonic()
        if started < self._silent_until:
            raise OSError(errno.ETIMEDOUT, "did not answer a moment ago", self._root)
        try:
            yield
        except OSError:
            if time.monotonic() - started > _SLOW_S:
                self._silent_until = time.monotonic() + _PAUSE_S
            raise

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
