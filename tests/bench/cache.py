"""What the cache costs and saves: hits against a no-op route and against computing, after a restart, many at once."""

from __future__ import annotations

import asyncio
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
            asyncio.run(_many(str(client.base_url)))
            for text in TEXTS:
                timed_ms(client, "POST", RENDER, json={"text": text})
            level_1 = _median_of_texts(client, viseme_set="oculus")  # not among the answers: from the object store
        with running(folder) as (client, _):
            timed_ms(client, "POST", RENDER, json={"text": TEXT})
            level_2 = _median_of_texts(client)
            answers = _median_of_texts(client)
    print(f"   {len(TEXTS)} texts, p50: answers of the ingress {answers:.1f} ms, object store {level_1:.1f} ms", end="")
    print(
        f", files after a restart {level_2:.1f} ms = +{level_2 - answers:.1f} (limit 25: {_verdict(level_2 - answers <= 25)})"
    )


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
    print(
        f"   {first['duration_ms'] / 1000:.1f} s of speech, p50 of {ROUNDS}: no-op {no_op:.2f} ms, cached {hit:.2f} ms",
        end="",
    )
    print(f" = +{hit - no_op:.2f} (limit 3: {_verdict(hit - no_op <= 3)})")
    print(f"   computed {miss:.0f} ms: {miss / hit:.0f} times as long (limit 100: {_verdict(miss / hit >= 100)})")


def _by_stage(client: httpx.Client) -> None:
    """Changing an option runs the stages behind it alone."""
    for change in ({"viseme_set": "oculus"}, {"timing": "exact"}, {"speed": 1.05}):
        timings = client.post(RENDER, json={"text": TEXT, **change}).json()["timings"]
        ran = {stage: each["calls"] - each["cached"] for stage, each in timings.items()}
        print(f"   {change}: ran {ran}")


async def _many(url: str) -> None:
    async with httpx.AsyncClient(
        base_url=url, timeout=60, trust_env=False, limits=httpx.Limits(max_connections=200)
    ) as client:
        fresh = {"text": "Nobody has ever said this sentence before, two hundred times at once."}
        answers = await asyncio.gather(*(client.post(RENDER, json=fresh) for _ in range(200)))
        computed = [answer.json()["cached"] for answer in answers].count(False)
        good = sum(answer.status_code == 200 for answer in answers)
        print(f"   200 equal requests at once: {computed} computed (limit 1), {good} answered")

        async def ask(times: int) -> None:
            for _ in range(times):
                assert (await client.post(RENDER, json={"text": TEXT})).status_code == 200

        started = time.monotonic()
        await asyncio.gather(*(ask(100) for _ in range(16)))
        rate = 1600 / (time.monotonic() - started)
        print(f"   16 clients: {rate:.0f} cached renders a second (limit 300: {_verdict(rate >= 300)})")


def _median_of_texts(client: httpx.Client, **options: str) -> float:
    return statistics.median(timed_ms(client, "POST", RENDER, json={"text": text, **options}) for text in TEXTS)
