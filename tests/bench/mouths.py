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
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from deployments.core import engines
from deployments.core.errors import AvatarError
from deployments.core.types import PhonemeSpan, Reading, Speech
from deployments.lipsync.engines.rhubarb.cues import read as read_rhubarb
from deployments.media.projection import mouth_cues
from tests import environment  # noqa: F401  # Rhubarb of the tests on PATH
from tests.deployments.lipsync.recordings import HARMS, load, names, truth
from tests.deployments.lipsync.scoring import DATA, figures

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


@dataclass(frozen=True)
class Recording:
    """A sentence of the data harmed or not."""

    name: str
    speech: Speech
    """With the truth's phonemes."""
    truth: dict[str, Any]


def recordings(harm: str, count: int) -> list[Recording]:
    """The first `count` sentences, harmed."""
    return [_recording(name, harm) for name in names()[:count]]


def _recording(name: str, harm: str) -> Recording:
    change, speed = HARMS[harm]
    clip, text = load(name)
    exact = truth(name, speed)
    spans = tuple(PhonemeSpan(s["phoneme"], s["start_ms"] / 1e3, s["end_ms"] / 1e3) for s in exact["segments"])
    return Recording(name, Speech(change(clip), spans, (), text, "en_US"), exact)


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


def run() -> None:
    """Limits of strict, closures, false a second, CPU: align .78, 1.00, .05, .04; recognize .74, .93, .15, .16."""
    main([])


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a table for each harm."""
    parser = argparse.ArgumentParser(prog="make bench-lipsync", description=__doc__)
    parser.add_argument("--sentences", type=int, default=20, help="the first so many (%(default)s)")
    parser.add_argument("--engine", action="append", choices=sorted({row.engine for row in ROWS}))
    parser.add_argument("--harm", action="append", choices=list(HARMS))
    chosen = parser.parse_args(arguments)
    rows = [row for row in ROWS if row.engine in (chosen.engine or engines.names("lipsync"))]
    print(f"load before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    for harm in chosen.harm or HARMS:
        heard = recordings(harm, chosen.sentences)
        print(f"\n| {harm} | {' | '.join(COLUMNS.values())} | CPU s/s |\n|{' --- |' * (len(COLUMNS) + 2)}")
        for row in rows:
            print(measure(row, heard), flush=True)
        if harm == "clean" and "rhubarb" in (chosen.engine or ["rhubarb"]):
            for name, folder in RECORDED.items():
                print(recorded(name, folder, heard), flush=True)
    print(f"\nload after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
