"""A program of the user's: its own process group, bounded output, a time limit, and nothing left of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from deployments.core.errors import EngineNotInstalled, LipSyncFailed

_LAUNCHER = Path(__file__).with_name("launcher.py")
_MOST_BYTES = 16 << 20
"""Of stdout: half an hour of shapes takes 2 MB."""
_KEPT_BYTES = 2000
"""Of stderr, from its end: what is told of it."""
_CHUNK_BYTES = 1 << 16
_GRACE_S = 5.0
"""For pipes to be read to their ends when the group is dead."""
_INSTALL = (
    "Install Rhubarb Lip Sync (github.com/DanielSWolf/rhubarb-lip-sync), put it on PATH or name it as "
    "voice.lipsync.engines.rhubarb.binary; or choose another engine."
)


class Program:
    """One run."""

    def __init__(self, binary: str, arguments: Sequence[str]) -> None:
        """Starts it.

        Args:
            binary: name on PATH, or a path.
            arguments: what it gets.

        Raises:
            EngineNotInstalled: there is no such program, or it may not be run.
        """
        self._name = Path(binary).name
        found = shutil.which(binary)
        if found is None:
            raise EngineNotInstalled(
                f"lipsync: the program {binary!r} of the engine rhubarb is not here.", hint=_INSTALL
            )
        self._given_up = self._too_much = False
        self._said, self._complaint = bytearray(), bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LAUNCHER), found, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._listen, daemon=True),
            threading.Thread(target=self._overhear, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def output(self, limit_s: float) -> bytes:
        """What it has printed, once it has ended well.

        Raises:
            LipSyncFailed: it took longer than limit_s seconds, printed too much, failed, or was killed.
        """
        try:
            self._process.wait(limit_s)
            status = self._process.returncode
        except subprocess.TimeoutExpired:
            raise self._failure(f"took longer than {limit_s:g} s") from None
        finally:
            self.kill(given_up=False)  # what it has started may live on
            self._process.wait()
            for reader in self._readers:
                reader.join(_GRACE_S)
        if self._too_much:
            raise self._failure(f"printed more than {_MOST_BYTES >> 20} MB")
        if self._given_up:
            raise self._failure("was given up")
        if status:
            raise self._failure(f"was killed by signal {-status}" if status < 0 else f"ended with status {status}")
        return bytes(self._said)

    def kill(self, *, given_up: bool = True) -> None:
        """Ends it and all that it has started; from any thread."""
        self._given_up = self._given_up or given_up
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        for chunk in _chunks(self._process.stdout):
            self._said += chunk
            if len(self._said) > _MOST_BYTES:
                self._too_much = True
                self.kill(given_up=False)
                return

    def _overhear(self) -> None:
        for chunk in _chunks(self._process.stderr):
            self._complaint = (self._complaint + chunk)[-_KEPT_BYTES:]

    def _failure(self, what: str) -> LipSyncFailed:
        lines = self._complaint.decode(errors="replace").strip().splitlines()
        return LipSyncFailed(
            f"{self._name} {what}{': ' + lines[-1][:300] if lines else '.'}",
            hint="Try the program by hand on the same recording, or choose another engine.",
        )


def _chunks(stream: IO[bytes] | None) -> Iterator[bytes]:
    assert stream
    with stream:
        while chunk := os.read(stream.fileno(), _CHUNK_BYTES):
            yield chunk
