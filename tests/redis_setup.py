"""Finds or installs the server of the job store's tests: Valkey's or Redis' on PATH, else Debian's when root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def find() -> str | None:
    """Path of the server's program."""
    return shutil.which("valkey-server") or shutil.which("redis-server")


def main() -> str | None:
    """Installs one if need be; what to do where that is not possible."""
    if find():
        return None
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return "Install Redis or Valkey, so that redis-server or valkey-server is on PATH: the tests start it."
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "redis-server"]):
        subprocess.run(["apt-get", *step], env=environ, check=True, timeout=900, stdout=subprocess.DEVNULL)
    return None


if __name__ == "__main__":
    sys.exit(main())
