"""Mouth cues as Rhubarb Lip Sync writes them: JSON and TSV, so that its users need not change what reads them.

Formats: https://github.com/DanielSWolf/rhubarb-lip-sync, README, "Output formats".
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from .projection import MouthCue

_STEP_MS = 10
"""Times have two digits behind the point."""
_SEEN = {"A", "G"}
"""A closed mouth and teeth on the lip stay, however short they are."""
_REST = "X"

Row = tuple[int, int, str]
"""Start and end in steps, and the shape."""


def json_file(cues: Sequence[MouthCue], duration_ms: int, sound_file: str) -> str:
    """Content of a .json file.

    Args:
        cues: of the set rhubarb.
        duration_ms: of the sound.
        sound_file: its name.
    """
    rows = _rows(cues, duration_ms)
    document = {
        "metadata": {"soundFile": sound_file, "duration": _seconds(rows[-1][1])},
        "mouthCues": [{"start": _seconds(start), "end": _seconds(end), "value": value} for start, end, value in rows],
    }
    return json.dumps(document, indent=2)


def tsv_file(cues: Sequence[MouthCue], duration_ms: int) -> str:
    """Content of a .tsv file: start and shape, a line for each, and the mouth at rest at the end."""
    rows = _rows(cues, duration_ms)
    lines = [f"{start / 100:.2f}\t{value}" for start, _, value in rows]
    return "\n".join([*lines, f"{rows[-1][1] / 100:.2f}\t{_REST}"]) + "\n"


def _seconds(steps: int) -> float:
    return round(steps * _STEP_MS / 1000, 2)


def _rows(cues: Sequence[MouthCue], duration_ms: int) -> list[Row]:
    """Contiguous from 0 to the end, no two alike in a row, none empty."""
    last = max(1, round(duration_ms / _STEP_MS))
    rows: list[Row] = []
    start, shown = 0, _REST
    for cue in cues:
        value = str(cue.viseme)
        if value == shown:
            continue
        place = min(last, max(start + (shown in _SEEN), round(cue.t_ms / _STEP_MS)))
        if place > start:
            rows.append((start, place, shown))
            start = place
        elif rows and rows[-1][2] == value:  # what stood between the two was too short to be shown
            start = rows.pop()[0]
        shown = value
    return [*rows, (start, last, shown)] if start < last else rows
