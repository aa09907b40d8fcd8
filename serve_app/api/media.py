"""/audio: the sound of a render, whole or in parts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from deployments.core.errors import NotFound

from ..studio import Studio
from .error_schemas import errors

_AUDIO_TYPES = {"ogg": "audio/ogg; codecs=opus", "wav": "audio/wav"}
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


def router(studio: Studio) -> APIRouter:
    """
    Args:
        studio: has the results.
    """
    routes = APIRouter(tags=["media"])

    @routes.get("/audio/{render_id}.{extension}", response_class=Response, responses=media_responses(_AUDIO_TYPES))
    @routes.head("/audio/{render_id}.{extension}", include_in_schema=False)
    async def audio(render_id: str, extension: str, request: Request) -> Response:
        """The sound of a render: .ogg (Opus) or .wav. Understands Range."""
        return await file_response(studio, request, render_id, "audio", extension, _AUDIO_TYPES)

    return routes


def media_responses(types: Mapping[str, str]) -> dict[int | str, dict[str, Any]]:
    """Documentation of what `file_response` answers.

    Args:
        types: extension -> Content-Type.
    """
    content: dict[str, Any] = {"content": {media_type.partition(";")[0]: {} for media_type in types.values()}}
    return {
        200: {"description": "The file.", **content},
        206: {"description": "The part that Range asks for.", **content},
        304: {"description": "The client has it: If-None-Match names its ETag."},
        416: {"description": "Nothing of what Range asks for is there; Content-Range says how much is."},
        **errors(404),
    }


async def file_response(
    studio: Studio, request: Request, render_id: str, stem: str, extension: str, types: Mapping[str, str]
) -> Response:
    """A file of a result, or the part that a Range header asks for (RFC 9110, one range).

    Raises:
        NotFound: no such render or no such type.
    """
    if extension not in types:
        raise NotFound(f"There is no .{extension[:20]} of a render.", hint=f"There are: .{', .'.join(types)}.")
    name = f"{stem}.{extension}"
    file = await asyncio.to_thread(studio.results.find, render_id, name)
    size = file.size_bytes
    # The content of a render never changes: its ID is its version.
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{render_id}"', "Cache-Control": "private, max-age=86400, immutable"}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    # Other units and several ranges are passed over, as RFC 9110 allows: the whole file is always a right answer.
    wanted = match if match and (match[1] or match[2]) else None
    part = _part(wanted[1], wanted[2], size) if wanted else (0, size)
    if part is None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    start, length = part
    headers["Content-Length"] = str(length)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    status = 206 if wanted else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=types[extension])
    return StreamingResponse(file.read(start, length), status, headers, media_type=types[extension])


def _part(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Start and length of the range, or None when nothing of it is there."""
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
    return (start, end - start + 1) if start <= end else None
