"""What every model stage on Ray Serve shares: one worker thread, a time limit, health, metrics, logs."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from deployments.core.errors import StageChanged, TimedOut
from deployments.core.keys import Node
from deployments.core.measures import STAGE_SECONDS, Snapshot
from deployments.meter import meter

_NICER = 10
"""Models take every core there is. Who answers clients gets nine times their share of one (sched(7): ten steps of
about 1.25); beside the 5 of the other replicas (supervisor.py) it is what Ray gives its workers by default."""

ResultT = TypeVar("ResultT")

# Serve's own logger adds the request id, the deployment and the replica to every record.
logger = logging.getLogger("ray.serve")


class Stage:
    """Base of the model deployments; an engine does the work and knows nothing of Ray.

    Work runs on one thread per replica: models share the cores badly with themselves, and espeak-ng not at all. A call
    that is cancelled before its turn never starts; one that runs goes on to its end (a model call cannot be stopped),
    and the next call waits for it.
    """

    def __init__(self, node: Node, release: str, timeout_s: float) -> None:
        """
        Args:
            node: what it runs; the stage's name is that in logs and metrics.
            release: what it was built with.
            timeout_s: limit of one call in seconds.
        """
        self._node = node
        self._release = release
        self._name = name = node.stage
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._running: tuple[float, float] | None = None
        """Start of what is at work, by time.monotonic(), and its limit in seconds."""
        self._meter = meter()
        os.nice(_NICER)

    async def node(self) -> tuple[Node, str]:
        """What it runs, for the keys of its results, and its release."""
        return self._node, self._release

    async def take_measures(self) -> Snapshot:
        """What this replica has counted since it was last asked."""
        return self._meter.take()

    def check_node(self, node: Node) -> None:
        """A result must not be kept under the key of another engine.

        Args:
            node: what the caller thinks that runs here; its weights are the stage's own affair.

        Raises:
            StageChanged: something else does.
        """
        if replace(node, weights="") != self._node:
            raise StageChanged(f"{self._name}: asked for {node}, this is {self._node}")

    async def run(self, work: Callable[..., ResultT], *args: object, times: float = 1.0) -> ResultT:
        """Runs blocking work off the event loop, as a call of the stage.

        Args:
            work: what to do.
            args: its arguments.
            times: its limit, in those of an ordinary call.

        Raises:
            TimedOut: after timeout_s, waiting for the thread included.
        """
        return await self.prepare(self._timed, work, *args, times=times)

    async def prepare(self, work: Callable[..., ResultT], *args: object, times: float = 1.0) -> ResultT:
        """The same for what comes before the calls, such as loading a voice: it does not count as one.

        Raises:
            TimedOut
        """
        limit_s = times * self._timeout_s
        future = asyncio.wrap_future(self._thread.submit(self._watched, limit_s, work, *args))
        try:
            return await asyncio.wait_for(future, limit_s)
        except TimeoutError:
            raise TimedOut(f"{self._name} took longer than {limit_s:g} s") from None

    def _watched(self, limit_s: float, work: Callable[..., ResultT], *args: object) -> ResultT:
        self._running = time.monotonic(), limit_s
        try:
            return work(*args)
        finally:
            self._running = None

    def _timed(self, work: Callable[..., ResultT], *args: object) -> ResultT:
        started = time.monotonic()
        try:
            return work(*args)
        finally:
            self._meter.observe(STAGE_SECONDS, time.monotonic() - started, stage=self._name)

    def log_done(self, started: float, detail: str) -> None:
        """One line for each finished call.

        Args:
            started: time.monotonic() at its start.
            detail: what was done.
        """
        logger.info("%s %s in %.0f ms", self._name, detail, (time.monotonic() - started) * 1000)

    async def load(self) -> tuple[int, int]:
        """Calls at work, and calls that wait for the thread."""
        return int(self._running is not None), self._thread._work_queue.qsize()

    async def check_health(self) -> None:
        """Serve replaces the replica when its thread hangs: no call may take twice its limit."""
        if self._running is None:
            return
        since, limit_s = self._running
        if time.monotonic() - since > 2 * limit_s:
            raise RuntimeError(f"{self._name} hangs since {time.monotonic() - since:.0f} s")
