"""The words of a text, with their places in it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_NO_SPACES = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Kana and Han: scripts that put no space between words; each character counts as one."""
_TOKEN = re.compile(rf"[{_NO_SPACES}]|[^\s{_NO_SPACES}]+")


@dataclass(frozen=True)
class Token:
    """A word as written."""

    text: str
    """Without the signs around it."""
    start_char: int
    end_char: int
    spoken: str
    """With them: in "$5" and "%n" they are heard."""


def tokenize(text: str) -> tuple[Token, ...]:
    """Words of `text` without the punctuation around them; a token of signs alone stays as it is."""
    tokens = []
    for match in _TOKEN.finditer(text):
        whole = match.group()
        letters = [index for index, sign in enumerate(whole) if _is_letter(sign)] or [0, len(whole) - 1]
        start, end = letters[0], letters[-1] + 1
        tokens.append(Token(whole[start:end], match.start() + start, match.start() + end, whole))
    return tuple(tokens)


def _is_letter(sign: str) -> bool:
    """Letters, digits, and the marks that are part of them: the vowel signs of Indic scripts, accents, _."""
    return sign.isalnum() or sign == "_" or unicodedata.category(sign).startswith("M")
