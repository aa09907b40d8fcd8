"""Caption files become samples of timed text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.avatar.subtitles import Cue, cues, language_code, sample
from deployments.core.types import WordSpan
from deployments.media.captions import FORMATS

VTT = """WEBVTT

NOTE nobody sees this

one
00:00:01.500 --> 00:00:02.000 align:start
Tom <00:00:01.700>&amp; <i>Jerry</i>
second line

01:02.003 --> 01:02:03.004
Late
"""
SRT = (
    "\ufeff1\r\n00:00:00,000 --> 00:00:01,000\r\n<b>A</b> &amp; B\r\n\r\n"
    "2\r\n00:00:01,000 --> 00:00:01,000\r\nnever\r\n"
)


def test_webvtt_loses_its_tags_and_entities() -> None:
    assert cues(VTT) == [Cue(1500, 2000, "Tom & Jerry\nsecond line"), Cue(62_003, 3_723_004, "Late")]


def test_subrip_has_tags_and_no_entities() -> None:
    assert cues(SRT) == [Cue(0, 1000, "A &amp; B")]


@pytest.mark.parametrize("form", list(FORMATS))
def test_our_own_captions_come_back(form: str) -> None:
    text = "Is 1 < 2? Yes & no."
    words = [
        WordSpan(text=word, start_s=0.25 * number, end_s=0.25 * number + 0.2, start_char=text.index(word), end_char=0)
        for number, word in enumerate(["Is", "1", "2", "Yes", "no"])
    ]
    found = cues(FORMATS[form](text, words))
    assert " ".join(cue.text for cue in found) == text
    assert found[0].start_ms == 0 and found[-1].end_ms == 1200


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_sample_says_how_long_it_is(text: str) -> None:
    coded = sample(text)
    assert int.from_bytes(coded[:2], "big") == len(coded) - 2
    assert coded[2:].decode() == text


def test_a_sample_that_is_too_long_ends_between_two_letters() -> None:
    coded = sample("é" * 40_000)
    assert coded[2:].decode() == "é" * 32_767


@given(st.text())
def test_any_text_has_cues_in_order(text: str) -> None:
    found = cues("WEBVTT\n\n" + text)
    assert all(cue.start_ms < cue.end_ms and cue.text for cue in found)
    assert found == sorted(found, key=lambda cue: cue.start_ms)


@pytest.mark.parametrize(
    ("language", "code"),
    [("de", "deu"), ("de-AT", "deu"), ("en_US", "eng"), ("CES", "ces"), ("", "und"), ("xx", "und"), ("日本語", "und")],
)
def test_languages_have_three_letters(language: str, code: str) -> None:
    assert language_code(language) == code
