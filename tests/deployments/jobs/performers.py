"""What does the work, as scripted; and what else a desk talks to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from deployments.core.types import RenderRequest
from deployments.jobs.contract import Job, Progress, Report, Result, result_ref

Step: TypeAlias = Report | Exception | asyncio.Event | float | Literal["end"]
"""Is reported, raised, waited for, or lasts so many seconds; "end": it ends without a result."""
Script: TypeAlias = Callable[[Job], Sequence[Step]]


def result_of(job: Job) -> Result:
    """What the attempt that a job is at makes."""
    return Result(result_ref(job.job_id, job.attempt), 1000, False)


def succeed(job: Job) -> Sequence[Step]:
    """The shortest script."""
    return [Progress("tts", 50, "Speaking."), result_of(job)]


@dataclass(eq=False)
class Attempt:
    """One run of a job."""

    job: Job
    end: Literal["works", "result", "error", "given up"] = "works"
    closed: bool = False
    """Nothing of it is left."""


class Performer:
    """See Performer in the dispatcher."""

    def __init__(self, script: Script = succeed) -> None:
        self.script = script
        """Of each attempt that begins."""
        self.attempts: list[Attempt] = []
        self.at_work = 0
        self.most_at_work = 0
        self.in_cache: set[RenderRequest] = set()
        """Those that `cached` knows; they do not count as work."""
        self.questions: list[list[RenderRequest]] = []
        self.fault: Exception | None = None
        """What `cached` raises."""
        self.answers_at: asyncio.Event | None = None
        """When `cached` answers; None: at once."""
        self.faults: list[Exception] = []
        """What `publish` raises, one after the other."""
        self.publishes_at: asyncio.Event | None = None
        """When `publish` goes on."""
        self.published: list[tuple[str, str]] = []
        self.cleaning_s = 0.0
        """How long it takes to give up."""

    @property
    def links(self) -> dict[str, str]:
        """Which attempt's files are those of a job: the last that was published."""
        return dict(self.published)

    def of(self, job_id: str) -> list[Attempt]:
        """The attempts of a job."""
        return [attempt for attempt in self.attempts if attempt.job.job_id == job_id]

    @property
    def order(self) -> list[int]:
        """Numbers of the jobs, as their attempts began."""
        return [int(attempt.job.job_id, 16) for attempt in self.attempts]

    async def run(self, job: Job) -> AsyncGenerator[Report, None]:
        attempt = Attempt(job)
        self.attempts.append(attempt)
        counts = job.request not in self.in_cache
        self.at_work += counts
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            for step in self.script(job):
                if isinstance(step, Result):
                    attempt.end = "result"
                    yield step
                elif isinstance(step, Progress):
                    yield step
                elif step == "end":
                    return
                else:
                    await self._do(step, attempt)
        finally:
            attempt.end = "given up" if attempt.end == "works" else attempt.end
            try:
                await asyncio.sleep(self.cleaning_s)
            finally:
                self.at_work -= counts
                attempt.closed = True

    async def _do(self, step: Exception | asyncio.Event | float, attempt: Attempt) -> None:
        if isinstance(step, Exception):
            attempt.end = "error"
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
        else:
            await asyncio.sleep(step)

    async def cached(self, requests: Sequence[RenderRequest]) -> list[bool]:
        self.questions.append([*requests])
        if self.answers_at:
            await self.answers_at.wait()
        if self.fault:
            raise self.fault
        return [request in self.in_cache for request in requests]

    async def publish(self, job_id: str, ref: str) -> None:
        if self.publishes_at:
            await self.publishes_at.wait()
        if self.faults:
            raise self.faults.pop(0)
        self.published.append((job_id, ref))


class Receiver:
    """Of callbacks: a Deliver."""

    def __init__(self) -> None:
        self.bodies: list[Mapping[str, Any]] = []
        self.open = asyncio.Event()
        """Answers while it is set."""
        self.open.set()
        self.accepts = True
        """False: the sender gives up."""

    @property
    def told(self) -> Counter[str]:
        """How often it was told of each job."""
        return Counter(body["job_id"] for body in self.bodies)

    async def __call__(self, url: str, body: Mapping[str, Any]) -> bool:
        await self.open.wait()
        self.bodies.append({"url": url, **body})
        return self.accepts
