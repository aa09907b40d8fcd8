"""What an error adds to its answer."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from deployments.core.errors import (
    AvatarError,
    Conflict,
    NotFound,
    QueueFull,
    RateLimited,
    TooManyJobs,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from serve_app.api import errors


async def answer_to(error: AvatarError) -> httpx.Response:
    app = FastAPI()
    errors.install(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as http:
        return await http.get("/")


@pytest.mark.parametrize("kind", [TooManyRequests, QueueFull, RateLimited, TooManyJobs])
@pytest.mark.parametrize(("wait_s", "header"), [(2, "2"), (0, "1"), (0.01, "1"), (7.2, "8"), (3600, "3600")])
async def test_too_much_says_when_to_come_again(kind: type[TooManyRequests], wait_s: float, header: str) -> None:
    answer = await answer_to(kind("Too much.", hint="Wait.", retry_after_s=wait_s))
    assert answer.status_code == 429 and answer.headers["retry-after"] == header
    assert answer.json() == {"error": {"code": kind.code, "message": "Too much.", "hint": "Wait."}}


async def test_a_key_is_asked_for_in_the_words_of_http() -> None:
    answer = await answer_to(Unauthorized("Who?"))
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("error", [Conflict("It has ended."), NotFound("No."), Unavailable("Down.")])
async def test_others_add_no_header(error: AvatarError) -> None:
    answer = await answer_to(error)
    assert answer.status_code == error.status and set(answer.headers) == {"content-length", "content-type"}
