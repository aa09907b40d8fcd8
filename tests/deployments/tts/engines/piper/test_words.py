"""Words get the time of their own phonemes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.tokens import tokenize
from deployments.core.types import SILENCE, PhonemeSpan
from deployments.tts.engines.piper.spans import TimedPhonemes
from deployments.tts.engines.piper.words import time_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", ["Hello", "world"]),
        ('He said "no" (twice).', ["He", "said", "no", "twice"]),
        ("don't e-mail p.m.", ["don't", "e-mail", "p.m"]),
        ("it costs $5 or 20%", ["it", "costs", "5", "or", "20"]),
        ("a - b", ["a", "-", "b"]),
        ("你好 world", ["你", "好", "world"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("«école» e\u0301", ["école", "e\u0301"]),
        ("😀", ["😀"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_tokens(text: str, words: list[str]) -> None:
    assert [token.text for token in tokenize(text)] == words


@given(st.text(max_size=200))
def test_tokens_stand_where_they_say(text: str) -> None:
    position = 0
    for token in tokenize(text):
        assert position <= token.start_char < token.end_char <= len(text)
        assert text[token.start_char : token.end_char] == token.text
        assert token.text in token.spoken
        position = token.end_char


def _timed(symbols: list[str]) -> TimedPhonemes:
    """A tenth of a second for each phoneme; spaces are pauses."""
    spans, origins = [], []
    for index, symbol in enumerate(symbols):
        pause = symbol == " "
        spans.append(PhonemeSpan(SILENCE if pause else symbol, index / 10, (index + 1) / 10))
        origins.append(-1 if pause else index)
    return TimedPhonemes(tuple(spans), tuple(origins))


def _words(text: str, heard: str, lexicon: dict[str, str]) -> list[tuple[str, float, float]]:
    symbols = list(heard)
    words = time_words(text, symbols, _timed(symbols), lambda word: list(lexicon[word]))
    return [(word.text, round(word.start_s, 1), round(word.end_s, 1)) for word in words]


def test_words_as_spoken_alone() -> None:
    assert _words("ab cd", "ab cd", {"ab": "ab", "cd": "cd"}) == [("ab", 0.0, 0.2), ("cd", 0.3, 0.5)]


def test_words_that_run_together() -> None:
    """espeak-ng says "of the" in one breath, and with another vowel than alone."""
    assert _words("of the", "ʌvðə", {"of": "ɒv", "the": "ðiː"}) == [("of", 0.0, 0.2), ("the", 0.2, 0.4)]


def test_number_takes_all_that_it_is_expanded_to() -> None:
    words = _words("at 42 go", "æt fɔtitu ɡo", {"at": "æt", "42": "fɔtitu", "go": "ɡo"})
    assert words == [("at", 0.0, 0.2), ("42", 0.3, 0.9), ("go", 1.0, 1.2)]


def test_word_that_is_not_heard_is_left_out() -> None:
    assert _words("ab - cd", "ab cd", {"ab": "ab", "-": "", "cd": "cd"}) == [("ab", 0.0, 0.2), ("cd", 0.3, 0.5)]


def test_word_begins_at_its_stress_mark() -> None:
    symbols = list("aˈb")
    spans = (PhonemeSpan("a", 0.0, 0.1), PhonemeSpan("ˈb", 0.1, 0.3))
    words = time_words("a b", symbols, TimedPhonemes(spans, (0, 1)), lambda word: [word])
    assert [(word.text, word.start_s, word.end_s) for word in words] == [("a", 0.0, 0.1), ("b", 0.1, 0.3)]


@given(st.text(alphabet="abc,. $", max_size=30), st.text(alphabet="abcˈː ", max_size=40))
def test_words_are_in_order_whatever_is_heard(text: str, heard: str) -> None:
    symbols = list(heard)
    timed = _timed(symbols)
    words = time_words(text, symbols, timed, list)
    end_char, end_s = 0, 0.0
    for word in words:
        assert text[word.start_char : word.end_char] == word.text
        assert word.start_char >= end_char
        assert end_s <= word.start_s <= word.end_s <= len(symbols) / 10
        end_char, end_s = word.end_char, word.end_s
