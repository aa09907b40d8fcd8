"""The words of a text in a recording: found, missing, and others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from deployments.core.types import AudioClip
from deployments.lipsync.engines.align import Options
from tests.deployments.lipsync.recordings import load, recording
from tests.deployments.lipsync.scoring import DATA
from tests.shared import shared


@pytest.fixture(scope="module", autouse=True)
def data() -> None:
    """The data lies beside the repository, not in it."""
    shared(DATA)


def _joined(*names: str, gap_s: float = 0.6) -> AudioClip:
    clips = [load(name)[0] for name in names]
    rate = clips[0].sample_rate
    gap = np.zeros(round(gap_s * rate), np.float32)
    return AudioClip(np.concatenate([part for clip in clips for part in (clip.samples, gap)]), rate)


def test_every_word_has_its_time(aligner: Any) -> None:
    clip, text = load("s05")
    reading = aligner.read(recording(clip, text))
    assert reading.method == "align"
    assert reading.text == text
    assert [word.text for word in reading.words] == [text[word.start_char : word.end_char] for word in reading.words]
    assert [word.text for word in reading.words] == ["My", "phone", "number", "is", "555", "0172", "extension", "38"]
    assert reading.notes == ()
    assert reading.confidence > 0.9


def test_words_that_are_not_said_are_named(aligner: Any) -> None:
    clip, text = load("s01")
    reading = aligner.read(recording(clip, f"{text} And afterwards everybody eats supper together."))
    assert [word.text for word in reading.words][-3:] == ["your", "guide", "today"]
    assert len(reading.words) == len(text.split())
    assert "Not heard, of 19 words: “And”, “afterwards”, “everybody”, “eats”, “supper” and 1 more." in reading.notes


def test_words_left_out_in_the_middle(aligner: Any) -> None:
    clip = _joined("s01", "s03")
    texts = [load(name)[1] for name in ("s01", "s02", "s03")]
    reading = aligner.read(recording(clip, " ".join(texts)))
    heard = " ".join(word.text for word in reading.words)
    assert heard.startswith("Hello there my name is Joe")
    assert heard.endswith("warm milk before bedtime")
    assert len(reading.words) == pytest.approx(len(f"{texts[0]} {texts[2]}".split()), abs=2)


def test_speech_that_is_not_in_the_text_is_read_too(aligner: Any) -> None:
    clip = _joined("s01", "s02", "s03")
    text = " ".join(load(name)[1] for name in ("s01", "s03"))
    reading = aligner.read(recording(clip, text))
    assert reading.method == "align"
    assert len(reading.words) == len(text.split())
    (note,) = [note for note in reading.notes if note.startswith("Speech that is not in the text: ")]
    start = load("s01")[0].duration_s + 0.6
    assert start - 0.1 <= float(note.split(": ")[1].split("-")[0]) <= start + 0.6
    inside = (reading.visemes.starts_s > start + 0.2) & (reading.visemes.starts_s < start + 2)
    assert inside.sum() > 10, "the mouth moves there as well"


def test_minutes_of_speech(aligner: Any) -> None:
    """Longer than one search: the text is carried from passage to passage."""
    names = [f"s{number:02d}" for number in range(1, 13)] * 2
    clip = _joined(*names, gap_s=0.1)
    text = " ".join(load(name)[1] for name in names)
    reading = aligner.read(recording(clip, text))
    assert len(reading.words) == len(text.split())
    starts = np.cumsum([0, *[load(name)[0].duration_s + 0.1 for name in names]])
    firsts = np.cumsum([0, *[len(load(name)[1].split()) for name in names[:-1]]])
    for first, start in zip(firsts, starts[:-1], strict=True):
        assert start - 0.1 <= reading.words[first].start_s < start + 0.5


def test_options_are_closed() -> None:
    with pytest.raises(ValidationError, match="least_heard"):
        Options(least_heard=2)
