"""The HTTP application over a Studio. Ray-free: tests call it through ASGI."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from ..studio import Studio
from . import errors, media, operations, renders
from .requests import RequestId

WEB_DIR = Path(__file__).parents[2] / "web"


def create_app(studio: Studio, audio_base_url: str | None = None) -> FastAPI:
    """All routes, and the page at /.

    Args:
        studio: does the work.
        audio_base_url: put in front of /{id}.ogg in audio_url; None for the address that the client used.
    """
    app = FastAPI(
        title="avatar-serve",
        version=version("avatar-serve"),
        description="Text in; speech, exact lip sync and eye animation for a browser avatar out.",
    )
    app.add_middleware(RequestId)
    errors.install(app)
    app.include_router(renders.router(studio, audio_base_url))
    app.include_router(media.router(studio))
    app.include_router(operations.router(studio))
    app.mount("/", StaticFiles(directory=WEB_DIR, html=True), name="web")
    return app
