"""`avatar-serve serve` as `make run` starts it: HAProxy, signals, and nothing left behind.

That it stops by itself when its supervisor is killed is in test_cache_crash.py, at the end of a server's life there.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from serve_app.supervisor import environment
from tests.ports import free_port

MARK = "SUPERVISOR_TEST_RUN"
START_S, STOP_S = 240, 60
"""Generous: the machine may be busy. A wait ends as soon as its condition holds."""


@dataclass
class Server:
    """A started `avatar-serve serve` in a process group of its own, as a shell would make one."""

    process: subprocess.Popen[bytes]
    port: int
    mark: str
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + START_S
        while words not in self.output():
            assert self.process.poll() is None and time.monotonic() < deadline, self.output()
            time.sleep(0.1)

    def processes(self) -> list[psutil.Process]:
        """Everything alive that has the mark of this run in its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def wait_until_gone(self) -> None:
        deadline = time.monotonic() + STOP_S
        while left := self.processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.2)


def start(folder: Path, port: int, **more: str) -> Server:
    mark = secrets.token_hex(8)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environ |= {MARK: mark, "PORT": str(port), "HOME": str(home), "DATA_DIR": str(folder / "data"), **more}
    log = folder / f"{mark}.log"
    command = [str(Path(sys.executable).parent / "avatar-serve"), "serve"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output, start_new_session=True)
    return Server(process, port, mark, log)


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Whatever a test started is ended, however it went."""
    started: list[Server] = []
    yield started
    for server in started:
        for process in server.processes():
            process.kill()
        server.process.wait(timeout=STOP_S)


def test_it_speaks_and_ctrl_c_ends_everything(tmp_path: Path, servers: list[Server]) -> None:
    server = start(tmp_path, free_port())
    servers.append(server)
    server.wait_for("Ready: http://127.0.0.1")
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        assert "<canvas" in client.get("/").text
        answer = client.post("/v1/avatar/render", json={"text": "Good morning."})
        assert answer.status_code == 200, answer.text
        assert client.get(answer.json()["audio_url"]).content.startswith(b"OggS")
        _say_when_to_give_up(client)
        _leave_in_the_middle(server.port)
        deadline = time.monotonic() + 20  # the whole render would take longer
        while client.get("/health").json()["pending_jobs"]:
            assert time.monotonic() < deadline, "a render that nobody waits for is still at work"
            time.sleep(0.1)
    assert any("haproxy" in process.name() for process in server.processes()) == (sys.platform == "linux")
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(timeout=STOP_S) == 0
    assert server.processes() == []
    assert not (tmp_path / "home" / ".ray").exists()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", server.port))


def _say_when_to_give_up(client: httpx.Client) -> None:
    """What Serve obeys is for proxies to say, and bytes in it that it cannot read fail nothing: serve_headers.py."""
    body = {"text": "Nobody has asked for this before."}
    answer = client.post("/v1/avatar/render", json=body, headers={"X-Request-Timeout-Seconds": "0.001"})
    assert answer.status_code == 200, answer.text
    for name in (b"X-Session-ID", b"X-Request-ID", b"Serve_Multiplexed_Model_ID"):
        assert client.get("/health", headers={name: b"\xff"}).status_code == 200


def _leave_in_the_middle(port: int) -> None:
    """A client that sends its body in a second packet, as httpx does, and hangs up while it is being served."""
    text = " ".join(f"This is sentence number {number} of many." for number in range(120))
    body = json.dumps({"text": text}).encode()
    head = f"POST /v1/avatar/render HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"{head}\r\nContent-Type: application/json\r\n\r\n".encode())
        time.sleep(0.05)
        client.sendall(body)
        url = f"http://127.0.0.1:{port}/health"
        deadline = time.monotonic() + 20
        while not httpx.get(url, trust_env=False).json()["pending_jobs"]:
            assert time.monotonic() < deadline, "the render did not begin"
            time.sleep(0.02)


def test_sigterm_during_the_start_ends_everything_too(tmp_path: Path, servers: list[Server]) -> None:
    """Both signals have one handler from the start on."""
    server = start(tmp_path, free_port())
    servers.append(server)
    server.wait_for("Starting")
    deadline = time.monotonic() + START_S
    while not any(process.name() == "raylet" for process in server.processes()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(server.process.pid, signal.SIGTERM)
    assert server.process.wait(timeout=STOP_S) == 0
    assert server.processes() == []


def test_a_taken_port_is_said_at_once(tmp_path: Path, servers: list[Server]) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        server = start(tmp_path, holder.getsockname()[1])
        servers.append(server)
        assert server.process.wait(timeout=STOP_S) == 1
    assert "already in use" in server.output() and "PORT=" in server.output()


def test_two_servers_share_no_port(tmp_path: Path) -> None:
    one, two = (environment("127.0.0.1", port, tmp_path) for port in (8000, 9000))
    ports = [name for name in one if name.endswith("_PORT") and "DIRECT" not in name and name != "PORT"]
    assert len({one[name] for name in ports}) == 4
    assert not {one[name] for name in ports} & {two[name] for name in ports}


def test_an_address_that_is_not_ours_is_said(tmp_path: Path, servers: list[Server]) -> None:
    server = start(tmp_path, free_port(), HOST="192.0.2.123")
    servers.append(server)
    assert server.process.wait(timeout=STOP_S) == 1
    assert "192.0.2.123" in server.output() and "HOST" in server.output()
