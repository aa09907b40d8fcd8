"""Ten minutes of everything at once, by hand: python -m tests.soak [minutes]. Memory and open files must stay flat."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests import environment  # noqa: F401  # before anything imports Ray
from tests.bench.server import running

MINUTES = 10.0
CLIENTS = 6
SAMPLE_S = 10.0
WARM_UP = 0.3
"""Part of the time in which caches fill and allocators find their size."""
LARGEST_GROWTH = 0.05
"""Of the memory after the warm-up."""
_RENDER, _ASYNC = "/v1/avatar/render", "/v1/avatar/render_async"


class Crowd:
    """Clients that do what clients do, again and again."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.done: Counter[str] = Counter()
        self._client = client
        self._numbers = itertools.count()

    async def live(self, until: float) -> None:
        """One client's life."""
        deeds = (self._speak, self._again, self._queue, self._cancel, self._watch, self._narrate, self._leave)
        while time.monotonic() < until:
            deed = random.choice(deeds)
            try:
                await deed()
                self.done[deed.__name__] += 1
            except (httpx.TransportError, WebSocketException, OSError) as error:
                self.done[type(error).__name__] += 1

    def _text(self, sentences: int = 1) -> str:
        return " ".join(f"Sentence {next(self._numbers)} of a long day." for _ in range(sentences))

    async def _post(self, path: str, **body: Any) -> httpx.Response:
        reply = await self._client.post(path, json=body)
        self.done[f"status {reply.status_code}"] += 1
        return reply

    async def _speak(self) -> None:
        await self._post(_RENDER, text=self._text())

    async def _again(self) -> None:
        await self._post(_RENDER, text="What is said often is known by heart.", viseme_set="arkit")

    async def _queue(self) -> None:
        job = (await self._post(_ASYNC, text=self._text(3))).json()
        state = "pending"
        while state in {"pending", "processing"}:
            await asyncio.sleep(0.3)
            state = (await self._client.get(job["poll_url"])).json()["status"]

    async def _cancel(self) -> None:
        job = (await self._post(_ASYNC, text=self._text(10))).json()
        await asyncio.sleep(random.uniform(0, 1))
        await self._client.delete(f"/jobs/{job['job_id']}/cancel")

    async def _watch(self) -> None:
        job = (await self._post(_ASYNC, text=self._text(4))).json()
        async with connect(job["ws_url"]) as socket:
            async for _ in socket:
                pass

    async def _narrate(self) -> None:
        await self._post("/v1/audio/speech", input=self._text(2), response_format=random.choice(["mp3", "opus"]))

    async def _leave(self) -> None:
        ask = asyncio.create_task(self._client.post(_RENDER, json={"text": self._text(8)}))
        await asyncio.sleep(random.uniform(0, 0.5))
        ask.cancel()
        await asyncio.wait([ask])


_NAMES: dict[int, str] = {}


def _name(process: psutil.Process) -> str:
    command = process.cmdline()
    program = command[0].rsplit("/", 1)[-1] if command else process.name()
    return f"{program} {' '.join(command[1:3])[:40]}".strip()


def _sample(server: psutil.Process) -> dict[str, tuple[float, int]]:
    """Process -> MB that belong to it alone, and open files."""
    found = {}
    for process in [server, *server.children(recursive=True)]:
        try:
            # Ray's workers change their titles with every call: the first one stays.
            name = _NAMES.setdefault(process.pid, _name(process))
            found[f"{process.pid} {name}"] = (process.memory_full_info().uss / 1e6, process.num_fds())
        except psutil.Error:
            continue
    return found


async def _run(url: httpx.URL, server: psutil.Process, seconds: float) -> bool:
    until = time.monotonic() + seconds
    samples: list[dict[str, tuple[float, int]]] = []
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=url, timeout=90, trust_env=False, limits=limits) as client:
        crowd = Crowd(client)
        lives = [asyncio.create_task(crowd.live(until)) for _ in range(CLIENTS)]
        while time.monotonic() < until:
            await asyncio.sleep(SAMPLE_S)
            samples.append(await asyncio.to_thread(_sample, server))
            total = sum(memory for memory, _ in samples[-1].values())
            print(f"   {until - time.monotonic():5.0f} s left: {total:6.0f} MB, {dict(crowd.done)}", flush=True)
        await asyncio.gather(*lives)
    faults = {name: count for name, count in crowd.done.items() if name.startswith("status 5")}
    print(f"   answers: {dict(crowd.done)}; 5xx: {faults or 'none'}")
    return _report(samples) and not faults


def _report(samples: list[dict[str, tuple[float, int]]]) -> bool:
    """Compares the first third after the warm-up with the last one, process by process."""
    warm = samples[int(WARM_UP * len(samples)) :]
    part = max(1, len(warm) // 3)
    flat = True
    for name in sorted(set.intersection(*(set(sample) for sample in warm))):
        (first_mb, first_fds), (last_mb, last_fds) = (_mean(some, name) for some in (warm[:part], warm[-part:]))
        grew = last_mb - first_mb > max(10.0, LARGEST_GROWTH * first_mb) or last_fds - first_fds > 10
        flat = flat and not grew
        print(f"   {first_mb:6.0f} -> {last_mb:6.0f} MB  {first_fds:4.0f} -> {last_fds:4.0f} files  {name}", end="")
        print("  GROWS" if grew else "")
    print(f"   {'flat' if flat else 'NOT FLAT'}")
    return flat


def _mean(samples: list[dict[str, tuple[float, int]]], name: str) -> Iterator[float]:
    for index in range(2):
        yield sum(sample[name][index] for sample in samples) / len(samples)


def main(arguments: list[str]) -> int:
    """0 if nothing grew and nothing failed."""
    minutes = float(arguments[0]) if arguments else MINUTES
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, running(Path(folder)) as (client, server):
        return 0 if asyncio.run(_run(client.base_url, server, 60 * minutes)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
