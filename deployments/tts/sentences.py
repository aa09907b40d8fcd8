"""Cuts a text into sentences: the unit in which everything is spoken, cached and cancelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

import sentencex

from deployments.core.errors import BadInput

VERSION = f"1, sentencex {version('sentencex')}"
"""Another whenever the same text would be cut in another way."""
MAX_CHARS = 300
"""About 20 s of speech: bounds the memory and the time of one model call."""

_CLAUSE_END = re.compile(r"[,;:)\]–—、，；：।](?=\s)|[、，；：]")
_SSML = re.compile(r"\s*(<\?xml[^>]*>\s*)?<speak[\s>]", re.IGNORECASE)
_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
"""Control characters, and halves of surrogate pairs: no text of their own, and no library takes them."""


@dataclass(frozen=True)
class TextSpan:
    """A sentence of a longer text."""

    text: str
    """Stripped; at most MAX_CHARS characters; characters stand where they stood in the original."""
    start_char: int
    """Offset of its first character in the original text."""
    ends_paragraph: bool
    """True when a line break follows."""


def split(text: str, language: str) -> tuple[TextSpan, ...]:
    """Sentences of `text`, in order, none empty.

    Args:
        text: any text; control characters and lone surrogates count as spaces.
        language: ISO 639 code ("en", "de"): abbreviations and marks differ by language.

    Raises:
        BadInput: SSML, which would be read aloud tag by tag.
    """
    if _SSML.match(text):
        raise BadInput("text: SSML is not understood.", hint="Send plain text: take the tags out.")
    clean = _UNSPEAKABLE.sub(" ", text)
    spans: list[TextSpan] = []
    for start, end in _boundaries(clean, language):
        for piece_start, piece_end in _capped(clean, start, end):
            piece = clean[piece_start:piece_end]
            stripped = piece.strip()
            if stripped:
                offset = piece_start + len(piece) - len(piece.lstrip())
                spans.append(TextSpan(stripped, offset, _line_ends(clean, offset + len(stripped))))
    return tuple(spans)


def _boundaries(text: str, language: str) -> Iterator[tuple[int, int]]:
    """Character ranges of the sentences, line by line: a line break always ends one."""
    for line in re.finditer(r"[^\r\n]+", text):
        start = line.start()
        for sentence in sentencex.segment(language, line.group()):
            yield start, start + len(sentence)
            start += len(sentence)


def _capped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cuts a range longer than MAX_CHARS behind a clause, else a word, else anywhere."""
    while end - start > MAX_CHARS:
        window = text[start : start + MAX_CHARS]
        clauses = [match.end() for match in _CLAUSE_END.finditer(window)]
        # A clause that ends in the first third would leave a crumb: a word further on is the better place.
        cut = clauses[-1] if clauses and clauses[-1] > MAX_CHARS // 3 else window.rfind(" ")
        cut = cut if cut > 0 else MAX_CHARS
        yield start, start + cut
        start += cut
    yield start, end


def _line_ends(text: str, position: int) -> bool:
    rest = text[position : position + 200]
    gap = rest[: len(rest) - len(rest.lstrip())]
    return "\n" in gap or "\r" in gap
