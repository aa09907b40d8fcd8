"""The HTTP application over a Studio. Ray-free: tests call it through ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ..settings import Settings
from ..studio import Studio
from . import (
    cache,
    edge,
    errors,
    health,
    jobs,
    lipsync,
    media,
    operations,
    portraits,
    progress,
    renders,
    speech,
    uploads,
    videos,
)
from .access import Access

WEB_DIR = Path(__file__).parents[2] / "web"


def create_app(studio: Studio, settings: Settings) -> FastAPI:
    """All routes, and the page at /.

    Args:
        studio: does the work.
        settings: who may do what, how long bodies may be, what addresses answers have.
    """
    app = FastAPI(
        title="avatar-serve",
        version=version("avatar-serve"),
        description="Text or recorded speech in; speech, exact lip sync and eye animation for a browser avatar, or a "
        "video of a portrait that talks, out.",
    )
    access = Access(settings.access.keys)
    audio_base_url = settings.storage.audio_base_url
    errors.install(app)
    file_bytes, image_bytes = (round(mb * 1e6) for mb in (settings.limits.max_upload_mb, settings.limits.max_image_mb))
    larger_bodies = {"/upload/audio": file_bytes, "/upload/image": image_bytes, "/v1/avatar/lipsync": file_bytes}
    edge.install(app, settings.access.cors_origins, settings.access.max_body_bytes, larger_bodies)
    app.include_router(renders.router(studio, access, audio_base_url))
    app.include_router(lipsync.router(studio, access, settings.access.max_body_bytes))
    app.include_router(jobs.router(studio, access))
    app.include_router(progress.router(studio))
    app.include_router(speech.router(studio, access))
    app.include_router(media.router(studio))
    app.include_router(uploads.router(studio, access))
    app.include_router(videos.router(studio, access))
    app.include_router(portraits.router())
    app.include_router(health.router(studio, access, settings))
    app.include_router(operations.router(studio, access, settings))
    app.include_router(cache.router(studio, access))
    _add_page(app)
    return app


def _add_page(app: FastAPI) -> None:
    """One route for each file: a mount at / would answer 404 where a wrong method should be 405."""
    for file in sorted(path for path in WEB_DIR.rglob("*") if path.is_file()):
        app.add_route(f"/{file.relative_to(WEB_DIR).as_posix()}", _sender(file), include_in_schema=False)
    app.add_route("/", _sender(WEB_DIR / "index.html"), include_in_schema=False)


def _sender(file: Path) -> Callable[[Request], Awaitable[Response]]:
    async def send(_request: Request) -> Response:
        # The browser asks each time whether it changed: a page of one version never meets modules of another.
        return FileResponse(file, headers={"Cache-Control": "no-cache"})

    return send
