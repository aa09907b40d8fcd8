"""Whether anybody speaks in a WAV file. A program of its own: the model is none of the business of who asks.

Says on stdout, as one line of JSON, what share of the recording is speech.
"""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from .activity import RATE, STEP, Activity

MOST_S = 600.0
"""From the start; who speaks later still is not looked for: 3 CPU seconds."""
_PIECE_S = 30
_THRESHOLD = 0.5
_PEAK, _LEAST_PEAK = 0.7, 0.005
"""Made so loud; what is quieter is noise."""
_LEAST_S = 0.2
"""Of speech in a row: a single step of 32 ms may be a knock."""


def speech_share(path: Path, peak: float) -> float:
    """0-1: of the first MOST_S, how much is speech; 0 where nobody speaks for _LEAST_S in a row.

    Args:
        path: 16-bit mono WAV.
        peak: 0-1, of all of it: the model hears quiet speech worse.
    """
    heard = np.concatenate([np.zeros(0, bool), *_steps(path, _PEAK / max(peak, _LEAST_PEAK))])
    edges = np.flatnonzero(np.diff(np.concatenate(([0], heard, [0]))))
    runs = edges[1::2] - edges[::2]
    spoken = runs[runs * STEP >= _LEAST_S * RATE].sum()
    return float(spoken / len(heard)) if spoken else 0.0


def _steps(path: Path, gain: float) -> list[NDArray[np.bool_]]:
    """(steps,) bool of each piece: whether it is speech."""
    activity, found = Activity(), []
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        left = min(file.getnframes(), round(MOST_S * rate))
        while left > 0 and (data := file.readframes(min(left, _PIECE_S * rate))):
            samples = np.frombuffer(data, "<i2").astype(np.float32) * np.float32(gain / 32768)
            left -= len(samples)
            found.append(activity.probabilities(soxr.resample(samples, rate, RATE, quality="HQ")) > _THRESHOLD)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(speech_share(Path(sys.argv[1]), float(sys.argv[2]))))
