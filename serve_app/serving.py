"""The server process: starts Ray and Serve, waits for SIGTERM, stops them. Started by supervisor.py."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import httpx
import ray
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.schema import LoggingConfig

from . import config_file
from .app import compose
from .config_file import ConfigError, ConfigFile
from .supervisor import CONFIG_FAULT

_OBJECT_STORE_BYTES = 512 * 2**20
"""Speech on its way between stages: ten renders of five minutes take half of it."""
_READY_S = 60
"""HAProxy must have the routes by then."""


def start(config: ConfigFile, host: str, port: int, folder: Path) -> None:
    """Brings the application up; returns when it answers.

    Args:
        config: what to run.
        host: address to listen on.
        port: HTTP port.
        folder: for Ray's sockets and logs; short, because socket paths are.
    """
    ray.init(
        address="local",
        _node_ip_address="127.0.0.1",
        _temp_dir=str(folder),
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        logging_level=logging.WARNING,
    )
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(host=host, port=port),
        logging_config=LoggingConfig(log_level="WARNING"),  # of Serve itself; the application sets its own
    )
    serve.run(compose(config.settings, config.deployments), name="avatar")
    _wait_until_it_answers(f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/health")


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within {_READY_S} s")


def stop(folder: Path) -> None:
    """Takes the application down, then Ray.

    Ray reports its controller's orderly end as a failed task: what it says from here on goes to a file.
    """
    log = os.open(folder / "stop.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    serve.shutdown()  # type: ignore[no-untyped-call]
    ray.shutdown()


def main(arguments: list[str]) -> int:
    """Runs until SIGTERM, or until the supervisor is gone."""
    path, host, port, folder = arguments
    parent = os.getppid()
    stopping = threading.Event()
    print("Starting; this takes about ten seconds.", flush=True)
    try:
        config = config_file.read(Path(path))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return CONFIG_FAULT
    try:
        start(config, host, int(port), Path(folder))
    except RuntimeError as error:
        print(f"The server did not start: {error}\n`avatar-serve check` tries each part by itself.", file=sys.stderr)
        return 1
    # After the start: a handler set before ray.init never runs.
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    shown = "127.0.0.1" if host == "0.0.0.0" else host
    print(f"\nReady: http://{shown}:{port}/   API: http://{shown}:{port}/docs   Ctrl-C stops it.\n", flush=True)
    while not stopping.wait(1) and os.getppid() == parent:
        pass
    print("Stopping.", flush=True)
    stop(Path(folder))
    if os.getppid() != parent:  # nobody is left to do it
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
