"""What a frame of Wav2Lip costs on a CPU: the whole network with random weights, 512 x 512 pixels.

Random weights cost what trained ones do; what they draw is noise.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

THREADS = (1, 2)
REPEATS = 5
BATCHES = (1, 8, 32)
SECONDS = 5


def run() -> None:
    """Limit: 25 frames in a second, which is real time, on two threads, with what the engine chooses by itself."""
    for threads in THREADS:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        print(f"   {threads} threads, random weights:", flush=True)
        subprocess.run([sys.executable, "-W", "ignore", "-m", "tests.bench.wav2lip"], env=environment, check=True)


def main() -> None:
    """Precisions by batch sizes, then a video by the engine's own choice."""
    from tests.deployments.avatar.engines.wav2lip.models import random_weights, save

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save(folder, random_weights())
        for dtype in ("bfloat16", "float32"):
            for batch in BATCHES:
                _batch(folder, dtype, batch)
        _video(folder)


def _engine(folder: Path, **options: Any) -> Any:
    from deployments.core import engines

    return engines.load("avatar", "wav2lip", {"accept_license": "research", "models_dir": folder, **options})


def _part(engine: Any, state: Any, frames: range) -> Any:
    from deployments.avatar.contract import Part
    from deployments.core.types import Animation, AudioClip, EyeTrack, VisemeTrack

    noise = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * engine.example.sample_rate)
    clip = AudioClip(noise.astype(np.float32), engine.example.sample_rate)
    track = VisemeTrack(np.zeros(1), np.zeros(1, np.uint8), np.zeros(1, np.float32), clip.duration_s)
    return Part(state, clip, Animation(clip, track, EyeTrack(()), ()), frames)


def _batch(folder: Path, dtype: str, batch: int) -> None:
    from tests.deployments.avatar.engines.wav2lip.models import canvas, somebody

    engine = _engine(folder, device="cpu", dtype=dtype, batch_size=batch)
    part = _part(engine, engine.prepare(*somebody(512), canvas(512)), range(engine.frames_at_a_time))
    count = len(part.frames)
    wall_s, cpu_s = _median_s(engine, part)
    print(
        f"      {dtype}, batch {batch}: {count / wall_s:.1f} frames/s, "
        f"{count / cpu_s:.1f} in a second of CPU time, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def _median_s(engine: Any, part: Any) -> tuple[float, float]:
    """Of wall and CPU time, behind a first call."""
    engine.render([part])
    times = []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        engine.render([part])
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return float(np.median([wall for wall, _ in times])), float(np.median([cpu for _, cpu in times]))


def _video(folder: Path) -> None:
    from tests.deployments.avatar.engines.wav2lip.models import canvas, somebody

    started = time.perf_counter()
    engine = _engine(folder)
    loading = time.perf_counter() - started
    started = time.perf_counter()
    state = engine.prepare(*somebody(512), canvas(512))
    preparing = time.perf_counter() - started
    step, count = engine.frames_at_a_time, SECONDS * 25
    engine.render([_part(engine, state, range(step))])
    started = time.perf_counter()
    for first in range(0, count, step):
        engine.render([_part(engine, state, range(first, min(count, first + step)))])
    rate = count / (time.perf_counter() - started)
    print(
        f"      {SECONDS} s of video by itself ({step} frames at a time): {rate:.1f} frames/s (limit 25); "
        f"loading {loading:.1f} s, a portrait {1000 * preparing:.0f} ms and {engine.size_bytes(state) / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
