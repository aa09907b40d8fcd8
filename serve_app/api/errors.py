"""Errors to HTTP, in one place: {"error": {"code", "message", "hint"}}."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from deployments.core.errors import AvatarError, StillRunning, TooManyRequests, Unauthorized

from .bodies import TEXT_HINT

logger = logging.getLogger("ray.serve")


def install(app: FastAPI) -> None:
    """Registers all handlers."""
    app.add_exception_handler(AvatarError, _avatar_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _nobody)
    app.add_exception_handler(Exception, _unexpected)


def refusal(error: AvatarError) -> JSONResponse:
    """The answer to a request that is refused.

    Args:
        error: a 4xx: what it says is shown to the client.
    """
    return _answer(error.status, error.code, str(error), error.hint, _headers(error))


def _headers(error: AvatarError) -> dict[str, str] | None:
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}  # RFC 9110: whole seconds
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else None


def _answer(
    status: int, code: str, message: str, hint: str | None, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "hint": hint}}, status, headers)


async def _avatar_error(request: Request, error: Exception) -> JSONResponse:
    # An error from another replica comes as Ray's subclass of it, whose text is a traceback: the cause is the original.
    original = getattr(error, "cause", error)
    assert isinstance(original, AvatarError)
    if original.status < 500:
        return refusal(original)
    if isinstance(original, StillRunning):
        return _still_running(request, original)
    logger.error("request %s: %s: %s", _request_id(request), type(original).__name__, original)
    return _answer(original.status, original.code, original.public, original.hint or _where(request))


def _still_running(request: Request, error: StillRunning) -> JSONResponse:
    poll_url = f"{str(request.base_url).rstrip('/')}/v1/avatar/render/{error.render_id}"
    detail = {"code": error.code, "message": str(error), "hint": error.hint}
    content = {"error": {**detail, "render_id": error.render_id, "poll_url": poll_url}}
    return JSONResponse(content, error.status, {"Location": poll_url})


async def _nobody(_request: Request, _error: Exception) -> Response:
    """The client left in the middle of its body: that is no fault of the server, and nobody reads the answer."""
    return Response(status_code=408)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("request %s failed", _request_id(request), exc_info=error)
    return _answer(500, AvatarError.code, AvatarError.public, _where(request))


def _where(request: Request) -> str:
    return f"The log has the details under request id {_request_id(request)}."


def _request_id(request: Request) -> str:
    # Serve makes one where the client sent none, and puts it into the log lines of every stage.
    return request.headers.get("x-request-id", "unknown")


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # FastAPI's word for bytes that no JSON parser takes: bad UTF-8, endless nesting
        return _answer(422, "invalid_request", "The body is not valid JSON.", _BODY_HINT)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    hint = "GET /docs lists what the server answers to." if error.status_code in {404, 405} else None
    headers = dict(error.headers) if error.headers else None
    if error.status_code == 405:
        headers = {"Allow": ", ".join(_methods(request))}
    return _answer(error.status_code, code, str(error.detail), hint, headers)


def _methods(request: Request) -> list[str]:
    """What the address takes (RFC 9110, Allow): FastAPI names the methods of the first of its routes alone."""
    routes: Sequence[BaseRoute] = request.app.router.routes
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "POST")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems: Sequence[dict[str, Any]] = error.errors()
    message = " ".join(_in_words(problem) for problem in problems[:5])
    return _answer(422, "invalid_request", message, _hint(request, problems[0]))


def _in_words(problem: dict[str, Any]) -> str:
    field = _field(problem)
    if problem["type"] == "json_invalid":
        return "The body is not valid JSON."
    if problem["type"] == "extra_forbidden":
        return f"{field}: there is no such field."
    if problem["type"] == "missing":
        return f"{field}: is required."
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{field}: {text[:1].lower()}{text[1:]}."


def _field(problem: dict[str, Any]) -> str:
    # Names come from the client: shortened, and lone surrogates made harmless, so that the answer can be sent.
    location = ".".join(str(part) for part in problem["loc"][1:]) or "body"
    return location.encode("utf-8", "replace").decode()[:100]


_BODY_HINT = 'Send a JSON object such as {"text": "Hello"} with Content-Type: application/json.'
_RENDER_HINTS = {
    "text": TEXT_HINT,
    "audio_filename": "audio_filename is the filename of the answer to POST /upload/audio.",
    "language": "language is a code such as en_US or de.",
    "lipsync": "Allowed: auto, phonemes, align, recognize, rhubarb.",
    "speed": "speed is a number from 0.5 to 2.0.",
    "voice_id": "voice_id is a name from GET /v1/voices.",
    "speaker": "speaker is a name or number, as text.",
    "voice": 'voice is {"engine": "world", "pitch_semitones": -24 to 24, "formant": 0.5 to 2} or {"engine": "rvc"…}.',
    "viseme_set": "Allowed: basic, oculus, azure, rhubarb, arkit.",
    "timing": "Allowed: natural, exact.",
    "cache": "Allowed: use, bypass, refresh.",
    "priority": "Allowed: high, normal, low.",
    "callback_url": "callback_url is an http or https address of at most 2048 characters.",
}
_LIPSYNC_HINTS = {
    **{name: _RENDER_HINTS[name] for name in ("audio_filename", "text", "language", "lipsync", "viseme_set", "timing")},
    "dialog": "dialog is another name of text.",
    "format": "Allowed: json, rhubarb, tsv.",
    "cache": _RENDER_HINTS["cache"],
}
_SPEECH_HINTS = {
    "input": "input is plain text of 1 to 5000 characters.",
    "model": "Allowed are the names of GET /v1/models, such as tts-1; all are the same.",
    "voice": "voice is a name from GET /v1/voices, or one of OpenAI's, such as alloy.",
    "response_format": "Allowed: wav, mp3, opus, flac, pcm.",
    "speed": "speed is a number from 0.25 to 4.0.",
    "stream_format": "Allowed: audio, sse.",
    "instructions": "instructions is text of at most 5000 characters.",
}
_QUERY_HINTS = {
    "status": "Allowed: pending, processing, completed, failed, cancelled.",
    "limit": "limit is a number from 1 to 200.",
    "cursor": "cursor is the next_cursor of the part before.",
    "last_seq": "last_seq is the seq of the last event that was seen; 0 for all.",
}
_HINTS = {"/v1/audio/speech": _SPEECH_HINTS, "/v1/avatar/lipsync": _LIPSYNC_HINTS}
"""End of an address -> field -> what it takes."""


def _hint(request: Request, problem: dict[str, Any]) -> str:
    where, *path = problem["loc"]
    own = next((hints for end, hints in _HINTS.items() if request.scope["path"].endswith(end)), _RENDER_HINTS)
    hints = _QUERY_HINTS if where == "query" else own
    if problem["type"] == "extra_forbidden" and len(path) == 1:
        return f"Allowed fields: {', '.join(hints)}."
    # The first name alone: behind it there may be the branches of a union.
    return hints.get(str(path[0]) if path else "", _BODY_HINT)
