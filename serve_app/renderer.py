"""The Serve class that hosts the DAG: one call for one render."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayError
from ray.serve.exceptions import RayServeException, RequestCancelledError
from ray.serve.handle import DeploymentHandle

from deployments.core.errors import Unavailable
from deployments.core.types import RenderRequest
from deployments.media.recording import Recording

from .pipeline import Stages, render
from .results import RenderResult, ResultStore, describe
from .settings import Settings

logger = logging.getLogger("ray.serve")

_COUNT_EVERY_S = 5
"""The autoscaler decides every few seconds. Only while renders come: asking takes 60 ms of CPU time."""
_SWEEP_EVERY_S = 3600
"""Expired results are looked for this often."""


class Renderer:
    """Runs renders; keeps nothing between them."""

    def __init__(self, tts: DeploymentHandle[Any], lipsync: DeploymentHandle[Any], settings: Settings) -> None:
        self._tts = tts
        self._lipsync = lipsync
        self._settings = settings
        self._library = settings.voices
        self._results = ResultStore(settings.results_url, settings.storage.results_ttl_hours)
        self._tts_replicas = settings.performance.max_tts_workers
        self._counted_at = -float("inf")
        self._counter: asyncio.Task[None] | None = None
        self._sweeper = asyncio.get_event_loop().create_task(self._sweep())

    async def render(self, request: RenderRequest, render_id: str) -> RenderResult:
        """Speaks, joins and stores one render.

        Raises:
            AvatarError: as the stages raise it.
        """
        started = time.monotonic()
        recording = Recording(self._settings.voice.media, request.timing)
        language = (await asyncio.to_thread(self._library.find, request.voice_id)).language
        await self._speak(request, language, recording)
        spoken = time.monotonic()
        take = await recording.finish()
        result = describe(render_id, request, take, language, self._settings.engines)
        joined = time.monotonic()
        result.timings_ms.update(speak=_ms(started, spoken), join=_ms(spoken, joined))
        await asyncio.to_thread(self._results.save, result, take)
        logger.info(
            "render %s: %d characters, %.2f s of audio in %.0f ms",
            render_id,
            len(request.text),
            take.animation.duration_s,
            _ms(started, time.monotonic()),
        )
        return result

    async def _speak(self, request: RenderRequest, language: str, recording: Recording) -> None:
        """The DAG; Ray's own errors in the words of the tree."""
        try:
            await render(self._stages(request.voice_id), request, language.split("_")[0], recording)
        except RequestCancelledError:
            raise
        except (RayActorError, RayServeException) as error:
            raise Unavailable(f"a stage was lost: {error}", hint="Try again in a few seconds.") from error

    def _stages(self, voice_id: str) -> Stages:
        if time.monotonic() - self._counted_at >= _COUNT_EVERY_S:
            self._counted_at = time.monotonic()
            # Beside the render, which takes the last count, and outside its context: Serve would cancel it with it.
            self._counter = asyncio.get_running_loop().create_task(self._count_tts(), context=contextvars.Context())
        speak = self._tts.options(method_name="speak", multiplexed_model_id=voice_id)
        return Stages(
            tts=speak.remote,
            lipsync=self._lipsync.track.remote,
            in_flight=self._tts_replicas + 1,
        )

    async def _count_tts(self) -> None:
        """Follows the autoscaler: more sentences at work than replicas + 1 would only push other renders back."""
        app = serve.get_replica_context().app_name
        try:
            status = await asyncio.to_thread(serve.status)
            states = status.applications[app].deployments["TTS"].replica_states
            self._tts_replicas = max(1, sum(count for state, count in states.items() if state == "RUNNING"))
        except (KeyError, RayError, RayServeException) as error:
            logger.warning("counting TTS replicas failed: %s", error)

    async def _sweep(self) -> None:
        while True:
            try:
                removed = await asyncio.to_thread(self._results.sweep)
                if removed:
                    logger.info("removed %d expired results", removed)
            except OSError as error:
                logger.warning("looking for expired results failed: %s", error)
            await asyncio.sleep(_SWEEP_EVERY_S)


def _ms(start: float, end: float) -> float:
    return round((end - start) * 1000, 1)
