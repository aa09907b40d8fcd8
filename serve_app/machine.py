"""What the machine of this process has, and how busy it is. Everything here blocks: call it on a thread."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

_MEMORY_GB = 2**30
"""Bytes: a card or a module that is sold as 24 GB has 24 of these."""
_DISK_GB = 10**9
"""Bytes: so disks are sold."""
_CPU_SAMPLE_S = 0.1
"""Load is measured over this long: ten ticks of the kernel's clock."""
_GPU_LIMIT_S = 2.0
"""A health page should not wait for a driver any longer."""
_GPU_KEEP_S = 60.0
"""Cards do not come and go; that a driver failed should be seen within a minute."""
_KILLED_S = 0.5
"""A killed process is gone at once, unless the driver holds it."""
_PACKAGES = (
    "avatar-serve",
    "ray",
    "fastapi",
    "pydantic",
    "piper-tts",
    "onnxruntime",
    "numpy",
    "pyarrow",
    "av",
    "prometheus-client",
    "torch",
)
"""What decides how the server behaves; those that are not installed are left out."""

DeviceKind = Literal["cuda", "mps", "cpu"]


@dataclass(frozen=True)
class Gpu:
    """A graphics card."""

    name: str
    total_memory_gb: float | None
    """In 2**30 bytes; None for chips that share the memory of the machine."""


@dataclass(frozen=True)
class Device:
    """What models could run on."""

    optimal_device: DeviceKind
    cuda_available: bool
    """The driver knows a card. Whether an engine can use it is the engine's affair."""
    gpu_devices: tuple[Gpu, ...]


@dataclass(frozen=True)
class Cpu:
    """Processors."""

    cores: int
    """Logical ones that this process may use."""
    load_1m: float
    """Processes that ran or waited, on average over a minute."""
    percent: float
    """Busy now, of the whole machine."""


@dataclass(frozen=True)
class Memory:
    """Of the machine; a container may have less."""

    total_gb: float
    """In 2**30 bytes."""
    available_gb: float
    """In 2**30 bytes."""
    percent: float
    """In use."""


@dataclass(frozen=True)
class Disk:
    """Where the data folder is."""

    total_gb: float
    """In 10**9 bytes."""
    free_gb: float
    """In 10**9 bytes, for this user."""
    percent: float
    """In use."""


@dataclass(frozen=True)
class Machine:
    """All of it."""

    device: Device
    cpu: Cpu
    memory: Memory
    disk: Disk
    versions: dict[str, str]
    """python, and packages by their names on PyPI."""


class Gpus:
    """Asks nvidia-smi now and then: importing torch for it would take seconds and hundreds of megabytes."""

    def __init__(
        self,
        search_path: str | None = None,
        limit_s: float = _GPU_LIMIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            search_path: where nvidia-smi is looked for, as in PATH; None: in PATH itself.
            limit_s: an answer that takes longer is none.
            clock: seconds; an answer is kept for a minute of it.
        """
        self._search_path = search_path
        self._limit_s = limit_s
        self._clock = clock
        self._lock = threading.Lock()
        self._stuck: subprocess.Popen[str] | None = None
        self._found: tuple[Gpu, ...] = ()
        self._found_at = -float("inf")

    def find(self) -> tuple[Gpu, ...]:
        """The cards that the driver knows; none without a driver, or when it does not answer."""
        with self._lock:
            if self._clock() - self._found_at >= _GPU_KEEP_S:
                self._found = tuple(_gpu(line) for line in self._ask().splitlines() if "," in line)
                self._found_at = self._clock()
            return self._found

    def _ask(self) -> str:
        program = shutil.which("nvidia-smi", path=self._search_path)
        # A driver that hangs may hold its process so that nothing ends it: one of them is enough.
        if program is None or (self._stuck is not None and self._stuck.poll() is None):
            return ""
        command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
        try:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace"
            )
        except OSError:
            return ""
        try:
            answer, _ = process.communicate(timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            self._stuck = process
            _end(process)
            return ""
        return answer if process.returncode == 0 else ""


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    assert process.stdout
    process.stdout.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_KILLED_S)


def _gpu(line: str) -> Gpu:
    name, _, mebibytes = line.rpartition(",")
    amount = mebibytes.strip()
    return Gpu(name.strip(), round(int(amount) * 2**20 / _MEMORY_GB, 1) if amount.isdecimal() else None)


_GPUS = Gpus()


def facts(data_dir: Path, gpus: Gpus = _GPUS) -> Machine:
    """What this machine has and does now; takes a tenth of a second, and 2.5 s where the driver of a card hangs.

    Args:
        data_dir: whose disk counts; it need not exist yet.
        gpus: finds the cards.

    Raises:
        OSError: the disk cannot be asked.
    """
    return Machine(_device(gpus.find()), _cpu(), _memory(), _disk(data_dir), versions())


def _device(found: tuple[Gpu, ...]) -> Device:
    metal = (platform.system(), platform.machine()) == ("Darwin", "arm64")
    return Device("cuda" if found else "mps" if metal else "cpu", bool(found), found)


def _cpu() -> Cpu:
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count()
    return Cpu(own or 1, round(psutil.getloadavg()[0], 2), psutil.cpu_percent(_CPU_SAMPLE_S))


def _memory() -> Memory:
    now = psutil.virtual_memory()
    return Memory(round(now.total / _MEMORY_GB, 1), round(now.available / _MEMORY_GB, 1), now.percent)


def _disk(folder: Path) -> Disk:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    now = psutil.disk_usage(str(there))
    return Disk(round(now.total / _DISK_GB, 1), round(now.free / _DISK_GB, 1), now.percent)


@functools.cache
def versions() -> dict[str, str]:
    """python, and the packages that matter; read once, as they are imported once."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
