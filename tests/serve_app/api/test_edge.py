"""Limits of size and CORS, in front of a small application; where sockets matter, behind a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, WebSocket
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from serve_app.api import edge, errors
from serve_app.api.edge import BodyLimit, HeaderLimit
from tests.ports import free_port

LIMIT = 1000
LARGER = {"/upload/": 5000, "/upload/small/": 50}
PAGE = "https://page.example"
JSON = {"Content-Type": "application/json"}


class Line(BaseModel):
    text: str


def application(origins: Sequence[str] = ()) -> FastAPI:
    """Both ways of reading a body, by FastAPI and by the route."""
    app = FastAPI()
    errors.install(app)
    edge.install(app, cors_origins=origins, body_bytes=LIMIT, larger_bodies=LARGER)

    @app.post("/json")
    async def parsed(line: Line) -> int:
        return len(line.text)

    @app.post("/stream")
    @app.post("/upload/stream")
    @app.post("/upload/small/stream")
    async def streamed(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @app.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    return app


def client(origins: Sequence[str] = ()) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application(origins)), base_url="http://edge")


async def chunks(size: int, step: int = 100) -> AsyncIterator[bytes]:
    """A body whose length no header tells."""
    for start in range(0, size, step):
        yield b"x" * min(step, size - start)


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """Checks the words of a refusal; its hint."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"} and error["code"] == code and error["message"]
    hint: str = error["hint"]
    return hint


async def test_what_is_within_the_limits_passes() -> None:
    async with client() as http:
        body = json.dumps({"text": "x" * (LIMIT - 12)})
        assert len(body) == LIMIT
        assert (await http.post("/json", content=body, headers=JSON)).json() == LIMIT - 12
        assert (await http.post("/stream", content=chunks(LIMIT))).json() == LIMIT
        assert (await http.post("/upload/stream", content=chunks(4000))).json() == 4000


@pytest.mark.parametrize(
    ("path", "limit"),
    [("/json", LIMIT), ("/stream", LIMIT), ("/nowhere", LIMIT), ("/upload/stream", 5000), ("/upload/small/stream", 50)],
)
@pytest.mark.parametrize("known", [True, False], ids=["length told", "chunked"])
async def test_a_body_that_is_too_long_is_413(path: str, limit: int, known: bool) -> None:
    async with client() as http:
        answer = await http.post(path, content=b"x" * (limit + 1) if known else chunks(limit + 1))
    if path == "/nowhere" and not known:
        assert answer.status_code == 404  # nobody read it
    else:
        assert str(limit) in refused(answer, 413, "body_too_large")


@pytest.mark.parametrize("length", ["9" * 18, "9" * 5000], ids=["long", "longer than Python reads"])
async def test_a_body_is_refused_by_its_length_before_any_of_it_is_read(length: str) -> None:
    async def unread() -> Message:
        pytest.fail("the body was asked for")

    sent = await call(BodyLimit(application()), [(b"content-length", length.encode())], unread)
    assert sent[0]["status"] == 413


@pytest.mark.parametrize("length", [b"-5", b"\xff", b"1.5", b"", b"3"])
async def test_what_comes_counts_whatever_its_length_was_said_to_be(length: bytes) -> None:
    coming = [b"x" * 600, b"y" * 600]

    async def receive() -> Message:
        return {"type": "http.request", "body": coming.pop(0), "more_body": True}

    sent = await call(application(), [(b"content-length", length)], receive)
    assert sent[0]["status"] == 413


async def call(
    app: Any, headers: list[tuple[bytes, bytes]], receive: Receive, root_path: str = "", **scope: Any
) -> list[Message]:
    """What an ASGI application sends for a POST to /stream."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asked: Scope = {
        "type": "http",
        "method": "POST",
        "path": f"{root_path}/stream",
        "query_string": b"",
        "root_path": root_path,
        "headers": headers,
        **scope,
    }
    await app(asked, receive, send)
    return sent


async def test_the_limit_belongs_to_the_path_below_the_applications_own() -> None:
    limited = BodyLimit(application(), LIMIT, {"/stream": 1})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"xx", "more_body": False}

    assert (await call(limited, [], receive, root_path="/avatar"))[0]["status"] == 413


async def test_a_client_that_really_left_is_no_413() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await call(BodyLimit(app), [], receive)


async def test_an_answer_that_has_begun_is_cut_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        first, second = await receive(), await receive()
        assert {first["type"], second["type"]} == {"http.disconnect"}
        await send({"type": "http.response.body", "body": b"never"})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"xx", "more_body": True}

    assert [message["type"] for message in await call(BodyLimit(app, 1), [], receive)] == ["http.response.start"]


@pytest.mark.parametrize(
    "headers",
    [{f"x-{number}": "" for number in range(65)}, {"cookie": "x" * 12_289}],
    ids=["many", "long"],
)
async def test_headers_that_are_too_large_are_431(headers: Mapping[str, str]) -> None:
    async with client() as http:
        hint = refused(await http.post("/json", json={"text": "x"}, headers=headers), 431, "headers_too_large")
        assert "64" in hint and "12288" in hint
        assert (await http.post("/json", json={"text": "x"}, headers={"cookie": "x" * 12_000})).status_code == 200


async def test_a_socket_is_closed_where_the_server_cannot_refuse_it() -> None:
    async def receive() -> Message:
        return {"type": "websocket.connect"}

    closed = await call(HeaderLimit(application(), most=0), [(b"a", b"")], receive, type="websocket")
    assert closed == [{"type": "websocket.close", "code": 1008, "reason": "The headers are too large."}]


async def test_the_servers_own_events_pass() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        pytest.fail("nobody speaks")

    await HeaderLimit(BodyLimit(app))({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]


async def test_other_pages_are_not_let_in_unless_asked_for() -> None:
    async with client() as http:
        answer = await http.post("/json", json={"text": "x"}, headers={"Origin": PAGE})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(("origins", "allowed"), [((PAGE,), PAGE), (("*",), "*")])
async def test_pages_of_the_listed_origins_read_answers_and_refusals(origins: Sequence[str], allowed: str) -> None:
    async with client(origins) as http:
        for content, headers, status in (
            (b'{"text": "x"}', {}, 200),
            (b"{}", {}, 422),
            (b"x" * 2000, {}, 413),
            (chunks(2000), {}, 413),
            (b"{}", {"cookie": "x" * 13_000}, 431),
        ):
            answer = await http.post("/json", content=content, headers={"Origin": PAGE, **JSON, **headers})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == allowed
            assert set(answer.headers["access-control-expose-headers"].split(", ")) == {
                "Retry-After",
                "ETag",
                "Content-Range",
            }
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(("origin", "status"), [(PAGE, 200), ("https://else.example", 400)])
async def test_a_browser_may_ask_what_it_may_send(origin: str, status: int) -> None:
    wanted = "authorization, x-api-key, idempotency-key, content-type, last-event-id"
    async with client([PAGE]) as http:
        asking = {
            "Origin": origin,
            "Access-Control-Request-Method": "DELETE",
            "Access-Control-Request-Headers": wanted,
        }
        answer = await http.options("/json", headers=asking)
    assert answer.status_code == status
    assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 else None)


@contextlib.asynccontextmanager
async def served(http: Literal["h11", "httptools"]) -> AsyncIterator[int]:
    """The application behind a real server; its port."""
    port = free_port()
    config = uvicorn.Config(application(), host="127.0.0.1", port=port, http=http, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # it tells nobody
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await running


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("known", [True, False], ids=["length told", "chunked"])
async def test_a_real_client_reads_the_refusal_and_its_connection_lives_on(
    http: Literal["h11", "httptools"], known: bool
) -> None:
    size = 3 * 2**20  # more than the buffers of both sockets
    async with served(http) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for _ in range(3):
            body = b"x" * size if known else chunks(size, 2**16)
            refused(await client.post("/json", content=body), 413, "body_too_large")
            assert (await client.post("/json", json={"text": "still here"})).json() == 10


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_a_client_that_waits_to_be_asked_sends_nothing(http: Literal["h11", "httptools"]) -> None:
    async with served(http) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /json HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n")
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        await writer.wait_closed()


async def test_a_real_socket_with_headers_that_are_too_large_is_refused_with_the_reason() -> None:
    async with served("httptools") as port:
        async with connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as socket:
            assert await socket.recv() == "hello"
        with pytest.raises(InvalidStatus) as refusal:
            await connect(f"ws://127.0.0.1:{port}/ws", proxy=None, additional_headers={f"x-{n}": "" for n in range(64)})
    assert refusal.value.response.status_code == 431
    assert json.loads(refusal.value.response.body or b"")["error"]["code"] == "headers_too_large"
