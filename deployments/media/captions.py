"""Captions from word times: WebVTT that lights up word by word, and SubRip.

Formats: W3C WebVTT (cue timestamps inside the payload); SubRip as players read it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence

from deployments.core.types import WordSpan

_MAX_CHARS = 74
"""Two lines of 37 characters, as broadcasters set them."""
_MAX_GAP_S = 0.6
"""A longer pause starts a new caption."""


def vtt(text: str, words: Sequence[WordSpan]) -> str:
    """WebVTT; every word carries the time at which it begins."""
    cues = ["WEBVTT"]
    for phrase in _phrases(text, words):
        payload = " ".join(
            (f"<{_clock(word.start_s, '.')}>" if index else "") + html.escape(shown, quote=False)
            for index, (word, shown) in enumerate(phrase)
        )
        cues.append(f"{_range(phrase, '.')}\n{payload}")
    return "\n\n".join(cues) + "\n"


def srt(text: str, words: Sequence[WordSpan]) -> str:
    """SubRip: whole phrases."""
    cues = [
        f"{number}\n{_range(phrase, ',')}\n{' '.join(shown for _, shown in phrase)}"
        for number, phrase in enumerate(_phrases(text, words), 1)
    ]
    return "\n\n".join(cues) + "\n" if cues else ""


FORMATS: dict[str, Callable[[str, Sequence[WordSpan]], str]] = {"vtt": vtt, "srt": srt}
"""File extension -> writer."""

_Phrase = list[tuple[WordSpan, str]]


def _phrases(text: str, words: Sequence[WordSpan]) -> Iterator[_Phrase]:
    """Words grouped into captions, each with the text to show: its punctuation stays with it."""
    phrase: _Phrase = []
    length = 0
    for index, word in enumerate(words):
        shown = _shown(text, words, index)
        gap_s = word.start_s - phrase[-1][0].end_s if phrase else 0.0
        if phrase and (length + len(shown) > _MAX_CHARS or gap_s > _MAX_GAP_S or _ends_sentence(phrase[-1][1])):
            yield phrase
            phrase, length = [], 0
        phrase.append((word, shown))
        length += len(shown) + 1
    if phrase:
        yield phrase


def _shown(text: str, words: Sequence[WordSpan], index: int) -> str:
    start = words[index].start_char if index else 0
    end = words[index + 1].start_char if index + 1 < len(words) else len(text)
    # Opening quotes and brackets belong to the next word: they hang on it without a space.
    raw = text[start:end]
    opening = re.search(r"\s+[^\w\s]+$", raw) if index + 1 < len(words) else None
    before = re.search(r"[^\w\s]+$", text[: words[index].start_char]) if index else None
    kept = raw[: opening.start()] if opening and not raw.endswith(" ") else raw
    shown = (before.group() if before and _hangs(text, before.start()) else "") + kept
    # Control characters would break a caption file, and an arrow would look like the times of the next one.
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", shown.replace("-->", "→")).strip()


def _hangs(text: str, position: int) -> bool:
    """True when the signs at `position` have a space in front: they open the next word."""
    return position == 0 or text[position - 1].isspace()


def _ends_sentence(shown: str) -> bool:
    return bool(re.search(r"[.!?。！？…][\"'”’)\]]*$", shown)) and len(shown) > 4


def _range(phrase: _Phrase, mark: str) -> str:
    start_s, end_s = phrase[0][0].start_s, phrase[-1][0].end_s
    return f"{_clock(start_s, mark)} --> {_clock(max(end_s, start_s + 0.001), mark)}"


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"
