"""/v1/avatar/lipsync: a recording in, mouth cues out, also in the formats of Rhubarb Lip Sync."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from deployments.core.errors import BadInput, BodyTooLarge
from deployments.media import rhubarb_file

from ..order import Order
from ..results import RenderResult
from ..studio import Studio
from .access import Access, Caller
from .error_schemas import errors
from .forms import form_body, form_of, is_form
from .lipsync_schemas import Format, LipSyncBody, LipSyncFields, LipSyncResponse, RhubarbFile
from .orders import order_of

_TSV = "text/tab-separated-values"
_MAX_NAME = 255
"""Characters of the name of a file: file systems have no longer ones."""


def router(studio: Studio, access: Access, max_json_bytes: int) -> APIRouter:
    """
    Args:
        studio: does the work.
        access: who may ask.
        max_json_bytes: of a body without a file.
    """
    routes = APIRouter(tags=["renders"])
    user = Depends(access.user)

    @routes.post(
        "/v1/avatar/lipsync",
        responses={**_ANSWERS, **errors(401, 403, 404, 408, 409, 413, 429, 504, 507)},
        response_model=LipSyncResponse | RhubarbFile,
        openapi_extra=_bodies(),
    )
    async def lipsync(request: Request, caller: Caller = user) -> Response:
        """Mouth cues of a recording, sent as a file or uploaded before. 504 with a poll_url where it takes longer than
        SYNC_TIMEOUT_SECONDS: it goes on, and the cues are in the render that is there."""
        started = time.monotonic()
        order = order_of(caller, request)
        if is_form(request):
            name, sound_file, fields = await _take(studio, request, order)
            order = replace(order, requests_per_minute=None)  # charged before the file was taken in
        else:
            fields = LipSyncBody.read(await _json(request, max_json_bytes))
            name = sound_file = fields.audio_filename
        result = await studio.speak(fields.to_request(name), order)
        return _answer(result, fields.format, sound_file, (time.monotonic() - started) * 1000)

    return routes


async def _take(studio: Studio, request: Request, order: Order) -> tuple[str, str, Any]:
    """Keeps the file of a form, whose fields are right in themselves.

    Returns:
        Its name, what its sender calls it, and the fields.
    """
    await studio.jobs.charge(order.owner, order.requests_per_minute)
    async with studio.intake.turn(), form_of(request) as form:
        if "audio_filename" in form.fields:
            raise BadInput(
                "audio_filename: a form brings its file along.", hint="Send the name as JSON, not as a form."
            )
        fields = LipSyncFields.read(form.fields)
        fields.to_request("")
        known = await studio.intake.take_audio(form.file)
        sent_as = (form.file.filename or known["filename"])[:_MAX_NAME]
    return known["filename"], sent_as, fields


async def _json(request: Request, most_bytes: int) -> bytes:
    """The body: the address takes longer ones, for files."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most_bytes:
            raise BodyTooLarge("The body of the request is too large.", hint=f"Send at most {most_bytes} bytes.")
    return bytes(content)


def _answer(result: RenderResult, format: Format, sound_file: str, processing_time_ms: float) -> Response:
    cues = result.mouth_cues
    if format == "tsv":
        return Response(rhubarb_file.tsv_file(cues, result.duration_ms), media_type=_TSV)
    if format == "rhubarb":
        content = rhubarb_file.json_file(cues, result.duration_ms, sound_file)
    else:
        content = LipSyncResponse.of(result, processing_time_ms).model_dump_json()
    return Response(content, media_type="application/json")


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {_TSV: {}}, "description": "Cues, in the format asked for."}
}


def _bodies() -> dict[str, Any]:
    """Both kinds, for the documentation."""
    properties = LipSyncFields.model_json_schema(by_alias=False)["properties"]
    form = form_body("file", {**properties, "dialog": {"type": "string", "description": "The same as text."}})
    body = LipSyncBody.model_json_schema(by_alias=False)
    form["requestBody"]["content"]["application/json"] = {"schema": body}
    return form
