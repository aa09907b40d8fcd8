"""The Serve class that answers HTTP: handles -> Studio -> create_app."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import reduce
from operator import add
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.context import _get_serve_request_context, _set_request_context
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.cache.contract import LevelStats, Removed
from deployments.cache.deployment import cache_requests
from deployments.core.errors import TooManyRequests, Unavailable
from deployments.core.types import RenderRequest

from .answers import Answers
from .api.app import create_app
from .result_store import ResultStore
from .results import RenderResult
from .settings import Settings
from .studio import CacheStats, Studio

_CONTROL_S = 60
"""Limit of a question about the cache: emptying gigabytes of files takes seconds."""


@serve.ingress()
class Ingress:
    """No model code, no heavy values."""

    def __init__(self, renderer: DeploymentHandle[Any], settings: Settings, release: str) -> None:
        self._renderer = renderer
        self._settings = settings
        self._release = release
        cache = settings.cache
        self._answers = (
            Answers(round(cache.answers_mb * 1e6), cache.cache_ttl_hours.seconds("speech"), self._note)
            if cache.enabled
            else None
        )
        self._requests = cache_requests()
        self._warm_up = asyncio.get_event_loop().create_task(self._open_the_way())

    async def _open_the_way(self) -> None:
        """A first call over a handle takes tens of milliseconds: no user should wait for it."""
        await self._renderer.check_health.remote()

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Serve's hook: called once the replica is constructed."""
        settings = self._settings
        results = ResultStore(settings.results_url, settings.storage.results_ttl_hours)
        timeout_s = settings.timeouts.sync_render
        cache = ServerCache(self._renderer)
        studio = Studio(self._render, results, settings.voices, timeout_s, self._answers, cache, self._release)
        return create_app(studio, settings.storage.audio_base_url)

    async def answer_stats(self) -> LevelStats:
        """Numbers of this replica's finished answers."""
        return self._answers.stats() if self._answers else LevelStats(limit_bytes=0)

    async def forget_answers(self, prefix: str = "") -> None:
        """Drops those of this replica's finished answers whose keys begin so."""
        if self._answers:
            self._answers.drop(prefix)

    def _note(self, hit: bool) -> None:
        self._requests.inc(tags={"level": "answers", "result": "hit" if hit else "miss"})

    def _render(self, request: RenderRequest, render_id: str) -> Coroutine[Any, Any, RenderResult]:
        # The render may outlive the request that asked first: it keeps its ID for the log, and nothing else of it.
        return self._render_as(_get_serve_request_context().request_id, request, render_id)

    async def _render_as(self, request_id: str, request: RenderRequest, render_id: str) -> RenderResult:
        """Ray's own errors, in the words of the tree."""
        _set_request_context(request_id=request_id)
        response = self._renderer.render.remote(request, render_id)
        try:
            result: RenderResult = await response
            return result
        except asyncio.CancelledError:
            # Serve does it for a client that left, but not for our own time limit.
            response.cancel()  # type: ignore[no-untyped-call]
            raise
        except BackPressureError as error:
            raise TooManyRequests(
                "The server is at its limit and its queue is full.",
                hint="Try again after the time in Retry-After.",
            ) from error
        except (RayActorError, DeploymentUnavailableError) as error:
            raise Unavailable(str(error), hint="Try again in a few seconds.") from error


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
