"""Writes every change down before anybody sees it or acts on it: many at a time, as they come."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .contract import Change, Deposed, Job, Store, StoreFailed
from .table import Table

logger = logging.getLogger("ray.serve")

ResultT = TypeVar("ResultT")

_AGAIN_S, _LONGEST_S = 0.1, 2.0
"""A store that is away is tried again after this long, twice as long each time."""
_BEAT_S = 1.0
"""An idle leader asks this often whether it still leads: nobody must listen to one that does not."""
_BETWEEN_S = 0.1
"""Between two parts of a large clean-up: new jobs wait for one part at most."""
_OVER = "this process does not write jobs any more"
_ENDED_KEPT = 1000
"""Ended jobs that are answered from memory: clients ask right after the end. A megabyte or two."""


class Journal:
    """Between the table and the store."""

    def __init__(
        self,
        table: Table,
        store: Store,
        on_written: Callable[[Sequence[Change]], object],
        on_dropped: Callable[[Job], object],
    ) -> None:
        """
        Args:
            table: where changes come from.
            store: where they go.
            on_written: told of each batch; of an empty one when the store goes away, when it is back, and when this
                leader is deposed.
            on_dropped: told of each new job that could not be written.
        """
        self._table = table
        self._store = store
        self._on_written = on_written
        self._on_dropped = on_dropped
        # One thread: a store is used by one at a time, and reads see the writes before them.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._dirty = asyncio.Event()
        self._batch = self._new_batch()
        self._live: dict[str, Job] = {}
        self._ended: OrderedDict[str, Job] = OrderedDict()
        self._writer: asyncio.Task[None] | None = None
        self.connected = True
        """Whether the store took the last batch."""
        self.deposed = False

    def open(self, jobs: Sequence[Job]) -> None:
        """Begins to write.

        Args:
            jobs: what the store has of jobs that have not ended.
        """
        self._live = {job.job_id: job for job in jobs}
        self._writer = asyncio.create_task(self._write_on())

    def nudge(self) -> None:
        """The table has changes."""
        self._dirty.set()

    async def settle(self) -> None:
        """Returns once every change so far is written.

        Raises:
            StoreFailed: not now. New jobs of the batch are dropped; everything else is written as soon as it can be.
            Deposed: and never will be.
        """
        if self.deposed:
            raise Deposed("another process leads the jobs now")
        self._dirty.set()
        await asyncio.shield(self._batch)

    async def confirm(self) -> None:
        """Returns once it is certain that this leader still leads; waits for a store that is away.

        Raises:
            Deposed
        """
        while True:
            with contextlib.suppress(StoreFailed):
                return await self.settle()

    async def ask(self, question: Callable[..., ResultT], *arguments: Any) -> ResultT:
        """Calls a method of the store."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, question, *arguments)

    def known(self, job_id: str) -> Job | None:
        """A job as it is written; None: ask the store."""
        return self._live.get(job_id) or self._ended.get(job_id)

    async def expire(self, ended_before_s: float) -> int:
        """See Store: from memory too."""
        for job in [job for job in self._ended.values() if (job.ended_s or 0.0) < ended_before_s]:
            del self._ended[job.job_id]
        total = 0
        while removed := await self.ask(self._store.expire, ended_before_s):
            total += removed
            await asyncio.sleep(_BETWEEN_S)
        return total

    async def close(self) -> None:
        """Stops writing; what is not written is lost to this process, not to the store."""
        if self._writer:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        self._refuse(self._batch, Deposed(_OVER))  # the writer may not even have begun
        await self.ask(self._store.close)
        self._thread.shutdown()

    async def _write_on(self) -> None:
        pause_s = _AGAIN_S
        try:
            while not self.deposed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_BEAT_S):
                        await self._dirty.wait()
                if await self._write():
                    pause_s = _AGAIN_S
                elif not self.deposed:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_S)
        finally:  # also when it is closed, and after a fault of our own: nobody is to wait for ever
            self._refuse(self._batch, Deposed(_OVER))
        self._on_written(())

    async def _write(self) -> bool:
        """Writes the next batch; False: not now, or never."""
        self._dirty.clear()
        changes = self._table.take_changes()
        batch, self._batch = self._batch, self._new_batch()
        try:
            await self.ask(self._store.write, changes)
        except Deposed as error:
            self.deposed = True
            self._refuse(batch, error)
        except StoreFailed as error:
            logger.error("jobs cannot be written: %s", error)
            self._refuse(batch, error)
            self._put_back(changes)
        else:
            self._note(changes)
            batch.set_result(None)
            return True
        finally:
            self._refuse(batch, Deposed(_OVER))  # where nothing else is known
        return False

    @property
    def writes(self) -> bool:
        """Whether it goes on writing: not once deposed, nor after a fault of our own."""
        return self._writer is not None and not self._writer.done()

    def _note(self, changes: Sequence[Change]) -> None:
        is_back, self.connected = not self.connected, True
        for job in (change.job for change in changes):
            if job.ended:
                self._live.pop(job.job_id, None)
                self._ended[job.job_id] = job
            else:
                self._live[job.job_id] = job
        while len(self._ended) > _ENDED_KEPT:
            self._ended.popitem(last=False)
        if changes or is_back:
            self._on_written(changes)

    def _put_back(self, changes: Sequence[Change]) -> None:
        """Whoever submitted a new job is told that it failed: it must not run later, unknown to them."""
        if self.connected:
            self.connected = False
            self._on_written(())
        for change in filter(_is_new, changes):
            self._table.drop(change.job.job_id)
            self._on_dropped(change.job)
        self._table.put_back(change for change in changes if not _is_new(change))
        self._dirty.set()

    @staticmethod
    def _refuse(batch: asyncio.Future[None], error: Exception) -> None:
        if not batch.done():
            batch.set_exception(error)
            batch.exception()  # nobody may wait for it

    @staticmethod
    def _new_batch() -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()


def _is_new(change: Change) -> bool:
    """Whether nothing of its job was written before."""
    return bool(change.events) and change.events[0].seq == 1
