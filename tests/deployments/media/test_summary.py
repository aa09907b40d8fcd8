"""What moved the mouth, over all parts."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.core.types import Reading, VisemeTrack
from deployments.media.summary import Summary, clock


def _reading(method: str, confidence: float, duration_s: float, *notes: str) -> Reading:
    track = VisemeTrack(np.zeros(1), np.zeros(1, np.uint8), np.ones(1, np.float32), duration_s)
    return Reading(track, (), "", method, confidence, notes)


def test_methods_are_joined_and_confidence_weighed_by_time() -> None:
    summary = Summary()
    summary.add("align", _reading("align", 1.0, 30), 0)
    summary.add("recognize", _reading("recognize words", 0.5, 10), 30)
    summary.add("recognize", _reading("recognize words", 0.5, 20), 40)
    whole = summary.whole()
    assert (whole.engine, whole.method) == ("align, recognize", "align, recognize words")
    assert whole.confidence == pytest.approx(0.75) and whole.notes == ()


def test_a_note_says_where_unless_it_holds_everywhere() -> None:
    summary = Summary()
    for start_s in range(0, 100, 20):
        notes = ["No language was given.", *(["Nothing was heard."] if start_s else [])]
        summary.add("recognize", _reading("energy", 0.1, 20, *notes), start_s)
    summary.note("Our own.")
    assert summary.whole().notes == (
        "No language was given.",
        "Nothing was heard. (at 0:20, 0:40, 1:00 and in 1 more places)",
        "Our own.",
    )


def test_notes_are_bounded() -> None:
    summary = Summary()
    for index in range(100):
        summary.add("recognize", _reading("energy", 0, 1, f"Word {index} was not heard."), index)
    notes = summary.whole().notes
    assert len(notes) == 21 and notes[-1] == "There are 80 more notes."


def test_nothing_was_read() -> None:
    assert Summary().whole().confidence == 0


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0, 65.9, 3723)] == ["0:00", "1:05", "1:02:03"]
