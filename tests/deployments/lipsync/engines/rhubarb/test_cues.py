"""What Rhubarb prints, as real programs printed it, and as a broken one might."""

from __future__ import annotations

import json
import math
import wave
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import LipSyncFailed
from deployments.core.visemes import INDEX
from deployments.lipsync.engines.rhubarb.cues import SHAPES, read
from tests.shared import SHARED, shared

DATA = SHARED / "data" / "lipsync"


def printed(*cues: tuple[Any, Any, Any]) -> bytes:
    rows = [{"start": start, "end": end, "value": value} for start, end, value in cues]
    return json.dumps({"metadata": {"soundFile": "x.wav", "duration": 1.0}, "mouthCues": rows}).encode()


def shapes(document: bytes, duration_s: float = 1.0) -> list[tuple[float, int]]:
    track = read(document, duration_s)
    return list(zip(track.starts_s.tolist(), track.visemes.tolist(), strict=True))


@pytest.mark.parametrize("mode", ["rhubarb_ps_dialog", "rhubarb_ps", "rhubarb_phonetic"])
def test_what_the_program_printed_is_read(mode: str) -> None:
    paths = sorted(shared(DATA / "rhubarb" / mode).glob("*.rhubarb.json"))
    assert len(paths) == 20
    for path in paths:
        with wave.open(str(DATA / f"{path.name[:3]}.wav")) as file:
            duration_s = file.getnframes() / file.getframerate()
        track = read(path.read_bytes(), duration_s)
        cues = json.loads(path.read_text())["mouthCues"]
        assert len(track.starts_s) == pytest.approx(len(cues), abs=2)
        for cue in cues:
            middle = np.searchsorted(track.starts_s, (cue["start"] + cue["end"]) / 2, "right") - 1
            assert track.visemes[middle] == INDEX[SHAPES[cue["value"]]]


def test_gaps_are_rest_and_of_what_overlaps_the_later_counts() -> None:
    rest, wide, lips = INDEX["sil"], INDEX["AA"], INDEX["PP"]
    assert shapes(printed((0.2, 0.4, "D"), (0.6, 0.8, "A"))) == [
        (0.0, rest),
        (0.2, wide),
        (0.4, rest),
        (0.6, lips),
        (0.8, rest),
    ]
    assert shapes(printed((0, 0.5, "A"), (0, 0.5, "D"), (0.5, 1, "X"))) == [(0.0, wide), (0.5, rest)]
    assert shapes(printed((0, 0.5, "D"), (0.3, 1, "A"))) == [(0.0, wide), (0.3, lips)]
    assert shapes(printed((-0.01, 0.5, "D"), (0.5, 1, "A"))) == [(0.0, wide), (0.5, lips)]
    assert shapes(printed((0, 0.5, "X"), (0.5, 0.7, "D"), (0.45, 1, "A"))) == [(0.0, rest), (0.5, lips)]


def test_nothing_is_rest() -> None:
    assert shapes(printed()) == [(0.0, INDEX["sil"])]
    assert shapes(printed((0, 1.2, "D"))) == [(0.0, INDEX["AA"])]  # it rounds the end up


BAD = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b'{"mouthCues": {}}',
    b"[" * 100_000,
    b"Progress: 50%\n{}",
    printed(("0", 1, "A")),
    printed((True, 1, "A")),
    printed((None, 1, "A")),
    printed((-1, 1, "A")),
    printed((0.5, 0.1, "A")),
    printed((0, 9, "A")),
    printed((0.5, 0.6, "A"), (0.2, 0.3, "B")),
    printed((0, 1, "Z")),
    printed((0, 1, ["A"])),
    printed(*[(0, 1, "A")] * 300),
    b'{"mouthCues": [{"start": NaN, "end": 1, "value": "A"}]}',
    b'{"mouthCues": [{"start": 0, "end": 1e999, "value": "A"}]}',
    b'{"mouthCues": [7]}',
]


@pytest.mark.parametrize("document", BAD, ids=range(len(BAD)))
def test_anything_else_is_refused_with_a_reason(document: bytes) -> None:
    with pytest.raises(LipSyncFailed, match="rhubarb printed no animation: ") as caught:
        read(document, 1.0)
    assert caught.value.hint


@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 5), st.sampled_from(sorted(SHAPES))).filter(
            lambda cue: cue[0] <= cue[1]
        ),
        max_size=40,
    ).map(sorted),
    st.floats(0.05, 5),
)
def test_a_track_is_ordered_and_within_the_sound(cues: list[tuple[float, float, str]], duration_s: float) -> None:
    try:
        track = read(printed(*cues), duration_s)
    except LipSyncFailed:
        assert max(end for _, end, _ in cues) > duration_s
        return
    assert track.starts_s[0] == 0 and (np.diff(track.starts_s) > 0).all() and track.starts_s[-1] < duration_s
    assert track.duration_s == duration_s and math.isfinite(track.starts_s[-1])
