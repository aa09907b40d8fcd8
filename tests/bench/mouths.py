"""Every engine of the lip sync on recordings with exact truth, side by side: python -m tests.bench.mouths.

The recordings are the 20 sentences of ../shared/data/lipsync, as they are and made worse; `strict` and the rest are
those of ../shared/tools/score_visemes.py, with timing exact. CPU seconds count programs that an engine starts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
import scipy.signal
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from deployments.core import engines
from deployments.core.errors import AvatarError
from deployments.core.types import AudioClip, PhonemeSpan, Reading, Speech
from deployments.lipsync.engines.rhubarb.cues import read as read_rhubarb
from deployments.media.projection import mouth_cues
from tests import environment  # noqa: F401  # Rhubarb of the tests on PATH
from tests.deployments.lipsync.scoring import DATA, figures
from tests.shared import shared

COLUMNS = {
    "strict": "strict",
    "speech": "speech",
    "compat": "compat",
    "closures": "closures",
    "closures_tight": "tight",
    "false_cl_per_s": "false/s",
    "FF": "f v",
    "bound_med_ms": "bound ms",
    "best_lag_ms": "lag ms",
}
"""Figure of the scorer -> heading."""
PATIENT = {"rhubarb": {"timeout_s": 600.0}}
"""The machine may be busy."""


@dataclass(frozen=True)
class Row:
    """One way to read a recording."""

    name: str
    engine: str
    with_text: bool = False
    with_times: bool = False
    options: tuple[tuple[str, Any], ...] = ()


ROWS = (
    Row("phonemes (the voice's own times)", "phonemes", with_text=True, with_times=True),
    Row("align (text known)", "align", with_text=True),
    Row("recognize (no text)", "recognize"),
    Row("rhubarb with dialog", "rhubarb", with_text=True),
    Row("rhubarb", "rhubarb"),
    Row("rhubarb phonetic", "rhubarb", options=(("recognizer", "phonetic"),)),
)
RECORDED = {
    "Rhubarb 1.14 with dialog, recorded": "rhubarb_ps_dialog",
    "Rhubarb 1.14, recorded": "rhubarb_ps",
    "Rhubarb 1.14 phonetic, recorded": "rhubarb_phonetic",
}
"""What the native program printed once, as far as the recordings are those that it heard."""


def noisy(samples: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float32], int]:
    """White noise 10 dB below the speech."""
    noise = np.random.default_rng(0).standard_normal(len(samples))
    level = np.sqrt(np.mean(np.square(samples))) * 10 ** (-10 / 20)
    return (samples + level * noise).astype(np.float32), rate


def telephone(samples: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float32], int]:
    """300-3400 Hz at 8 kHz (ITU-T G.712)."""
    band = scipy.signal.butter(4, (300, 3400), btype="bandpass", fs=8000, output="sos")
    return scipy.signal.sosfilt(band, soxr.resample(samples, rate, 8000)).astype(np.float32), 8000


def paced(speed: float) -> Callable[[NDArray[np.float32], int], tuple[NDArray[np.float32], int]]:
    """Faster or slower at the same pitch, by FFmpeg's atempo."""

    def change(samples: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float32], int]:
        graph = av.filter.Graph()
        source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono", time_base=f"1/{rate}")  # type: ignore[arg-type]
        tempo, sink = graph.add("atempo", str(speed)), graph.add("abuffersink")
        source.link_to(tempo)
        tempo.link_to(sink)
        graph.configure()
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        source.push(frame)
        source.push(None)
        return np.concatenate(list(_pulled(sink))), rate

    return change


def _pulled(sink: Any) -> Iterator[NDArray[np.float32]]:
    while True:
        try:
            yield sink.pull().to_ndarray()[0]
        except (av.EOFError, av.BlockingIOError):
            return


CONDITIONS: dict[str, tuple[Callable[[NDArray[np.float32], int], tuple[NDArray[np.float32], int]], float]] = {
    "clean": (lambda samples, rate: (samples, rate), 1.0),
    "noise 10 dB": (noisy, 1.0),
    "x0.85": (paced(0.85), 0.85),
    "x1.15": (paced(1.15), 1.15),
    "telephone": (telephone, 1.0),
}
"""Name -> what becomes of the sound, and how much faster it is then."""


@dataclass(frozen=True)
class Recording:
    """A sentence of the data under a condition."""

    name: str
    speech: Speech
    """With the truth's phonemes."""
    truth: dict[str, Any]


def recordings(condition: str, count: int) -> list[Recording]:
    """The first `count` sentences."""
    return [_recording(path, condition) for path in sorted(shared(DATA).glob("*.truth.json"))[:count]]


def _recording(path: Path, condition: str) -> Recording:
    change, speed = CONDITIONS[condition]
    truth = json.loads(path.read_text())
    for each in (truth, *truth["segments"]):
        each.update({key: value / speed for key, value in each.items() if key.endswith("_ms")})
    name = path.name.removesuffix(".truth.json")
    with wave.open(str(path.with_name(f"{name}.wav"))) as file:
        rate = file.getframerate()
        samples = (np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768).astype(np.float32)
    spans = tuple(PhonemeSpan(s["phoneme"], s["start_ms"] / 1e3, s["end_ms"] / 1e3) for s in truth["segments"])
    text = path.with_name(f"{name}.txt").read_text(encoding="utf-8").strip()
    return Recording(name, Speech(AudioClip(*change(samples, rate)), spans, (), text, "en_US"), truth)


def _cpu_s() -> float:
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def scored(readings: dict[str, Reading], heard: list[Recording]) -> dict[str, Any]:
    """Figures of the scorer, by its names.

    Args:
        readings: by the recording's name.
        heard: what was read.
    """
    with tempfile.TemporaryDirectory() as folder:
        truths, predictions = Path(folder, "truths"), Path(folder, "predictions")
        truths.mkdir()
        predictions.mkdir()
        for each in heard:
            (truths / f"{each.name}.truth.json").write_text(json.dumps(each.truth))
            cues = [asdict(cue) for cue in mouth_cues(readings[each.name].visemes, "basic")]
            (predictions / f"{each.name}.pred.json").write_text(json.dumps(cues))
        return figures(truths, predictions)


def measure(row: Row, heard: list[Recording]) -> str:
    """A line of the table; why there is none, where the engine says so."""
    engine = engines.load("lipsync", row.engine, {**PATIENT.get(row.engine, {}), **dict(row.options)})
    readings: dict[str, Reading] = {}
    try:
        engine.read(engine.example)  # what is loaded for the first speech counts for none
        started = _cpu_s()
        for each in tqdm(heard, desc=f"   {row.name}", leave=False):
            speech = each.speech if row.with_times else replace(each.speech, phonemes=())
            readings[each.name] = engine.read(speech if row.with_text else replace(speech, text=""))
    except AvatarError as error:
        return f"| {row.name} | {error} |"
    seconds = sum(each.speech.audio.duration_s for each in heard)
    return _line(row.name, scored(readings, heard), (_cpu_s() - started) / seconds)


def recorded(name: str, folder: str, heard: list[Recording]) -> str:
    """The same of what a program printed once."""
    readings = {
        each.name: Reading(
            read_rhubarb(
                (DATA / "rhubarb" / folder / f"{each.name}.rhubarb.json").read_bytes(), each.speech.audio.duration_s
            ),
            *((), "", folder, 0.0, ()),
        )
        for each in heard
    }
    return _line(name, scored(readings, heard), None)


def _line(name: str, found: dict[str, Any], cpu: float | None) -> str:
    numbers = [f"{found[key]:.2f}" if isinstance(found[key], float) else str(found[key]) for key in COLUMNS]
    numbers[0] = f"{found['strict']:.3f}"
    return f"| {name} | {' | '.join(numbers)} | {'' if cpu is None else f'{cpu:.3f}'} |"


def main() -> None:
    """Prints a table for each condition."""
    parser = argparse.ArgumentParser(prog="make bench-lipsync", description=__doc__)
    parser.add_argument("--sentences", type=int, default=20, help="the first so many (%(default)s)")
    parser.add_argument("--engine", action="append", choices=sorted({row.engine for row in ROWS}))
    parser.add_argument("--condition", action="append", choices=list(CONDITIONS))
    chosen = parser.parse_args()
    rows = [row for row in ROWS if row.engine in (chosen.engine or engines.names("lipsync"))]
    print(f"load before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    for condition in chosen.condition or CONDITIONS:
        heard = recordings(condition, chosen.sentences)
        print(f"\n| {condition} | {' | '.join(COLUMNS.values())} | CPU s/s |\n|{' --- |' * (len(COLUMNS) + 2)}")
        for row in rows:
            print(measure(row, heard), flush=True)
        if condition == "clean" and "rhubarb" in (chosen.engine or ["rhubarb"]):
            for name, folder in RECORDED.items():
                print(recorded(name, folder, heard), flush=True)
    print(f"\nload after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
