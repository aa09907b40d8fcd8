"""Values as files under their keys, in a folder or a bucket."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pyarrow.fs as fs

from deployments.cache.contract import CacheOptions, LevelStats, LifeTimes, Removed, Stored
from deployments.core.keys import Kind

from .bucket import Bucket
from .filesystem import open_filesystem
from .folder import Folder
from .packing import Packed, pack, unpack
from .place import Entry, Place, kind_of, name_of

logger = logging.getLogger("ray.serve")

_PART_S = 3600.0
"""No write takes an hour: what is older was left behind by a process that died."""


class FileStore:
    """See Store."""

    def __init__(
        self,
        url: str,
        limit_bytes: int | None,
        lifetimes: LifeTimes,
        compress: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Touches nothing yet.

        Args:
            url: see open_filesystem.
            limit_bytes: of a folder; a bucket has none.
            lifetimes: of values, by their kind, from their creation.
            compress: zstd for what gets smaller by it.
            clock: seconds since 1970.

        Raises:
            ValueError: of the URL.
        """
        files, root = open_filesystem(url)
        local = isinstance(files, fs.LocalFileSystem)
        self._place: Place = Folder(root, limit_bytes, clock) if local else Bucket(files, root)
        self._lifetimes = lifetimes
        self._compress = compress
        self._clock = clock
        self._lock = threading.Lock()  # of the numbers below
        self._accesses = self._hits = 0
        self._faults: Counter[str] = Counter()
        self._listed_until = -float("inf")
        self._listed = Removed()

    @classmethod
    def of(cls, options: CacheOptions, url: str) -> FileStore:
        """Level 2 as the settings say.

        Args:
            options: of the whole cache.
            url: where it lies.

        Raises:
            ValueError: of the URL.
        """
        return cls(url, round(options.max_cache_size_mb * 1e6), options.cache_ttl_hours, options.compress)

    def get(self, key: str) -> Stored | None:
        """See Store.

        Raises:
            ValueError: that is no key.
        """
        packed = self._load(name_of(key), key)
        with self._lock:
            self._accesses += 1
            self._hits += packed is not None
        return packed.stored if packed else None

    def _load(self, name: str, key: str) -> Packed | None:
        try:
            packed = unpack(self._place.read(name), key)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._fault("unreadable", name, error)
            return None
        except ValueError as error:
            self._fault("corrupt", name, error)
            self._remove(name)
            return None
        now = self._clock()
        if self._expired(kind_of(key), packed.created_s, now):
            self._remove(name)
            return None
        return replace(packed, stored=replace(packed.stored, age_s=max(0.0, now - packed.created_s)))

    def put(self, key: str, value: object, digest: str) -> None:
        """See Store.

        Raises:
            ValueError: that is no key.
        """
        name, now = name_of(key), self._clock()
        try:
            pieces = pack(key, Stored(value, digest), now, self._compress)
        except TypeError as error:
            self._fault("unstorable", name, error)
            return
        limit = self._place.limit_bytes
        if limit is not None and (size := sum(map(len, pieces))) > limit:
            self._fault("too_large", name, f"{size} bytes")
            return
        try:
            self._place.write(name, now, *pieces)
        except OSError as error:
            self._fault("write_failed", name, error)

    def delete(self, key: str) -> None:
        """See Store.

        Raises:
            ValueError: that is no key.
        """
        self._remove(name_of(key))

    def clear(self) -> Removed:
        """See Store."""
        try:
            removed = self._place.empty([entry for entry in self._place.entries() if not entry.part])
        except OSError as error:
            self._fault("not_removed", "everything", error)
            return Removed()
        self._list_anew()
        return removed

    def cleanup(self) -> Removed:
        """See Store."""
        now = self._clock()
        try:
            stale = [entry for entry in self._place.entries() if self._stale(entry, now)]
            removed = sum((self._remove(entry.name, entry.size_bytes) for entry in stale), Removed())
            removed += self._place.shrink()
        except OSError as error:
            self._fault("not_removed", "what is old", error)
            return Removed()
        self._list_anew()
        return removed

    def stats(self) -> LevelStats:
        """See Store."""
        listed = self._list()
        with self._lock:
            return LevelStats(
                listed.entries,
                listed.size_bytes,
                self._place.limit_bytes,
                self._accesses,
                self._hits,
                dict(self._faults),
            )

    def _list(self) -> Removed:
        """What there is."""
        with self._lock:
            if time.monotonic() < self._listed_until:
                return self._listed
            self._listed_until = time.monotonic() + self._place.listing_s
        try:
            listed = sum((Removed(1, entry.size_bytes) for entry in self._place.entries() if not entry.part), Removed())
        except OSError as error:
            self._fault("unreadable", "the listing", error)
            return self._listed
        with self._lock:
            self._listed = listed
        return listed

    def _list_anew(self) -> None:
        with self._lock:
            self._listed_until = -float("inf")

    def _expired(self, kind: Kind, created_s: float, now: float) -> bool:
        # What comes from the future, by a clock that was wrong, expires too.
        return abs(now - created_s) >= self._lifetimes.seconds(kind)

    def _stale(self, entry: Entry, now: float) -> bool:
        if entry.part:
            return now - entry.created_s >= _PART_S
        return self._expired(kind_of(entry.name), entry.created_s, now)

    def _remove(self, name: str, size_bytes: int = 0) -> Removed:
        try:
            return Removed(1, size_bytes) if self._place.remove(name) else Removed()
        except OSError as error:
            self._fault("not_removed", name, error)
            return Removed()

    def _fault(self, reason: str, what: str, error: object) -> None:
        logger.warning("cache, %s: %s: %s", reason, what, error)
        with self._lock:
            self._faults[reason] += 1
