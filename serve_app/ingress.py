"""The Serve class that answers HTTP: handles -> Studio -> create_app."""

from __future__ import annotations

import asyncio
import time
from functools import reduce
from operator import add
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError, RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.cache.contract import LevelStats, Removed
from deployments.core import heap
from deployments.core.errors import Unavailable
from deployments.core.measures import CACHE_REQUESTS, Snapshot
from deployments.jobs.client import Client
from deployments.jobs.deployment import RemoteJobs
from deployments.meter import meter

from .answers import Answers
from .api.app import create_app
from .intake import Intake
from .operations import CacheStats, StageState
from .result_store import ResultStore
from .settings import Settings
from .studio import Studio

_STATUS_S = 1.0
"""What is known of the replicas is at most so old."""
_LOAD_S = 2.0
"""A replica that does not say by then how busy it is is very busy."""
_CONTROL_S = 60
"""Limit of a question about the cache: emptying gigabytes of files takes seconds."""


@serve.ingress()
class Ingress:
    """No model code, no heavy values."""

    def __init__(
        self, jobs: DeploymentHandle[Any], renderer: DeploymentHandle[Any], settings: Settings, release: str
    ) -> None:
        self._jobs = Client(RemoteJobs(jobs))
        self._renderer = renderer
        self._settings = settings
        self._release = release
        cache = settings.cache
        self._answers = (
            Answers(round(cache.answers_mb * 1e6), cache.cache_ttl_hours.seconds("speech"), self._note)
            if cache.enabled
            else None
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Serve's hook: called once the replica is constructed."""
        settings = self._settings
        studio = Studio(
            self._jobs,
            ResultStore(settings.results_url, settings.storage.results_ttl_hours),
            settings.cast,
            settings.timeouts.sync_render,
            self._answers,
            ServerCache(self._renderer),
            ServerCluster(),
            settings.jobs,
            meter(),
            Intake(settings.uploads, settings.limits),
            self._release,
        )
        app = create_app(studio, settings)
        heap.freeze()
        return app

    async def take_measures(self) -> Snapshot:
        """What it has counted since it was last asked."""
        return meter().take()

    async def load(self) -> tuple[int, int]:
        """Nothing is done here."""
        return 0, 0

    async def answer_stats(self) -> LevelStats:
        """Numbers of this replica's finished answers."""
        return self._answers.stats() if self._answers else LevelStats(limit_bytes=0)

    async def forget_answers(self, prefix: str = "") -> None:
        """Drops those of this replica's finished answers whose keys begin so."""
        if self._answers:
            self._answers.drop(prefix)

    def _note(self, hit: bool) -> None:
        meter().add(CACHE_REQUESTS, level="answers", result="hit" if hit else "miss")


class ServerCache:
    """Every level of the cache, wherever it is."""

    def __init__(self, renderer: DeploymentHandle[Any]) -> None:
        self._renderer = renderer

    async def stats(self) -> CacheStats:
        """See CacheControl."""
        answers = reduce(add, await self._ask_ingresses("answer_stats"), LevelStats(limit_bytes=0))
        level_1, level_2 = await self._ask_renderer("cache_stats")
        return CacheStats(answers, level_1, level_2)

    async def clear(self) -> Removed:
        """See CacheControl."""
        removed: Removed = await self._ask_renderer("clear_cache")
        # Last: what was answered from below in the meantime goes too.
        await self.forget("")
        return removed

    async def cleanup(self) -> Removed:
        """See CacheControl."""
        removed: Removed = await self._ask_renderer("clean_cache")
        return removed

    async def forget(self, prefix: str) -> None:
        """See CacheControl."""
        await self._ask_ingresses("forget_answers", prefix)

    async def _ask_renderer(self, method: str) -> Any:
        try:
            return await asyncio.wait_for(getattr(self._renderer, method).remote(), _CONTROL_S)
        except (TimeoutError, RayActorError, RayServeException) as error:
            raise Unavailable(f"{method}: {error}", hint="Try again in a few seconds.") from error

    async def _ask_ingresses(self, method: str, *arguments: str) -> list[Any]:
        own = serve.get_replica_context()
        handle: Any = serve.get_deployment_handle(own.deployment, own.app_name)
        try:
            response = await asyncio.to_thread(handle.broadcast, method, *arguments)
            replies = await asyncio.wait_for(response.results_async(return_exceptions=True), _CONTROL_S)
        except (TimeoutError, RayServeException) as error:
            raise Unavailable(f"{method}: {error}", hint="Try again in a few seconds.") from error
        # A replica that died has no answers any more.
        return [reply for reply in replies if not isinstance(reply, Exception)]


class ServerCluster:
    """What Serve's controller and the replicas say of themselves."""

    def __init__(self) -> None:
        self._known: dict[str, StageState] = {}
        self._known_until = -float("inf")
        self._asking = asyncio.Lock()

    async def stages(self) -> dict[str, StageState]:
        """See Cluster; at most _STATUS_S old, for asking takes 60 ms of CPU time."""
        async with self._asking:
            if time.monotonic() > self._known_until:
                self._known = await self._ask()
                self._known_until = time.monotonic() + _STATUS_S
            return self._known

    async def _ask(self) -> dict[str, StageState]:
        app = serve.get_replica_context().app_name
        try:
            status = await asyncio.wait_for(asyncio.to_thread(serve.status), _CONTROL_S)
            deployments = status.applications[app].deployments
        except (KeyError, TimeoutError, RayError, RayServeException) as error:
            raise Unavailable(f"serve.status: {error}", hint="Try again in a few seconds.") from error
        loads = await asyncio.gather(*(_load(app, name) for name in deployments))
        return {
            name: StageState(
                state.status.value, {str(each): count for each, count in state.replica_states.items()}, *load
            )
            for (name, state), load in zip(deployments.items(), loads, strict=True)
        }


async def _load(app: str, deployment: str) -> tuple[int, int]:
    """Calls at work and calls that wait, in all replicas; those that do not answer have none."""
    handle: Any = serve.get_deployment_handle(deployment, app)
    try:
        response = await asyncio.to_thread(handle.broadcast, "load")
        replies = await asyncio.wait_for(response.results_async(return_exceptions=True), _LOAD_S)
    except (TimeoutError, RayServeException):
        return 0, 0
    counted = [reply for reply in replies if isinstance(reply, tuple)]
    return sum(running for running, _ in counted), sum(waiting for _, waiting in counted)
