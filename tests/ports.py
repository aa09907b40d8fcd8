"""Free ports on loopback."""

from __future__ import annotations

import contextlib
import os
import random
import socket

_RANDOM = random.Random(os.urandom(8))
_FIRST, _LAST = 31_100, 32_700
"""Below the kernel's ephemeral range, from which Ray's processes take theirs between our look and our use;
above those of HAProxy and of Serve's replicas (serve_app/supervisor.py)."""
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which of the test processes that run side by side this is: none may take a port that another has just found free."""


def free_port() -> int:
    """A port that nobody listens on."""
    while True:
        port = _RANDOM.randrange(_FIRST + _PROCESS, _LAST, _PROCESSES)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
