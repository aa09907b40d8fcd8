"""Forms whose bodies stop, leave, or hold too much; in front of a small application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from serve_app.api import errors
from serve_app.api.forms import form_of

TYPE = {"Content-Type": "multipart/form-data; boundary=x"}
START = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nsound'
END = b"\r\n--x--\r\n"


def application() -> FastAPI:
    """Gives back what came."""
    app = FastAPI()
    errors.install(app)

    @app.post("/take")
    async def take(request: Request) -> dict[str, Any]:
        async with form_of(request, silent_s=0.2) as form:
            return {"content": (await form.file.read()).decode(), "fields": form.fields}

    return app


async def post(content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application()), base_url="http://form") as http:
        return await http.post("/take", content=content, headers=TYPE)


async def test_a_body_that_comes_in_pieces_is_one() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for byte in START + END:
            yield bytes([byte])
            await asyncio.sleep(0)

    assert (await post(slowly())).json() == {"content": "sound", "fields": {}}


async def test_a_body_that_stops_is_408() -> None:
    async def stops() -> AsyncIterator[bytes]:
        yield START
        await asyncio.sleep(60)

    answer = await post(stops())
    assert answer.status_code == 408
    error = answer.json()["error"]
    assert error["code"] == "too_slow" and "0.2 s" in error["message"] and error["hint"]


async def test_a_client_that_leaves_is_no_failure_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    coming: list[Message] = [{"type": "http.request", "body": START, "more_body": True}, {"type": "http.disconnect"}]
    scope = {"type": "http", "method": "POST", "path": "/take", "query_string": b"", "root_path": ""}
    headers = [(name.lower().encode(), value.encode()) for name, value in TYPE.items()]

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        assert message.get("status", 408) == 408

    await application()({**scope, "headers": headers}, receive, send)
    assert not coming and not caplog.records


def part(name: str, content: bytes, filename: str = "") -> bytes:
    file = f'; filename="{filename}"' if filename else ""
    return b'\r\n--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n' % (name.encode(), file.encode()) + content


async def test_a_field_may_come_as_a_file() -> None:
    sent = await post(START + part("dialog", "\ufeffGrüße.\n".encode(), "take.txt") + END)
    assert sent.json() == {"content": "sound", "fields": {"dialog": "Grüße.\n"}}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (part("dialog", b"\xff\xfe", "take.txt"), "dialog: this file is no text"),
        (part("dialog", b"a" * 32_769, "take.txt"), "dialog: this file is no text"),
        (part("dialog", b"a") + part("dialog", b"b"), "dialog: it is in the form more than once"),
        (part("file", b"more", "b.wav"), "file: it is in the form more than once"),
    ],
)
async def test_what_no_field_can_be_is_422(parts: bytes, message: str) -> None:
    answer = await post(START + parts + END)
    assert answer.status_code == 422
    assert message in answer.json()["error"]["message"] and answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    "content",
    [
        START + END.replace(b"--x--", b"--x") + b"X-A: b\r\n" * 500,
        b"--x\r\n" + b"X-A: " + b"b" * 100_000 + b"\r\n",
        b"--x\r\n" + b"X-A: b\r\n" * 500,
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"v" * 40_000 + END,
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nv\r\n' * 1000 + b"--x--\r\n",
    ],
    ids=["trailing headers", "long header", "many headers", "long field", "many parts"],
)
async def test_bombs_are_422(content: bytes) -> None:
    answer = await post(content)
    assert answer.status_code == 422 and answer.json()["error"]["hint"]
