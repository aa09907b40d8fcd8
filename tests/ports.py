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


def free_port() -> int:
    """A port that nobody listens on."""
    while True:
        port = _RANDOM.randint(_FIRST, _LAST)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
