"""A server as `make run` starts it, for the time of a benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.ports import free_port


@contextmanager
def running(folder: Path, **environ: str) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """A client of a fresh server that keeps its data in `folder`, and the server's process."""
    port = free_port()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    variables |= {"PORT": str(port), "DATA_DIR": str(folder), **environ}
    program = str(Path(sys.executable).parent / "avatar-serve")
    log = (folder / "log").open("ab")
    with log, subprocess.Popen([program, "serve"], env=variables, stdout=log, stderr=log) as server:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                wait(client)
                yield client, psutil.Process(server.pid)
        finally:
            server.terminate()


def wait(client: httpx.Client) -> None:
    """Returns once the server answers."""
    while True:
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)


def timed_ms(client: httpx.Client, method: str, path: str, **options: object) -> float:
    """Milliseconds of one request, which must succeed."""
    started = time.monotonic()
    answer = client.request(method, path, **options)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return (time.monotonic() - started) * 1000
