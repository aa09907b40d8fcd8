"""Finds or installs the browser of the page tests: Chromium on PATH, else Debian's when root, else Playwright's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def main() -> int:
    """Installs one if need be; 0 when there is one."""
    if os.environ.get("AVATAR_CHROMIUM") or shutil.which("chromium"):
        return 0
    if shutil.which("apt-get") and os.geteuid() == 0:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *step], env=environ, check=True, timeout=900, stdout=subprocess.DEVNULL)
        return 0
    return subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"], check=False, timeout=900
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
