"""What /health/detailed says of the machine."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
from importlib import metadata
from pathlib import Path

import psutil
import pytest

from serve_app import machine
from serve_app.machine import Gpu, Gpus

TWO_CARDS = """#!/bin/sh
echo asked "$@" >> {log}
echo 'NVIDIA H200, 143771'
echo 'NVIDIA GeForce RTX 4090, Founders Edition, 24564'
"""
HANGING = """#!/bin/sh
exec sleep 600
"""
BROKEN = """#!/bin/sh
echo asked >> {log}
echo 'Failed to initialize NVML: Driver/library version mismatch, 12'
exit 18
"""
NO_CARD = """#!/bin/sh
echo asked >> {log}
echo 'No devices were found'
"""
SHARED_MEMORY = """#!/bin/sh
echo 'NVIDIA GB10, [N/A]'
"""


class Clock:
    """Stands still unless it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def gpus(folder: Path, script: str, clock: Clock | None = None, limit_s: float = 30) -> Gpus:
    """Asks a program that stands in the folder, and notes in `log` that it was asked."""
    program = folder / "nvidia-smi"
    program.write_text(script.format(log=folder / "log"))
    program.chmod(0o755)
    return Gpus(str(folder), limit_s, clock or Clock())


def asked(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_cards_are_found(tmp_path: Path) -> None:
    device = machine.facts(tmp_path, gpus(tmp_path, TWO_CARDS)).device
    assert (device.optimal_device, device.cuda_available) == ("cuda", True)
    assert device.gpu_devices == (
        Gpu("NVIDIA H200", 140.4),
        Gpu("NVIDIA GeForce RTX 4090, Founders Edition", 24.0),
    )
    assert asked(tmp_path) == ["asked --query-gpu=name,memory.total --format=csv,noheader,nounits"]


def test_a_card_without_memory_of_its_own(tmp_path: Path) -> None:
    assert gpus(tmp_path, SHARED_MEMORY).find() == (Gpu("NVIDIA GB10", None),)


@pytest.mark.parametrize("script", [BROKEN, NO_CARD, "not a program"])
def test_a_driver_without_a_card_is_no_card(tmp_path: Path, script: str) -> None:
    assert gpus(tmp_path, script).find() == ()


def test_no_driver_is_no_card(tmp_path: Path) -> None:
    device = machine.facts(tmp_path, Gpus(str(tmp_path))).device
    metal = (platform.system(), platform.machine()) == ("Darwin", "arm64")
    assert (device.optimal_device, device.cuda_available) == ("mps" if metal else "cpu", False)
    assert device.gpu_devices == ()


def test_an_answer_is_kept_for_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    found = gpus(tmp_path, TWO_CARDS, clock)
    for now_s in (0, 1, 59.9):
        clock.now_s = now_s
        assert len(found.find()) == 2
    assert len(asked(tmp_path)) == 1
    clock.now_s = 60
    assert len(found.find()) == 2
    assert len(asked(tmp_path)) == 2


def test_a_driver_that_hangs_is_no_card_and_leaves_nothing_behind(tmp_path: Path) -> None:
    found = gpus(tmp_path, HANGING, limit_s=0.5)
    assert found.find() == ()
    assert found._stuck is not None
    assert found._stuck.wait(30) == -signal.SIGKILL


def test_a_driver_that_cannot_even_be_killed_is_asked_again_when_it_is_gone(tmp_path: Path) -> None:
    clock = Clock()
    found = gpus(tmp_path, TWO_CARDS, clock)
    with subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE, encoding="utf-8") as held:
        found._stuck = held
        assert found.find() == ()
        assert not (tmp_path / "log").exists()
        held.kill()
    clock.now_s = 60
    assert len(found.find()) == 2


def test_the_rest_is_as_the_system_says(tmp_path: Path) -> None:
    now = machine.facts(tmp_path / "not" / "yet" / "there", Gpus(str(tmp_path)))
    assert 1 <= now.cpu.cores <= (os.cpu_count() or 1)
    assert now.cpu.load_1m >= 0 and 0 <= now.cpu.percent <= 100
    assert now.memory.total_gb == round(psutil.virtual_memory().total / 2**30, 1)
    assert 0 < now.memory.available_gb <= now.memory.total_gb and 0 < now.memory.percent <= 100
    assert now.disk.total_gb == round(psutil.disk_usage(str(tmp_path)).total / 1e9, 1)
    assert 0 <= now.disk.free_gb <= now.disk.total_gb and 0 <= now.disk.percent <= 100


def test_versions_are_those_installed(tmp_path: Path) -> None:
    versions = machine.facts(tmp_path, Gpus(str(tmp_path))).versions
    assert versions["python"] == platform.python_version()
    assert {"avatar-serve", "ray", "fastapi", "piper-tts"} <= set(versions)
    assert all(version == metadata.version(name) for name, version in versions.items() if name != "python")
