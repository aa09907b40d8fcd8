"""The Serve class that answers HTTP: handles -> Studio -> create_app."""

from __future__ import annotations

import asyncio
from typing import Any

import ray.exceptions
from fastapi import FastAPI
from ray import serve
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from deployments.core.errors import TooManyRequests, Unavailable
from deployments.core.types import RenderRequest

from .api.app import create_app
from .results import RenderResult, ResultStore
from .settings import Settings
from .studio import Studio


@serve.ingress()
class Ingress:
    """No model code, no heavy values."""

    def __init__(self, renderer: DeploymentHandle[Any], settings: Settings) -> None:
        self._renderer = renderer
        self._settings = settings

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Serve's hook: called once the replica is constructed."""
        settings = self._settings
        results = ResultStore(settings.results_url, settings.storage.results_ttl_hours)
        studio = Studio(self._render, results, settings.voices, settings.timeouts.sync_render)
        return create_app(studio, settings.storage.audio_base_url)

    async def _render(self, request: RenderRequest, render_id: str) -> RenderResult:
        """Ray's own errors, in the words of the tree."""
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
        except (ray.exceptions.RayActorError, DeploymentUnavailableError) as error:
            raise Unavailable(str(error), hint="Try again in a few seconds.") from error
