"""Scores the mouth on the sentences in ../shared; `python -m tests.deployments.lipsync.scoring` prints the figures."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import wave
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from deployments.core.types import AudioClip, PhonemeSpan, Speech, Timing
from deployments.lipsync.engines.phonemes import Engine, Options
from deployments.media.mouth import MouthOptions, natural
from deployments.media.projection import mouth_cues
from tests.shared import SHARED, shared

DATA = SHARED / "data" / "lipsync"
SCORER = SHARED / "tools" / "score_visemes.py"


@functools.cache
def score(timing: Timing) -> dict[str, Any]:
    """Figures over all sentences, by the names that the scorer gives them."""
    engine = Engine(Options())
    with tempfile.TemporaryDirectory() as predictions:
        for truth in shared(DATA).glob("*.truth.json"):
            track = engine.track(_speech(truth))
            track = natural(track, MouthOptions()) if timing == "natural" else track
            cues = [asdict(cue) for cue in mouth_cues(track, "basic")]
            Path(predictions, truth.name.replace(".truth.", ".pred.")).write_text(json.dumps(cues))
        return figures(shared(DATA), Path(predictions))


def figures(truths: Path, predictions: Path) -> dict[str, Any]:
    """What the scorer says of a folder of predictions, by its names.

    Args:
        truths: folder of *.truth.json.
        predictions: folder of *.pred.json.
    """
    output = predictions / "figures.json"
    command = [sys.executable, str(shared(SCORER)), str(truths), str(predictions), "--json", str(output)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def _speech(truth: Path) -> Speech:
    """A sentence of the data as the voice would have given it."""
    segments = json.loads(truth.read_text())["segments"]
    spans = tuple(PhonemeSpan(each["phoneme"], each["start_ms"] / 1e3, each["end_ms"] / 1e3) for each in segments)
    with wave.open(str(truth).replace(".truth.json", ".wav")) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32768)
    return Speech(AudioClip(samples.astype(np.float32), rate), spans, (), "", "en_US")


def _table() -> str:
    """The rows of the README."""
    names = ["strict", "speech", "compat", "closures", "closures_tight", "FF", "best_lag_ms", "strict_at_best_lag"]
    rows = ["| timing | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    timings: tuple[Timing, ...] = ("exact", "natural")
    for timing in timings:
        figures = score(timing)
        rows.append(f"| {timing} | " + " | ".join(f"{figures[name]:g}" for name in names) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    os.write(1, f"{_table()}\n".encode())
