"""Jobs: handing in while renders run, events to their listeners, what open sockets cost, how soon a cancel frees."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from websockets.asyncio.client import ClientConnection, connect

from .server import running

ASYNC = "/v1/avatar/render_async"
RATE, SECONDS = 300, 10
"""Jobs a second, and for how long."""
CONNECTIONS = 32
SOCKETS = 200
LONG = " ".join(f"This is sentence number {number} of a text that takes a while." for number in range(60))
RENDERS = 24
CANCELS = 12


def run() -> None:
    """Limits: 300 accepted a second, p99 50 ms; event to client p99 100 ms; 200 sockets 10 %; ONNX call + 100 ms."""
    for part in (_submit, _progress, _sockets, _cancel):
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as name,
            running(Path(name), MAX_TTS_WORKERS="1") as (client, _),
        ):
            asyncio.run(_with_client(part, client.base_url))


async def _with_client(part: Callable[[httpx.AsyncClient], Awaitable[None]], base_url: httpx.URL) -> None:
    async with httpx.AsyncClient(base_url=base_url, timeout=60, trust_env=False) as client:
        await part(client)


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def _p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * len(values))]


async def _submit(client: httpx.AsyncClient) -> None:
    """On a schedule, whatever the answers take: what is late counts from when it was due."""
    due: asyncio.Queue[tuple[int, float] | None] = asyncio.Queue()
    took: list[float] = []
    senders = [asyncio.create_task(_hand_in(client, due, took)) for _ in range(CONNECTIONS)]
    started = time.monotonic()
    for number in range(RATE * SECONDS):
        at = started + number / RATE
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        due.put_nowait((number, at))
    for _ in senders:
        due.put_nowait(None)
    await asyncio.gather(*senders)
    rate, p99 = len(took) / (time.monotonic() - started), _p99(took) * 1000
    print(f"   {len(took)} jobs handed in, {rate:.0f} a second (limit {RATE}: {_verdict(rate > 0.97 * RATE)})", end="")
    print(f"; p50 {statistics.median(took) * 1000:.1f} ms, p99 {p99:.1f} ms (limit 50: {_verdict(p99 <= 50)})", end="")
    print(f"; {(await client.get('/health')).json()['pending_jobs']} left to do")


async def _hand_in(client: httpx.AsyncClient, due: asyncio.Queue[tuple[int, float] | None], took: list[float]) -> None:
    """Over one bare connection: a client library takes as long as the server, on the same cores."""
    line = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    while (task := await due.get()) is not None:
        number, at = task
        try:
            await _hand_in_one(*line, number)
        except (asyncio.IncompleteReadError, ConnectionError):  # HAProxy was told of replicas: it closes what is idle
            line = await asyncio.open_connection(client.base_url.host, client.base_url.port)
            await _hand_in_one(*line, number)
        took.append(time.monotonic() - at)
    line[1].close()


async def _hand_in_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    body = json.dumps({"text": f"This is job number {number} of a long queue.", "priority": "low"})
    head = ("Host: bench", "Content-Type: application/json", f"Content-Length: {len(body)}")
    writer.write("\r\n".join((f"POST {ASYNC} HTTP/1.1", *head, "", body)).encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 202"), answer
    length = re.search(rb"content-length: *([0-9]+)", answer, re.IGNORECASE)
    assert length is not None
    await reader.readexactly(int(length[1]))


async def _progress(client: httpx.AsyncClient) -> None:
    """From asking for a cancel to its event at a listener, while others render: HTTP and writing it down included."""
    first = [
        (await client.post(ASYNC, json={"text": f"{number}. {LONG}", "cache": "bypass"})).json() for number in range(10)
    ]
    delays = [await _event_after_cancel(client, number) for number in range(100)]
    await _cancel_all(client, [job["job_id"] for job in first])
    print(f"   an event at its listener while 10 jobs render: p50 {statistics.median(delays) * 1000:.1f} ms", end="")
    print(f", p99 {_p99(delays) * 1000:.1f} ms, asking for it included (limit 100: {_verdict(_p99(delays) <= 0.1)})")


async def _event_after_cancel(client: httpx.AsyncClient, number: int) -> float:
    job = (await client.post(ASYNC, json={"text": f"{number} waits.", "priority": "low"})).json()
    async with connect(job["ws_url"]) as socket:
        await socket.recv()
        asked = time.monotonic()
        reply = await client.delete(f"/jobs/{job['job_id']}/cancel")
        assert reply.status_code == 200, reply.text
        async for frame in socket:
            if json.loads(frame).get("status") == "cancelled":
                return time.monotonic() - asked
    raise AssertionError("the socket closed without the last event")


async def _sockets(client: httpx.AsyncClient) -> None:
    """The same renders with and without two hundred listeners, in turn."""
    watched = [
        (await client.post(ASYNC, json={"text": f"{each}. {LONG}", "priority": "low"})).json() for each in range(2)
    ]
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(RENDERS):
        listened = number % 2 == 1
        sockets = [await connect(watched[each % 2]["ws_url"]) for each in range(SOCKETS)] if listened else []
        readers = [asyncio.create_task(_read(socket)) for socket in sockets]
        await asyncio.sleep(0.5)
        started = time.monotonic()
        reply = await _render(client, f"Number {number} is rendered while {SOCKETS} look on.")
        times[listened].append(time.monotonic() - started)
        assert reply.status_code == 200, reply.text
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*(socket.close() for socket in sockets))
    await _cancel_all(client, [job["job_id"] for job in watched])
    without, with_them = (statistics.median(times[listened]) * 1000 for listened in (False, True))
    more = with_them / without - 1
    print(f"   a render while a long one is at work: {without:.0f} ms, with {SOCKETS} open sockets", end="")
    print(f" {with_them:.0f} ms = {more:+.0%} (limit +10 %: {_verdict(more <= 0.1)})")


async def _render(client: httpx.AsyncClient, text: str) -> httpx.Response:
    return await client.post("/v1/avatar/render", json={"text": text, "cache": "bypass"})


async def _read(socket: ClientConnection) -> None:
    async for _ in socket:
        pass


async def _cancel_all(client: httpx.AsyncClient, job_ids: list[str]) -> None:
    for job_id in job_ids:
        await client.delete(f"/jobs/{job_id}/cancel")


async def _cancel(client: httpx.AsyncClient) -> None:
    """How much longer than on an idle server the next render takes: it waits for the call that nothing interrupts."""
    idle = statistics.median([await _took(client, f"{number} is short.") for number in range(8)])
    call = max([await _took(client, f"{LONG.split('.')[0]} {number}.") for number in range(8)])
    waits, spoken = [], 0.0
    for number in range(CANCELS):
        job = (await client.post(ASYNC, json={"text": f"{number}. {LONG}", "cache": "bypass"})).json()
        async with connect(job["ws_url"]) as socket:
            while json.loads(await socket.recv())["stage"] != "tts":
                pass
        reply = await client.delete(f"/jobs/{job['job_id']}/cancel")
        assert reply.status_code == 200
        waits.append(max(0.0, await _took(client, f"{number} comes next.") - idle))
        await asyncio.sleep(1)  # the numbers of a moment ago are given again
        before = await _calls(client)
        await asyncio.sleep(2)
        spoken += await _calls(client) - before
    p99 = _p99(waits) * 1000
    print(
        f"   after a cancel the next render waits p50 {statistics.median(waits) * 1000:.0f} ms, p99 {p99:.0f} ms",
        end="",
    )
    print(f" (limit: a call, up to {call * 1000:.0f}, + 100 ms: {_verdict(p99 <= call * 1000 + 100)})", end="")
    print(f"; {spoken:.0f} sentences were spoken after it (limit 0)")


async def _took(client: httpx.AsyncClient, text: str) -> float:
    started = time.monotonic()
    reply = await _render(client, text)
    assert reply.status_code == 200, reply.text
    return time.monotonic() - started


async def _calls(client: httpx.AsyncClient) -> float:
    """Sentences that the server has spoken."""
    text = (await client.get("/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith('avatar_stage_seconds_count{stage="tts"}')]
    return float(line.split()[-1])
