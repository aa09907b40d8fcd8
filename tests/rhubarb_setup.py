"""Installs Rhubarb for the tests: the program as npm has it (WebAssembly), behind Rhubarb's own command line.

The shapes are not those of the native program to the frame (two thirds agree); arguments, output and speed are alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE, VERSION = "rhubarb-lip-sync-wasm", "0.1.8"
FOLDER = Path(sys.prefix) / "rhubarb"
PROGRAM = FOLDER / "rhubarb"
_WRAPPER = Path(__file__).with_name("rhubarb.mjs")
_INSTALL = "Install Node.js with npm: the tests run Rhubarb with it."


def main() -> str | None:
    """Installs it if need be; what to do where that is not possible."""
    if not (FOLDER / "node_modules" / PACKAGE).is_dir():
        if fault := _install_node():
            return fault
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(FOLDER)]
        subprocess.run([*command, f"{PACKAGE}@{VERSION}"], check=True, timeout=600)
    shutil.copy(_WRAPPER, FOLDER / "rhubarb.mjs")
    PROGRAM.write_text(f'#!/bin/sh\nexec node "{FOLDER / "rhubarb.mjs"}" "$@"\n')
    PROGRAM.chmod(0o755)
    return None


def _install_node() -> str | None:
    if shutil.which("node") and shutil.which("npm"):
        return None
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return _INSTALL
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "nodejs", "npm"]):
        subprocess.run(["apt-get", *step], env=environ, check=True, timeout=900, stdout=subprocess.DEVNULL)
    return None


if __name__ == "__main__":
    sys.exit(main())
