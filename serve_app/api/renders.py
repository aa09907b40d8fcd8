"""/v1/avatar/render: text or a recording in, a completed render out, at once or as a job; its captions."""

from __future__ import annotations

import time

from fastapi import APIRouter, Depends, Request, Response

from ..studio import Studio
from .access import Access, Caller
from .bodies import RenderBody
from .error_schemas import errors
from .job_schemas import Accepted, CompletedJob, JobReport
from .media import file_response, media_responses
from .orders import OnlyOnce, base_of, order_of, visitor
from .schemas import RenderResponse

_CAPTION_TYPES = {"vtt": "text/vtt; charset=utf-8", "srt": "application/x-subrip; charset=utf-8"}


def router(studio: Studio, access: Access, audio_base_url: str | None) -> APIRouter:
    """
    Args:
        studio: does the work.
        access: who may ask.
        audio_base_url: put in front of /{id}.ogg; None for the address that the client used.
    """
    routes = APIRouter(tags=["renders"])
    user = Depends(access.user)

    def audio_base(base: str) -> str:
        return (audio_base_url or f"{base}/audio").rstrip("/")

    @routes.post("/v1/avatar/render", responses=errors(401, 403, 404, 409, 413, 429, 504, 507))
    async def render(
        body: RenderBody, request: Request, caller: Caller = user, idempotency_key: OnlyOnce = None
    ) -> RenderResponse:
        """Speaks a text, or reads a recording, and waits for it. After SYNC_TIMEOUT_SECONDS the answer is 504 with a
        poll_url: it goes on."""
        started = time.monotonic()
        result = await studio.speak(body.to_request(), order_of(caller, request, body.priority, body.callback_url))
        base = base_of(request)
        return RenderResponse.of(result, audio_base(base), base, (time.monotonic() - started) * 1000)

    @routes.post("/v1/avatar/render_async", status_code=202, responses=errors(401, 403, 404, 413, 429))
    async def render_async(
        body: RenderBody, request: Request, caller: Caller = user, idempotency_key: OnlyOnce = None
    ) -> Accepted:
        """Takes a text or a recording in as a job: once the answer comes it is written down, and will be done."""
        order = order_of(caller, request, body.priority, body.callback_url)
        return Accepted.of(await studio.submit(body.to_request(), order), base_of(request))

    @routes.get("/v1/avatar/render/{render_id}", responses=errors(401, 404))
    async def poll(
        render_id: str, request: Request, caller: Caller = user
    ) -> CompletedJob | JobReport | RenderResponse:
        """A render's state, and its result once it is completed. Always 200 for one that is known."""
        base = base_of(request)
        view, result = await studio.look(render_id, visitor(caller))
        if view is None:
            assert result is not None
            return RenderResponse.of(result, audio_base(base), base, 0.0)
        if result is None:
            return JobReport.of(view.job, view.position, base)
        return CompletedJob.of_view(view, result, audio_base(base), base)

    @routes.get(
        "/v1/avatar/render/{render_id}/captions.{extension}",
        response_class=Response,
        responses=media_responses(_CAPTION_TYPES),
    )
    @routes.head("/v1/avatar/render/{render_id}/captions.{extension}", include_in_schema=False)
    async def captions(render_id: str, extension: str, request: Request) -> Response:
        """Captions of a render: .vtt (word by word) or .srt."""
        return await file_response(studio, request, render_id, "captions", extension, _CAPTION_TYPES)

    return routes
