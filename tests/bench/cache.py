"""What the cache costs and saves: hits against a no-op route and against computing, after a restart, many at once."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from .server import running, timed_ms

RENDER = "/v1/avatar/render"
TEXT = "The quick brown fox jumps over the lazy dog, and then it goes home to have a well deserved dinner."
"""Five seconds of speech."""
ROUNDS = 200
COMPUTED = 15
CLIENTS, EACH = 16, 100
TEXTS = [
    f"This is the {number}th of many sentences, and it takes about five seconds to speak it." for number in range(20)
]


def run() -> None:
    """Limits: no-op + 3 ms; 100 times faster than computing; 300 a second; one of 200; level 2 within 25 ms."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with running(folder) as (client, _):
            _hits(client)
            _by_stage(client)
            asyncio.run(_many(client))
            for text in TEXTS:
                timed_ms(client, "POST", RENDER, json={"text": text})
            level_1 = _median_of_texts(client, viseme_set="oculus")  # not among the answers: from the object store
        with running(folder) as (client, _):
            timed_ms(client, "POST", RENDER, json={"text": TEXT})
            level_2 = _median_of_texts(client)
            answers = _median_of_texts(client)
    more = level_2 - answers
    print(f"   {len(TEXTS)} texts, p50: answers of the ingress {answers:.1f} ms, object store {level_1:.1f} ms", end="")
    print(f", files after a restart {level_2:.1f} ms = +{more:.1f} (limit 25: {_verdict(more <= 25)})")


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def _hits(client: httpx.Client) -> None:
    """Interleaved, so that other load on the machine hits all."""
    first = client.post(RENDER, json={"text": TEXT}).json()
    computed = [timed_ms(client, "POST", RENDER, json={"text": TEXT, "cache": "bypass"}) for _ in range(COMPUTED)]
    empty, hits = [], []
    for _ in range(ROUNDS):
        empty.append(timed_ms(client, "GET", "/health"))
        hits.append(timed_ms(client, "POST", RENDER, json={"text": TEXT}))
    miss, no_op, hit = statistics.median(computed), statistics.median(empty), statistics.median(hits)
    seconds, more = first["duration_ms"] / 1000, hit - no_op
    print(f"   {seconds:.1f} s of speech, p50 of {ROUNDS}: no-op {no_op:.2f} ms, cached {hit:.2f} ms", end="")
    print(f" = +{more:.2f} (limit 3: {_verdict(more <= 3)})")
    print(f"   computed {miss:.0f} ms: {miss / hit:.0f} times as long (limit 100: {_verdict(miss / hit >= 100)})")


def _by_stage(client: httpx.Client) -> None:
    """Changing an option runs the stages behind it alone."""
    for change in ({"viseme_set": "oculus"}, {"timing": "exact"}, {"speed": 1.05}):
        timings = client.post(RENDER, json={"text": TEXT, **change}).json()["timings"]
        ran = {stage: each["calls"] - each["cached"] for stage, each in timings.items()}
        print(f"   {change}: ran {ran}")


async def _many(client: httpx.Client) -> None:
    fresh = "Nobody has ever said this sentence before, two hundred times at once."
    bodies = await asyncio.gather(*(_ask(client, _post(fresh), 1) for _ in range(200)))
    computed = [json.loads(body)["cached"] for body in bodies].count(False)
    print(f"   200 equal requests at once: {computed} computed (limit 1), {len(bodies)} answered")
    no_op = await _rate(client, b"GET /health HTTP/1.1\r\nHost: bench\r\n\r\n")
    hits = await _rate(client, _post(TEXT))
    print(f"   {CLIENTS} clients: {hits:.0f} cached renders a second (limit 300: {_verdict(hits >= 300)})", end="")
    print(f", {no_op:.0f} no-ops")


async def _rate(client: httpx.Client, request: bytes) -> float:
    """Requests a second."""
    started = time.monotonic()
    await asyncio.gather(*(_ask(client, request, EACH) for _ in range(CLIENTS)))
    return CLIENTS * EACH / (time.monotonic() - started)


def _post(text: str) -> bytes:
    body = json.dumps({"text": text})
    head = ("Host: bench", "Content-Type: application/json", f"Content-Length: {len(body)}")
    return "\r\n".join((f"POST {RENDER} HTTP/1.1", *head, "", body)).encode()


async def _ask(client: httpx.Client, request: bytes, times: int) -> bytes:
    """The last body. Bare sockets: a client library takes as long as the server, on the same cores."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    body = b""
    for _ in range(times):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = re.search(rb"content-length: *([0-9]+)", head, re.IGNORECASE)
        assert length is not None
        body = await reader.readexactly(int(length[1]))
    writer.close()
    return body


def _median_of_texts(client: httpx.Client, **options: str) -> float:
    return statistics.median(timed_ms(client, "POST", RENDER, json={"text": text, **options}) for text in TEXTS)
