"""How the words of a text may be pronounced: by espeak-ng in their context and alone, and by the model's dictionary.

espeak-ng comes inside piper-tts (GPL-3.0-or-later) and knows numbers, names and a hundred languages; the dictionary
is CMU's (BSD), in the package pocketsphinx, and knows what English speakers say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from piper.phonemize_espeak import EspeakPhonemizer

from deployments.core.tokens import Token, tokenize

from .phones import Sound, shared_out, sounds_of_ipa, sounds_of_phones, with_stress_of

DEFAULT_VOICE = "en-us"
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\ud800-\udfff]")
"""No C string and no UTF-8 can hold some of these."""
_MAX_CHARS = 200
"""espeak-ng 1.52 writes beyond its buffers on very many signs in one call (deployments/tts/engines/piper)."""
_SWITCH = re.compile(r"\([^)]*\)")
_WORD_CACHE = 20_000
"""A large vocabulary in a few megabytes."""
_MAX_SOUNDS = 60
"""Of one word: what is longer ("aaaa…") was never said in one."""


@dataclass(frozen=True)
class Word:
    """A word to listen for."""

    token: Token
    """Of the text; several words for one as in "42"."""
    pronunciations: tuple[tuple[Sound, ...], ...]
    """At least one, each with at least one sound; the likeliest first."""


class Pronouncer:
    """Pronunciations of texts in many languages."""

    def __init__(self) -> None:
        self._espeak = EspeakPhonemizer()
        self._dictionary = _read_dictionary()
        self._alone = lru_cache(_WORD_CACHE)(self._speak)

    def words(self, text: str, language: str) -> list[Word]:
        """The words of a text that sound, in order.

        Args:
            text: as written.
            language: as in en_US; American English where it is empty or unknown to espeak-ng.
        """
        voice = self._voice(language)
        found: list[Word] = []
        for tokens in _lines(tokenize(text)):
            found += self._line(text[tokens[0].start_char : tokens[-1].end_char], tokens, voice)
        return found

    def in_dictionary(self, word: str) -> list[list[Sound]]:
        """What the dictionary says."""
        return [sounds_of_phones(phones) for phones in self._dictionary.get(word, ())]

    def _line(self, line: str, tokens: Sequence[Token], voice: str) -> Iterator[Word]:
        alone = [self._alone(token.spoken[:_MAX_CHARS], voice) for token in tokens]
        whole = [[sound for part in parts for sound in part] for parts in alone]
        inside = shared_out(whole, self._together(line, voice), key=lambda sound: sound.letters)
        for token, parts, context in zip(tokens, alone, inside, strict=True):
            if len(parts) > 1:
                yield from (Word(token, (part[:_MAX_SOUNDS],)) for part in parts)
            elif parts:
                english = self.in_dictionary(token.text.lower()) if voice.startswith("en") else []
                known = [with_stress_of(sounds, list(parts[0])) for sounds in english]
                yield Word(token, _different([context, parts[0], *known]))

    def _speak(self, text: str, voice: str) -> tuple[tuple[Sound, ...], ...]:
        """Sounds, word by word as espeak-ng hears them."""
        text = _UNSPEAKABLE.sub(" ", text).replace(".", " ") if text.count(".") > 1 else _UNSPEAKABLE.sub(" ", text)
        sentences = self._espeak.phonemize(voice, text)
        joined = " ".join(_SWITCH.sub("", "".join(sentence)) for sentence in sentences)
        words = (tuple(sounds_of_ipa(word)) for word in joined.split())
        return tuple(word for word in words if word)

    def _together(self, line: str, voice: str) -> list[Sound]:
        return [sound for word in self._speak(line, voice) for sound in word]

    def _voice(self, language: str) -> str:
        """Name of an espeak-ng voice: en-us, else the language alone."""
        for voice in (language.replace("_", "-").lower(), re.split("[-_]", language)[0].lower()):
            try:
                if voice and self._alone("a", voice) is not None:
                    return voice
            except RuntimeError:  # espeak-ng has no such voice
                continue
        return DEFAULT_VOICE


def _lines(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Tokens by the line that espeak-ng is given."""
    line: list[Token] = []
    for token in tokens:
        if line and token.end_char - line[0].start_char > _MAX_CHARS:
            yield line
            line = []
        line.append(token)
    if line:
        yield line


def _different(pronunciations: Sequence[Sequence[Sound]]) -> tuple[tuple[Sound, ...], ...]:
    """Without those of the same phones as an earlier one, and empty ones."""
    found: dict[tuple[str, ...], tuple[Sound, ...]] = {}
    for sounds in pronunciations:
        if sounds:
            found.setdefault(tuple(sound.phone for sound in sounds), tuple(sounds[:_MAX_SOUNDS]))
    return tuple(found.values())


def _read_dictionary() -> dict[str, list[str]]:
    """Word -> its pronunciations; 130,000 words, 0.2 s, 35 MB."""
    found: dict[str, list[str]] = {}
    path = files("pocketsphinx") / "model" / "en-us" / "cmudict-en-us.dict"
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, phones = line.partition(" ")
        found.setdefault(name.partition("(")[0], []).append(phones)
    return found
