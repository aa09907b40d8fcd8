"""A real Valkey or Redis server on loopback, which can be killed, started again and stopped in its tracks."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import valkey

from tests.ports import free_port
from tests.redis_setup import find

_PATIENCE_S = 30.0
"""A busy machine starts it in one."""


class RedisServer:
    """One that loses nothing it has acknowledged. It is ended by its own process, never by name."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        """Starts nothing yet.

        Args:
            folder: its files; it exists.
            password: what clients have to say; None: nothing.
        """
        self.port = free_port()
        """TCP, on 127.0.0.1; the same after each start."""
        self.password = password
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers.

        Raises:
            RuntimeError: there is none, or it does not start.
        """
        program = find()
        if program is None:
            raise RuntimeError("no valkey-server or redis-server on PATH: run `python tests/redis_setup.py`")
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._folder, "save": "", "appendonly": "yes"}
        options |= {"appendfsync": "always", "requirepass": self.password or "", "logfile": "server.log"}
        command = [program, *(str(part) for name, value in options.items() for part in (f"--{name}", value))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + _PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"{program} does not start: see {self._folder}/server.log")
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it as an operator would."""
        self._end(signal.SIGTERM)

    def hang(self) -> None:
        """It still takes connections, but answers nothing."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """It answers again, also what was asked meanwhile."""
        self._signal(signal.SIGCONT)

    def client(self) -> valkey.Valkey:
        """A client; to be closed."""
        return valkey.Valkey("127.0.0.1", self.port, password=self.password, socket_timeout=_PATIENCE_S)

    def empty(self) -> None:
        """Removes everything."""
        with self.client() as client:
            client.flushdb()

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except valkey.ConnectionError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        self._signal(number)
        self._signal(signal.SIGCONT)
        if self._process is not None:
            self._process.wait(_PATIENCE_S)
