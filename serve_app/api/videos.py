"""/generate/async, /download, /stream: videos of a portrait that talks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import StreamingResponse

from deployments.core.errors import NotFound

from ..studio import Studio
from .access import Access, Caller
from .error_schemas import errors
from .job_schemas import Accepted
from .media import file_response, media_responses
from .orders import OnlyOnce, base_of, order_of
from .video_bodies import VideoBody

_VIDEO = {"mp4": "video/mp4"}
_PICTURES = {"jpg": "image/jpeg"}


def router(studio: Studio, access: Access) -> APIRouter:
    """
    Args:
        studio: does the work.
        access: who may ask.
    """
    routes = APIRouter(tags=["videos"])
    user = Depends(access.user)

    @routes.post("/generate/async", status_code=202, responses=errors(401, 403, 404, 409, 413, 429))
    async def generate(
        body: VideoBody, request: Request, caller: Caller = user, idempotency_key: OnlyOnce = None
    ) -> Accepted:
        """Takes a video in as a job: a portrait that says a text, or a recording. Its progress counts frames."""
        order = order_of(caller, request, body.priority, body.callback_url)
        return Accepted.of(await studio.submit(body.to_request(), order), base_of(request))

    @routes.get("/download/{render_id}.{extension}", response_class=Response, responses=media_responses(_VIDEO))
    @routes.head("/download/{render_id}.{extension}", include_in_schema=False)
    async def download(render_id: str, extension: str, request: Request) -> Response:
        """A finished video. Understands Range."""
        return await file_response(studio, request, render_id, "video", extension, _VIDEO)

    @routes.get(
        "/stream/{render_id}.mp4",
        response_class=StreamingResponse,
        responses={200: {"description": "Fragmented MP4.", "content": {"video/mp4": {}}}, **errors(404)},
    )
    async def stream(render_id: str, request: Request) -> Response:
        """A video while it is being made: fragmented MP4 that players begin at once. The whole file once it is done."""
        with contextlib.suppress(NotFound):
            return await file_response(studio, request, render_id, "video", "mp4", _VIDEO)
        parts = studio.watch(render_id)
        first = await anext(parts, b"")  # what is wrong is said with a status
        if not first:  # it came from the cache, or was made for another
            return await file_response(studio, request, render_id, "video", "mp4", _VIDEO)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter for nginx
        return StreamingResponse(_following(first, parts), headers=headers, media_type="video/mp4")

    @routes.get(
        "/v1/avatar/render/{render_id}/thumbnail.{extension}",
        response_class=Response,
        responses=media_responses(_PICTURES),
    )
    @routes.head("/v1/avatar/render/{render_id}/thumbnail.{extension}", include_in_schema=False)
    async def thumbnail(render_id: str, extension: str, request: Request) -> Response:
        """The first frame of a video."""
        return await file_response(studio, request, render_id, "thumbnail", extension, _PICTURES)

    return routes


async def _following(first: bytes, parts: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """What goes wrong breaks the stream off, as the status is gone: nobody may take a part for the whole."""
    async with contextlib.aclosing(parts):
        yield first
        async for part in parts:
            yield part
