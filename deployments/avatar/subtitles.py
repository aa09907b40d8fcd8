"""A caption file (WebVTT or SubRip) as the subtitle track of an MP4: 3GPP timed text, which FFmpeg calls mov_text.

Formats: W3C WebVTT; SubRip as players read it; a sample of 3GPP TS 26.245, 5.17: the length of its text in two bytes,
then the text in UTF-8.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_TIMES = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)[.,](\d{3}) --> (?:(\d+):)?(\d\d):(\d\d)[.,](\d{3})")
_TAG = re.compile(r"<[^>]*>")
_MAX_BYTES = 0xFFFF
"""Of one sample: its length has two bytes."""

HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment
Style: Default,Sans,18,&Hffffff,2

[Events]
Format: Start, End, Style, Text
"""
"""What FFmpeg's encoder makes the description of the track from (Advanced SubStation Alpha): white, in the middle of
the lower border."""

# fmt: off
_THREE_LETTERS = {
    "ar": "ara", "bg": "bul", "bn": "ben", "ca": "cat", "cs": "ces", "cy": "cym", "da": "dan",
    "de": "deu", "el": "ell", "en": "eng", "es": "spa", "et": "est", "eu": "eus", "fa": "fas",
    "fi": "fin", "fr": "fra", "ga": "gle", "he": "heb", "hi": "hin", "hr": "hrv", "hu": "hun",
    "hy": "hye", "id": "ind", "is": "isl", "it": "ita", "ja": "jpn", "ka": "kat", "kk": "kaz",
    "ko": "kor", "lb": "ltz", "lt": "lit", "lv": "lav", "ml": "mal", "ms": "msa", "nb": "nob",
    "ne": "nep", "nl": "nld", "nn": "nno", "no": "nor", "pl": "pol", "pt": "por", "ro": "ron",
    "ru": "rus", "sk": "slk", "sl": "slv", "sq": "sqi", "sr": "srp", "sv": "swe", "sw": "swa",
    "ta": "tam", "te": "tel", "th": "tha", "tr": "tur", "uk": "ukr", "ur": "urd", "vi": "vie",
    "zh": "zho",
}
# fmt: on
"""ISO 639-1 -> ISO 639-2/T, which MP4 asks for (ISO 14496-12, 8.4.2): those that voices speak."""


@dataclass(frozen=True)
class Cue:
    """One caption."""

    start_ms: int
    """Milliseconds from the start of the video."""
    end_ms: int
    text: str
    """Without tags and entities; lines apart by \\n."""

    def sample(self) -> bytes:
        """The text as it stands in the file."""
        return sample(self.text)


def sample(text: str) -> bytes:
    """A sample of timed text; what does not fit is cut off between two letters. Empty text: nothing is shown."""
    content = text.encode()[:_MAX_BYTES].decode(errors="ignore").encode()
    return len(content).to_bytes(2, "big") + content


def cues(captions: str) -> list[Cue]:
    """All that can be shown of a caption file, by time; what ends before it begins is left out.

    Args:
        captions: a WebVTT or SubRip file.
    """
    found = []
    marked = captions.lstrip("\ufeff").startswith("WEBVTT")  # SubRip has tags, and no entities
    for block in re.split(r"\n[ \t]*\n", captions.replace("\r\n", "\n")):
        times = _TIMES.search(block)
        if not times:
            continue
        start_ms, end_ms = _milliseconds(times.groups()[:4]), _milliseconds(times.groups()[4:])
        lines = block[times.end() :].partition("\n")[2].strip()
        text = _TAG.sub("", lines)
        if text and end_ms > start_ms:
            found.append(Cue(start_ms, end_ms, html.unescape(text) if marked else text))
    return sorted(found, key=lambda cue: cue.start_ms)


def language_code(language: str) -> str:
    """Three letters of ISO 639-2 for a language tag such as de, de-DE, en_US or deu; und where it is unknown."""
    first = re.split(r"[-_]", language.lower())[0]
    if len(first) == 3 and first.isascii() and first.isalpha():
        return first
    return _THREE_LETTERS.get(first, "und")


def _milliseconds(clock: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, rest = (int(part or 0) for part in clock)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest
