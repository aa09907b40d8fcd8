"""Recordings with known mouth shapes, the harm that is done to recordings, and the score of an engine on them.

`python -m tests.bench recordings` prints the table. A second test bed, by another synthesiser, is Debian's flite:
`flite -voice slt -psdur -t TEXT -o FILE` prints every phone with its end in seconds; its wav and such a truth.json in
a folder of their own are scored by `score(..., folder)`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from deployments.core.types import AudioClip, Speech
from deployments.lipsync.contract import Engine
from deployments.media.projection import mouth_cues
from tests.deployments.lipsync.scoring import DATA, SCORER
from tests.shared import shared

Harm = tuple[Callable[[AudioClip], AudioClip], float]
"""What is done to the sound, and how many times as fast it is then."""


def _noise(clip: AudioClip) -> AudioClip:
    """White, 10 dB below the speech."""
    samples = clip.samples
    power = float(np.square(samples[np.abs(samples) > 0.01]).mean())
    noise = np.random.default_rng(5).normal(0, np.sqrt(power / 10), len(samples))
    return AudioClip(((samples + noise) / 2).astype(np.float32), clip.sample_rate)


def _telephone(clip: AudioClip) -> AudioClip:
    return AudioClip(soxr.resample(clip.samples, clip.sample_rate, 8000), 8000)


def _faster(speed: float) -> Harm:
    """Pitch and formants move along, as on tape."""

    def play(clip: AudioClip) -> AudioClip:
        return AudioClip(soxr.resample(clip.samples, clip.sample_rate * speed, clip.sample_rate), clip.sample_rate)

    return play, speed


HARMS: dict[str, Harm] = {
    "clean": (lambda clip: clip, 1.0),
    "noise of 10 dB": (_noise, 1.0),
    "speed 0.85": _faster(0.85),
    "speed 1.15": _faster(1.15),
    "telephone": (_telephone, 1.0),
}


def load(name: str, folder: Path = DATA) -> tuple[AudioClip, str]:
    """Sound and text of a sentence."""
    with wave.open(str(folder / f"{name}.wav")) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32768)
    return AudioClip(samples.astype(np.float32), rate), (folder / f"{name}.txt").read_text(encoding="utf-8").strip()


def names(folder: Path = DATA) -> list[str]:
    """Of all sentences."""
    return sorted(path.name.removesuffix(".truth.json") for path in shared(folder).glob("*.truth.json"))


def recording(clip: AudioClip, text: str = "", language: str = "en_US") -> Speech:
    """As an upload comes."""
    return Speech(clip, (), (), text, language)


def score(
    engine: Engine, *, with_text: bool, harm: str = "clean", only: Sequence[str] = (), folder: Path = DATA
) -> dict[str, Any]:
    """Figures by the names that the scorer gives them, and `cpu`, seconds for each second of sound."""
    change, speed = HARMS[harm]
    spent = heard = 0.0
    with tempfile.TemporaryDirectory() as truths, tempfile.TemporaryDirectory() as predictions:
        for name in only or names(folder):
            clip, text = load(name, folder)
            speech = recording(change(clip), text if with_text else "")
            started = time.process_time()
            track = engine.read(speech).visemes
            spent += time.process_time() - started
            heard += speech.audio.duration_s
            cues = [asdict(cue) for cue in mouth_cues(track, "basic")]
            Path(predictions, f"{name}.pred.json").write_text(json.dumps(cues))
            _write_truth(Path(truths, f"{name}.truth.json"), folder, speed)
        output = Path(predictions, "figures.json")
        command = [sys.executable, str(shared(SCORER)), truths, predictions, "--json", str(output)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        figures: dict[str, Any] = json.loads(output.read_text())
    return figures | {"cpu": spent / heard}


def _write_truth(path: Path, folder: Path, speed: float) -> None:
    truth = json.loads((folder / path.name).read_text())
    truth["duration_ms"] /= speed
    for segment in truth["segments"]:
        segment["start_ms"] /= speed
        segment["end_ms"] /= speed
    path.write_text(json.dumps(truth))
