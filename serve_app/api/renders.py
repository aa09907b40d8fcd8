"""/v1/avatar/render: text in, a completed render out; its captions."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response

from ..studio import Studio
from .media import file_response
from .schemas import ERRORS, RenderBody, RenderResponse

_CAPTION_TYPES = {"vtt": "text/vtt; charset=utf-8", "srt": "application/x-subrip; charset=utf-8"}


def router(studio: Studio, audio_base_url: str | None) -> APIRouter:
    """
    Args:
        studio: does the work.
        audio_base_url: put in front of /{id}.ogg; None for the address that the client used.
    """
    routes = APIRouter(tags=["renders"])

    @routes.post("/v1/avatar/render", responses=ERRORS)
    async def render(body: RenderBody, request: Request) -> RenderResponse:
        """Speaks a text and waits for it."""
        started = time.monotonic()
        result = await studio.speak(body.to_request())
        base = str(request.base_url).rstrip("/")
        audio_base = (audio_base_url or f"{base}/audio").rstrip("/")
        return RenderResponse.of(result, audio_base, base, (time.monotonic() - started) * 1000)

    @routes.get("/v1/avatar/render/{render_id}/captions.{extension}", response_class=Response)
    @routes.head("/v1/avatar/render/{render_id}/captions.{extension}", include_in_schema=False)
    async def captions(render_id: str, extension: str, request: Request) -> Response:
        """Captions of a render: .vtt (word by word) or .srt."""
        return await file_response(studio, request, render_id, "captions", extension, _CAPTION_TYPES)

    return routes
