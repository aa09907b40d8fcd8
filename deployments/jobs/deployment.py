"""Jobs on Ray Serve: one replica leads. All that it knows is in the store, so that it may die at any time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from importlib.metadata import version
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayError, RayTaskError, TaskCancelledError
from ray.serve.context import _set_request_context
from ray.serve.exceptions import RayServeException, RequestCancelledError
from ray.serve.handle import DeploymentHandle

from deployments.core import heap
from deployments.core.errors import AvatarError, Unavailable
from deployments.core.measures import Snapshot
from deployments.core.types import RenderRequest
from deployments.meter import meter

from .contract import Event, Job, JobOptions, Report, Rules, State, Store, StoreFailed, Submission
from .desk import Desk
from .exposition import Exposition, Gauges
from .feed import Notice
from .line import View
from .webhooks import Webhooks

logger = logging.getLogger("ray.serve")

_ASK_S = 15.0
"""Limit of a question: takes milliseconds, and some seconds while the store is away."""
_BROADCAST_S = 5.0
"""Limit for asking all replicas something."""
_STORE_TRIES, _STORE_AGAIN_S = 60, 1.0
_ANNOUNCEMENTS, _ANNOUNCE_EVERY_S = 3, 2.0
"""In a rollout the leader before may ask for more until it knows that it is deposed."""
_COLLECT_EVERY_S = 10.0
"""What a replica counted is lost with it: at most so much of it."""
_FRESH_S = 0.5
"""Scrapes in quick succession share one collection."""


class Jobs:
    """The leader. Every method but `listen` is answered from memory and the store."""

    # Serve awaits an async constructor (ray/serve/_private/replica.py), which mypy does not know of.
    async def __init__(  # type: ignore[misc]
        self,
        renderer: DeploymentHandle[Any],
        open_store: Callable[[str], Store],
        publish: Callable[[str, str], None],
        options: JobOptions,
        rules: Rules,
        sources: Sequence[str],
    ) -> None:
        """
        Args:
            renderer: does the work.
            open_store: gives the store for the name of an application. Blocking.
            publish: makes the files of an attempt those of a job: (job_id, ref). Blocking.
            options: of the room.
            rules: limits.
            sources: names of the deployments whose replicas count something.
        """
        app = serve.get_replica_context().app_name
        self._sources = [*sources]
        self._app = app
        self._exposition = Exposition()
        self._replicas: dict[str, int] = {}
        self._collected_s = -float("inf")
        self._collecting = asyncio.Lock()
        leader = secrets.token_hex(8)
        store = await asyncio.to_thread(open_store, app)
        performer = RemoteRenderer(renderer, publish, leader)
        self._desk = Desk(store, performer, Webhooks(options).deliver, rules, meter())
        await self._take_over()
        self._tasks = [asyncio.create_task(self._collect_on()), asyncio.create_task(self._announce(leader))]
        heap.freeze()

    async def _take_over(self) -> None:
        """Waits for a store that is away: Serve would try again less and less often."""
        for _ in range(_STORE_TRIES):
            try:
                return await self._desk.open()
            except StoreFailed as error:
                logger.error("the store of the jobs does not answer: %s", error)
            await asyncio.sleep(_STORE_AGAIN_S)
        await self._desk.open()

    async def _announce(self, leader: str) -> None:
        """Has the Renderers give up what the leader before had asked for; it begins anew."""
        for _ in range(_ANNOUNCEMENTS):
            await self._ask_all("Renderer", "follow", leader)
            await asyncio.sleep(_ANNOUNCE_EVERY_S)

    async def submit(self, submissions: Sequence[Submission]) -> list[Job | AvatarError]:
        """Takes jobs in: see Desk.submit."""
        return list(await asyncio.gather(*(self._submit(submission) for submission in submissions)))

    async def _submit(self, submission: Submission) -> Job | AvatarError:
        try:
            return await self._desk.submit(submission)
        except AvatarError as error:
            return error
        except Exception:  # of this one job: the others in the call are taken in
            logger.exception("job %s was not taken in", submission.job.job_id)
            return AvatarError("a job was not taken in")

    async def get(self, job_ids: Sequence[str]) -> list[View | None]:
        """Jobs and their places in the queue."""
        jobs, places = await self._desk.get(job_ids), self._desk.positions(job_ids)
        return [View(job, places.get(job.job_id)) if job else None for job in jobs]

    async def catch_up(self, job_id: str, after_seq: int) -> tuple[Job | None, list[Event]]:
        """A job and its events with a higher number."""
        job = (await self._desk.get([job_id]))[0]
        return job, await self._desk.events(job_id, after_seq) if job else []

    async def cancel(self, job_id: str, owner: str | None) -> Job:
        """See Desk.cancel."""
        return await self._desk.cancel(job_id, owner)

    async def charge(self, owner: str, requests_per_minute: float | None) -> None:
        """See Desk.charge."""
        self._desk.charge(owner, requests_per_minute)

    async def page(
        self, owner: str | None, state: State | None, limit: int, cursor: str | None
    ) -> tuple[list[View], str | None]:
        """See Store.page; with places in the queue."""
        page = await self._desk.page(owner, state, limit, cursor)
        places = self._desk.positions([job.job_id for job in page.jobs])
        return [View(job, places.get(job.job_id)) for job in page.jobs], page.cursor

    async def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        return await self._desk.counts()

    async def listen(self) -> AsyncGenerator[Notice, None]:
        """News of all jobs, until this replica does not lead any more."""
        async with contextlib.aclosing(self._desk.feed.listen(self._desk.now())) as notices:
            async for notice in notices:
                yield notice

    async def load(self) -> tuple[int, int]:
        """Jobs at work, and jobs that wait."""
        return self._desk.load

    async def metrics(self) -> tuple[str, bytes]:
        """Those of the whole server, in Prometheus' text format."""
        # What a replica has handed over counts: a scrape that gives up must not stop the collection.
        await asyncio.shield(asyncio.ensure_future(self._collect()))
        gauges = Gauges(version("avatar-serve"), await self._desk.counts(), self._replicas)
        return self._exposition.text(gauges)

    async def check_health(self) -> None:
        """Serve replaces a replica that does not lead: either its successor is there, or it should lead again."""
        if not self._desk.works:
            raise RuntimeError("this process does not lead the jobs of its store")

    async def _collect_on(self) -> None:
        while True:
            await asyncio.sleep(_COLLECT_EVERY_S)
            await self._collect()

    async def _collect(self) -> None:
        """Adds up what everybody has counted since the last time."""
        async with self._collecting:
            if time.monotonic() - self._collected_s > _FRESH_S:
                await self._collect_now()
                self._collected_s = time.monotonic()

    async def _collect_now(self) -> None:
        self._exposition.merge(meter().take())
        answers = await asyncio.gather(*(self._ask_all(source, "take_measures") for source in self._sources))
        for source, replies in zip(self._sources, answers, strict=True):
            snapshots = [reply for reply in replies if isinstance(reply, Snapshot)]
            self._replicas[source] = len(snapshots)
            for snapshot in snapshots:
                self._exposition.merge(snapshot)

    async def _ask_all(self, deployment: str, method: str, *arguments: str) -> list[Any]:
        """The answers of all replicas; none of one that does not answer."""
        try:
            handle: Any = serve.get_deployment_handle(deployment, self._app)
            response = await asyncio.to_thread(handle.broadcast, method, *arguments)
            async with asyncio.timeout(_BROADCAST_S):
                replies: list[Any] = await response.results_async(return_exceptions=True)
        except (TimeoutError, RayError, RayServeException) as error:
            logger.warning("%s of %s: %s", method, deployment, error)
            return []
        return replies


class RemoteRenderer:
    """The Renderer as the dispatcher sees it."""

    def __init__(self, renderer: DeploymentHandle[Any], publish: Callable[[str, str], None], leader: str) -> None:
        self._leader = leader
        self._renderer = renderer
        self._run = renderer.options(method_name="run", stream=True)
        self._publish = publish

    async def run(self, job: Job) -> AsyncGenerator[Report, None]:
        """See Performer."""
        _set_request_context(request_id=job.request_id or job.job_id)  # for the log lines of all stages
        logger.info("job %s: attempt %d of a %s one", job.job_id, job.attempt, job.priority)
        response: Any = self._run.remote(job, self._leader)
        try:
            async for report in response:
                yield report
        except (RayTaskError, RayError, RayServeException) as error:
            raise original(error) from error
        finally:
            response.cancel()

    async def cached(self, requests: Sequence[RenderRequest]) -> list[bool]:
        """See Performer."""
        try:
            known: list[bool] = await asyncio.wait_for(self._renderer.cached.remote(list(requests)), _ASK_S)
        except (TimeoutError, RayTaskError, RayError, RayServeException) as error:
            raise original(error) from error
        return known

    async def publish(self, job_id: str, ref: str) -> None:
        """See Performer."""
        await asyncio.to_thread(self._publish, job_id, ref)


class RemoteJobs:
    """The leader as its client sees it: a Line."""

    def __init__(self, jobs: DeploymentHandle[Any]) -> None:
        """
        Args:
            jobs: the deployment.
        """
        self._jobs = jobs
        self._listen = jobs.options(method_name="listen", stream=True)

    async def ask(self, method: str, *arguments: Any) -> Any:
        """See Line."""
        response = getattr(self._jobs, method).remote(*arguments)
        try:
            async with asyncio.timeout(_ASK_S):  # wait_for loses a cancellation that meets the answer
                return await response
        except (TimeoutError, RayTaskError, RayError, RayServeException) as error:
            response.cancel()
            raise original(error) from error

    async def listen(self) -> AsyncGenerator[Notice, None]:
        """See Line."""
        response: Any = self._listen.remote()
        try:
            async for notice in response:
                yield notice
        except (RayTaskError, RayError, RayServeException) as error:
            raise original(error) from error
        finally:
            response.cancel()


def original(error: BaseException) -> Exception:
    """What was raised on the other side; what Ray itself says, in the words of the tree."""
    cause = getattr(error, "cause", None)
    if isinstance(error, AvatarError):
        return cause if isinstance(cause, AvatarError) else error
    lost = (TimeoutError, RayActorError, RayServeException, RequestCancelledError, TaskCancelledError)
    if isinstance(error, lost):
        return Unavailable(f"{type(error).__name__}: {error}", hint="Try again in a few seconds.")
    return error if isinstance(error, Exception) else RuntimeError(str(error))
