"""Level 1, single flight and what goes to and fro between the levels. Knows nothing of Ray."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from deployments.core import values
from deployments.core.errors import AvatarError
from deployments.core.keys import Kind

from .contract import (
    LEASE_S,
    Follow,
    Found,
    Lead,
    LevelStats,
    LifeTimes,
    Outcome,
    Refused,
    Removed,
    Store,
)
from .flights import Flights
from .lru import Lru
from .writes import Write, Writes

ResultT = TypeVar("ResultT")

logger = logging.getLogger("ray.serve")

READ_WAIT_S = 0.15
"""Seconds that an ask waits for level 2: a read from a folder takes 1 ms, one from a bucket nearby 20 to 100."""

_READER = "level 2"
"""Token of a read, which leads its key until it is over or, should it hang, its lease is. Those of renders are hex."""
_THREADS = 4
"""For the store: one writes, one may clean up, two read."""


@dataclass(frozen=True)
class Periods:
    """All in seconds."""

    read_wait_s: float = READ_WAIT_S
    lease_s: float = LEASE_S
    tick_s: float = LEASE_S / 10
    """How late a lease may end."""
    write_after_s: float = 0.3
    """Packing a value takes a core that the end of its render can use: that takes 0.05 to 0.1."""
    clean_up_s: float = 3600
    """What is expired is never handed out; this frees its space, and lives are counted in hours."""


class Shelf:
    """A Shard of the contract. For one event loop; the store and what is slow run in threads."""

    def __init__(
        self,
        limit_bytes: int,
        lifetimes: LifeTimes,
        store: Store | None = None,
        hold: Callable[[Any, int], Any] = lambda value, size_bytes: value,
        clock: Callable[[], float] = time.monotonic,
        periods: Periods | None = None,
    ) -> None:
        """
        Args:
            limit_bytes: of level 1.
            lifetimes: of values, by their kind, from the moment that level 1 gets them.
            store: level 2; None: there is none.
            hold: makes `Found.held` of a value and its size in bytes; called in threads. By default the value itself.
            clock: seconds, of leases and lives.
            periods: None: the default ones.
        """
        self._lifetimes = lifetimes
        self._store = store
        self._hold = hold
        self._periods = periods or Periods()
        self._lru: Lru[Found] = Lru(limit_bytes, clock)
        self._flights = Flights(self._periods.lease_s, clock)
        self._reads: dict[str, asyncio.Task[Found | None]] = {}
        self._writes = Writes(self._write, self._periods.write_after_s)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="cache")
        self._tickers: list[asyncio.Task[None]] = []
        self._accesses = self._hits = 0
        self._faults: Counter[str] = Counter()
        self._store_faults: Counter[str] = Counter()

    async def begin(self, keys: Sequence[str], token: str, peek: Sequence[str] = ()) -> dict[str, Outcome | None]:
        """See Shard. Nothing is led before all reads were waited for: a cancelled call leaves nothing behind."""
        self._start()
        answers: dict[str, Outcome | None] = {key: self._lru.get(key) for key in (*keys, *peek)}
        missing = [key for key, found in answers.items() if found is None]
        # A peek that finds nothing is asked again when its turn comes.
        self._accesses += len(answers) - len(set(missing).difference(keys))
        self._hits += len(answers) - len(missing)
        reads = {key: read for key in missing if (read := self._read(key)) is not None}
        if reads:
            await asyncio.wait(reads.values(), timeout=self._periods.read_wait_s)
        for key in missing:
            found = _result(reads.get(key)) or self._lru.get(key)
            answers[key] = found or (self._place(key, token) if key in keys else None)
        return answers

    async def follow(self, key: str, token: str) -> Found | Lead | Refused:
        """See Shard.

        Raises:
            asyncio.CancelledError: the call was cancelled, or `token` abandoned the key.
        """
        self._start()
        return self._lru.get(key) or await self._flights.wait(key, token)

    async def finish(self, key: str, token: str, value: Any, digest: str) -> None:
        """See Shard. Level 2 gets it later: see `drain`."""
        self._start()
        try:
            held, size_bytes = await asyncio.to_thread(self._weigh, value)
        except Exception:
            logger.exception("%s cannot be held", key)
            self._faults["not_held"] += 1
            self._flights.abandon(key, token)
            return
        self._cancel_reads(key)  # what they bring is older
        self._keep(key, Found(held, digest, 1), size_bytes)
        if self._store is not None and not self._writes.add(Write(key, value, digest, size_bytes)):
            self._store_faults["write_dropped"] += 1

    async def abandon(self, key: str, token: str, error: AvatarError | None = None) -> None:
        """See Shard. A `follow` of a token that gives up waiting ends as cancelled."""
        self._flights.abandon(key, token, error)

    async def renew(self, token: str, keys: Sequence[str]) -> None:
        """See Shard."""
        self._flights.renew(token, keys)

    async def forget(self, key: str, reason: str) -> None:
        """See Shard."""
        self._lru.pop(key)
        self._faults[reason] += 1

    async def delete(self, key: str) -> None:
        """See Shard."""
        async with self._writes.lock:
            self._writes.drop(key)
            self._cancel_reads(key)
            self._lru.pop(key)
            if self._store:
                await self._ask("delete_failed", self._store.delete, key)

    async def stats(self) -> tuple[LevelStats, LevelStats]:
        """See Shard."""
        first = LevelStats(
            len(self._lru),
            self._lru.size_bytes,
            self._lru.limit_bytes,
            self._accesses,
            self._hits,
            dict(self._faults),
        )
        second = await self._ask("stats_failed", self._store.stats) if self._store else None
        second = second or LevelStats()
        return first, replace(second, faults=dict(Counter(second.faults) + self._store_faults))

    async def clear(self) -> Removed:
        """See Shard. What was finished, read or waited to be written until it returns does not come back."""
        async with self._writes.lock:  # while one is written, it would come back
            removed = await self._ask("clear_failed", self._store.clear) if self._store else None
            self._writes.clear()
            self._cancel_reads(*self._reads)
            self._lru.clear()
        return removed or Removed()

    async def cleanup(self) -> Removed:
        """See Shard."""
        self._lru.expire()
        return (await self._ask("cleanup_failed", self._store.cleanup) if self._store else None) or Removed()

    async def drain(self) -> None:
        """Waits until all that was finished is in level 2."""
        await self._writes.drain()

    async def close(self) -> None:
        """Ends all that runs in the background; without `drain`, what is not written yet is lost."""
        tasks = [*self._tickers, *self._reads.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._writes.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _place(self, key: str, token: str) -> Lead | Follow:
        if self._flights.is_led(key):
            return Follow()
        self._flights.lead(key, token)
        return Lead()

    def _keep(self, key: str, found: Found, size_bytes: int, age_s: float = 0.0) -> None:
        kind = cast(Kind, key.partition("/")[0])
        self._lru.put(key, replace(found, level=1), size_bytes, self._lifetimes.seconds(kind) - age_s)
        self._flights.land(key, found)

    def _weigh(self, value: Any) -> tuple[Any, int]:
        size_bytes = values.size_bytes(*values.flatten(value))
        return self._hold(value, size_bytes), size_bytes

    def _read(self, key: str) -> asyncio.Task[Found | None] | None:
        """The read of a key from level 2, one for all who ask; None if there is no use in one."""
        if key in self._reads:
            return self._reads[key]
        if self._store is None or self._flights.is_led(key):
            return None
        self._flights.lead(key, _READER)
        read = self._reads[key] = asyncio.create_task(self._fetch(key, self._store))
        # Not at the end of _fetch, which never begins if it is cancelled at once. It comes before those who wait.
        read.add_done_callback(lambda _: self._read_over(key))
        return read

    async def _fetch(self, key: str, store: Store) -> Found | None:
        fetched = await self._ask("read_failed", self._load, store, key)
        if fetched is None:
            return None
        self._keep(key, *fetched)
        return fetched[0]

    def _load(self, store: Store, key: str) -> tuple[Found, int, float] | None:
        stored = store.get(key)
        if stored is None:
            return None
        held, size_bytes = self._weigh(stored.value)
        return Found(held, stored.digest, 2), size_bytes, stored.age_s

    def _read_over(self, key: str) -> None:
        del self._reads[key]
        self._flights.abandon(key, _READER)  # found nothing; otherwise it has landed, and this does nothing

    def _cancel_reads(self, *keys: str) -> None:
        for key in keys:
            if key in self._reads:
                self._reads[key].cancel()

    async def _write(self, write: Write) -> None:
        if self._store is not None:
            await self._ask("write_failed", self._store.put, write.key, write.value, write.digest)

    async def _ask(self, fault: str, call: Callable[..., ResultT], *args: object) -> ResultT | None:
        """Runs a call of the store in a thread; None if it fails, which is a miss and no one's trouble."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)
        except Exception:
            logger.exception("level 2 of the cache: %s", fault)
            self._store_faults[fault] += 1
            return None

    def _start(self) -> None:
        if not self._tickers:
            self._tickers = [asyncio.create_task(self._end_leases()), asyncio.create_task(self._clean_up())]

    async def _end_leases(self) -> None:
        while True:
            await asyncio.sleep(self._periods.tick_s)
            self._flights.expire()

    async def _clean_up(self) -> None:
        while True:
            await self.cleanup()
            await asyncio.sleep(self._periods.clean_up_s)


def _result(read: asyncio.Task[Found | None] | None) -> Found | None:
    return read.result() if read is not None and read.done() and not read.cancelled() else None
