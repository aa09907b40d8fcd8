"""Captions hold the whole text, in time, in the formats that players read."""

from __future__ import annotations

import html
import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.core.types import Speech, WordSpan
from deployments.media.captions import FORMATS, srt, vtt

_CLOCK = r"(\d\d):(\d\d):(\d\d)[.,](\d\d\d)"
TEXTS = st.one_of(
    st.text(max_size=150),
    st.lists(
        st.sampled_from(["Hello", '"quoted"', "-", "(well", "known)", "...", "a&b", "<i>", "-->", "\n\n", "你好。"])
    ).map(" ".join),
)


def _words(text: str, gap_s: float = 0.0) -> tuple[WordSpan, ...]:
    """Half a second for each word."""
    return tuple(
        WordSpan(match.group(), index * (0.5 + gap_s), index * (0.5 + gap_s) + 0.5, match.start(), match.end())
        for index, match in enumerate(re.finditer(r"\w+", text))
    )


def _seconds(match: re.Match[str]) -> float:
    hours, minutes, seconds, thousandths = map(int, match.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _cues(captions: str) -> list[tuple[float, float, str]]:
    """Start, end and payload, read as a player does."""
    cues = []
    for block in captions.removeprefix("WEBVTT\n").strip("\n").split("\n\n"):
        lines = block.split("\n")
        if lines[0].isdecimal():
            lines = lines[1:]
        if lines == [""]:
            continue
        timing, payload = lines
        times = re.fullmatch(f"{_CLOCK} --> {_CLOCK}", timing)
        assert times, timing
        start, end = (_seconds(match) for match in re.finditer(_CLOCK, timing))
        cues.append((start, end, payload))
    return cues


def _plain(payload: str) -> str:
    return html.unescape(re.sub(f"<{_CLOCK}>", "", payload))


@given(TEXTS)
@example('Say "hello" (now) - or never.')
@example("a <b> & c --> d")
@example("one\n\ntwo")
def test_captions_hold_the_whole_text(text: str) -> None:
    words = _words(text)
    for captions in (vtt(text, words), srt(text, words)):
        cues = _cues(captions)
        shown = " ".join(_plain(payload) if captions.startswith("WEBVTT") else payload for _, _, payload in cues)
        expected = re.sub(r"[\x00-\x1f\x7f]", " ", text).replace("-->", "→") if words else ""
        assert "".join(shown.split()) == "".join(expected.split())
        for start, end, _ in cues:
            assert start < end
        for before, after in itertools.pairwise(cues):
            assert before[1] <= after[0] + 1e-9


@given(TEXTS)
def test_every_word_lights_up_in_its_time(text: str) -> None:
    words = _words(text)
    times: list[float] = []
    for start, end, payload in _cues(vtt(text, words)):
        inner = [_seconds(match) for match in re.finditer(_CLOCK, payload)]
        assert all(start < time < end for time in inner)
        times += [start, *inner]
    assert times == pytest.approx([word.start_s for word in words], abs=0.0006)


@given(TEXTS)
def test_marks_of_the_format_are_escaped(text: str) -> None:
    for _, _, payload in _cues(vtt(text, _words(text))):
        assert "-->" not in payload
        assert not re.search(rf"<(?!{_CLOCK}>)", payload)


def test_vtt() -> None:
    text = 'He said "yes" & left. Then <b>.'
    assert vtt(text, _words(text)) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.000\n"
        'He <00:00:00.500>said <00:00:01.000>"yes" &amp; <00:00:01.500>left.\n\n'
        "00:00:02.000 --> 00:00:03.000\n"
        "Then <00:00:02.500>&lt;b&gt;.\n"
    )


def test_srt() -> None:
    text = 'He said "yes". Then (so) on.'
    assert srt(text, _words(text)) == (
        '1\n00:00:00,000 --> 00:00:01,500\nHe said "yes".\n\n2\n00:00:01,500 --> 00:00:03,000\nThen (so) on.\n'
    )


def test_hours() -> None:
    assert "01:01:01.500 --> 01:01:02.000" in vtt("a", [WordSpan("a", 3661.5, 3662.0, 0, 1)])


def test_long_text_is_cut_into_two_lines_worth() -> None:
    text = "several words that go on " * 20
    cues = _cues(srt(text, _words(text)))
    assert len(cues) > 5
    assert max(len(payload) for _, _, payload in cues) <= 80


def test_pause_starts_a_new_caption() -> None:
    assert len(_cues(srt("a b c", _words("a b c", gap_s=0.7)))) == 3
    assert len(_cues(srt("a b c", _words("a b c", gap_s=0.5)))) == 1


def test_word_without_time_is_still_shown() -> None:
    assert _cues(srt("a", [WordSpan("a", 1.0, 1.0, 0, 1)])) == [(1.0, 1.001, "a")]


def test_no_words() -> None:
    assert vtt("...", ()) == "WEBVTT\n"
    assert srt("...", ()) == ""


def test_real_speech(speech: Speech) -> None:
    for write in FORMATS.values():
        cues = _cues(write(speech.text, speech.words))
        assert " ".join(_plain(payload) for _, _, payload in cues) == speech.text
        assert cues[-1][1] <= speech.audio.duration_s
