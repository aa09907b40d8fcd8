"""HTTP bodies of errors, and what the documentation says of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class ErrorDetail(BaseModel):
    """What went wrong and what to do."""

    code: str
    message: str
    hint: str | None = None
    render_id: str | None = Field(default=None, description="Of a render that goes on although nobody waits any more.")
    poll_url: str | None = Field(default=None, description="Where to ask for it.")


class ErrorBody(BaseModel):
    """Every answer that is not 2xx."""

    error: ErrorDetail


def _error(description: str) -> dict[str, Any]:
    return {"model": ErrorBody, "description": description}


_ERRORS = {
    401: _error("An API key is needed."),
    403: _error("The API key does not allow this."),
    404: _error("There is no such thing, or it has expired."),
    408: _error("The body did not come in time."),
    409: _error("The job has ended."),
    413: _error("The body is too large."),
    422: _error("The request cannot be served as it is; the hint says what to do."),
    429: _error("Too much at once; Retry-After says when to try again."),
    431: _error("The headers are too large."),
    500: _error("Something failed inside the server."),
    503: _error("A part of the server is starting or restarting."),
    504: _error("The render took longer than the server allows."),
    507: _error("The result cannot be stored."),
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of what a route answers besides its success: these, and what every route may answer.

    422 is among the latter: left out, FastAPI would describe it as one of its own.
    """
    return {status: _ERRORS[status] for status in sorted({*statuses, 422, 431, 500, 503})}
