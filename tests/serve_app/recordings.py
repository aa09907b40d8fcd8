"""Recordings for tests: uploads as the store keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deployments.core.types import AudioClip
from deployments.media.encoding import wav
from serve_app.upload_store import UploadStore

RATE = 24_000


def store(folder: Path) -> UploadStore:
    """An empty one."""
    return UploadStore(str(folder / "uploads"), ttl_hours=1, max_mb=500)


def keep(uploads: UploadStore, samples: Sequence[float] | np.ndarray, folder: Path) -> str:
    """Keeps sound of 24 kHz; its name."""
    content = wav(AudioClip(np.asarray(samples, np.float32), RATE))
    name = f"{hashlib.sha256(content).hexdigest()[:32]}.wav"
    path = folder / name
    path.write_bytes(content)
    uploads.save(name, path, {})
    return name


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """(T,) float32 in [-0.5, 0.5] with a pause of 0.5 s every 8 s, where no sample is louder than 0.001."""
    sound = np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
    pauses = np.arange(len(sound)) % (8 * RATE) > 7.5 * RATE
    return np.where(pauses, sound * np.float32(0.002), sound).astype(np.float32)
