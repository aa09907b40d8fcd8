"""What Rhubarb's users read: contiguous, from 0 to the end, no closure lost."""

from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from deployments.media.projection import MouthCue
from deployments.media.rhubarb_file import json_file, tsv_file


@st.composite
def tracks(draw: st.DrawFn) -> tuple[list[MouthCue], int]:
    """Cues as the projection makes them, and the duration in ms."""
    duration_ms = draw(st.integers(1, 5000))
    times = sorted(draw(st.sets(st.integers(1, 5000), max_size=40)))
    shapes = draw(st.lists(st.sampled_from("ABCDEFGHX"), min_size=len(times) + 1, max_size=len(times) + 1))
    return [
        MouthCue(t_ms, shape, 1.0) for t_ms, shape in zip([0, *times], shapes, strict=True) if t_ms < duration_ms
    ], (duration_ms)


@given(tracks())
def test_contiguous_and_whole(track: tuple[list[MouthCue], int]) -> None:
    cues, duration_ms = track
    document = json.loads(json_file(cues, duration_ms, "a.wav"))
    rows = document["mouthCues"]
    assert rows[0]["start"] == 0 and rows[-1]["end"] == document["metadata"]["duration"]
    assert abs(document["metadata"]["duration"] * 1000 - duration_ms) <= 10
    assert all(row["start"] < row["end"] for row in rows)
    for one, other in itertools.pairwise(rows):
        assert one["end"] == other["start"] and one["value"] != other["value"]
    lines = [line.split("\t") for line in tsv_file(cues, duration_ms).splitlines()]
    assert [(float(start), value) for start, value in lines] == [
        *((row["start"], row["value"]) for row in rows),
        (rows[-1]["end"], "X"),
    ]


def test_a_short_closure_stays_and_a_short_vowel_goes() -> None:
    cues = [MouthCue(t_ms, shape, 1.0) for t_ms, shape in [(0, "X"), (101, "A"), (103, "D"), (200, "C"), (204, "B")]]
    rows = json.loads(json_file(cues, 300, "a.wav"))["mouthCues"]
    assert [(row["start"], row["value"]) for row in rows] == [(0, "X"), (0.1, "A"), (0.11, "D"), (0.2, "B")]


def test_alike_on_both_sides_of_what_is_too_short_are_one() -> None:
    cues = [MouthCue(t_ms, shape, 1.0) for t_ms, shape in [(0, "A"), (15, "B"), (16, "A"), (100, "C")]]
    rows = json.loads(json_file(cues, 200, "a.wav"))["mouthCues"]
    assert [(row["start"], row["end"], row["value"]) for row in rows] == [(0, 0.1, "A"), (0.1, 0.2, "C")]


def test_nothing_but_rest() -> None:
    assert tsv_file([MouthCue(0, "X", 1.0)], 3) == "0.00\tX\n0.01\tX\n"
    assert tsv_file([], 1000) == "0.00\tX\n1.00\tX\n"
