"""Progress of a job, by WebSocket and as server-sent events.

Who has the ID may watch: browsers cannot send keys here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, WebSocket, WebSocketDisconnect
from starlette.responses import StreamingResponse

from deployments.core.errors import AvatarError, NotFound, Unavailable
from deployments.jobs.contract import Event

from ..order import Order
from ..studio import Studio
from .error_schemas import errors

_HEARTBEAT_S = 15.0
"""Proxies commonly cut what is silent for 30 or 60 s."""
_MOST_STREAMS = 600
"""For one ingress replica, sync renders included: each holds one of its INGRESS_MAX_ONGOING places."""
_NOT_FOUND = 4404
"""Close code of a WebSocket, in the range for applications (RFC 6455): there is no such job."""
_TRY_AGAIN = 1013
"""Registered as "Try again later"."""
_STREAM: dict[str, Any] = {"description": "One event for each step.", "content": {"text/event-stream": {}}}
_LastSeq = Annotated[int, Query(ge=0, le=2**53, description="Number of the last event that was seen.")]


def router(studio: Studio) -> APIRouter:
    """
    Args:
        studio: has the jobs.
    """
    routes = APIRouter(tags=["jobs"])

    @routes.get("/jobs/{job_id}/events", response_class=StreamingResponse, responses={200: _STREAM, **errors(404)})
    async def events(
        job_id: str,
        last_seq: _LastSeq = 0,
        last_event_id: Annotated[str | None, Header(description="Sent by browsers that reconnect.")] = None,
    ) -> StreamingResponse:
        """Server-sent events: one for each step, from the first that was not seen on; ends with the job."""
        if last_event_id and last_event_id.isascii() and last_event_id.isdigit():
            last_seq = max(last_seq, int(last_event_id[:16]))
        await _check(studio, job_id)  # 404 instead of an empty stream
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter for nginx
        return StreamingResponse(_sse(studio, job_id, last_seq), headers=headers, media_type="text/event-stream")

    @routes.websocket("/ws/progress/{job_id}")
    async def progress(socket: WebSocket, job_id: str) -> None:
        """The same as text frames of JSON; {"type": "ping"} while nothing happens."""
        await socket.accept()
        seen = socket.query_params.get("last_seq", "0")
        last_seq = int(seen[:16]) if seen.isascii() and seen.isdigit() else 0
        sending = asyncio.ensure_future(_send(socket, studio, job_id, last_seq))
        # The only way to notice that the client has left while nothing happens.
        hearing = asyncio.ensure_future(_hear(socket))
        try:
            await asyncio.wait([sending, hearing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            hearing.cancel()
            sending.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)

    return routes


async def _check(studio: Studio, job_id: str) -> None:
    if studio.jobs.listeners >= _MOST_STREAMS:
        raise Unavailable("too many progress streams", hint="Poll the job instead, or try again later.")
    await studio.job(job_id, Order())


async def _send(socket: WebSocket, studio: Studio, job_id: str, last_seq: int) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: sent after the client's close
        try:
            await _check(studio, job_id)
            async for event in _steps(studio, job_id, last_seq):
                await socket.send_text(_json(event) if event else '{"type": "ping"}')
            await socket.close()
        except NotFound as error:
            await socket.close(_NOT_FOUND, str(error)[:120])  # a close frame holds 123 bytes
        except AvatarError:
            await socket.close(_TRY_AGAIN, "Try again with last_seq.")


async def _hear(socket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass


async def _sse(studio: Studio, job_id: str, last_seq: int) -> AsyncIterator[str]:
    try:
        async for event in _steps(studio, job_id, last_seq):
            yield f"id: {event.seq}\ndata: {_json(event)}\n\n" if event else ": ping\n\n"
    except AvatarError:  # the browser reconnects by itself, with the last ID that it saw
        return


async def _steps(studio: Studio, job_id: str, last_seq: int) -> AsyncGenerator[Event | None, None]:
    """Events; None when nothing has happened for a while."""
    async with contextlib.aclosing(studio.jobs.watch(job_id, last_seq)) as updates:
        coming = asyncio.ensure_future(anext(updates))
        try:
            while True:
                done, _ = await asyncio.wait([coming], timeout=_HEARTBEAT_S)
                if not done:
                    yield None
                    continue
                try:
                    update = coming.result()
                except StopAsyncIteration:
                    return
                for event in update.events:
                    yield event
                coming = asyncio.ensure_future(anext(updates))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


def _json(event: Event) -> str:
    return json.dumps(asdict(event), ensure_ascii=False)
