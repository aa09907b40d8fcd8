"""Sentences hold all of the text, at the right place, in bites that a model can take."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.tts.sentences import MAX_CHARS, split

LANGUAGES = st.sampled_from(["en", "de", "fr", "ar", "zh", "hi", "xx"])
PROSE = st.lists(
    st.sampled_from(
        ["Dr.", "Smith", "paid", "3.14", ",", "p.m.", "你好。", "end.", "\n", " ", '"Why?"', "😀", "a" * 200]
    ),
    max_size=60,
).map(" ".join)


def _spoken(character: str) -> bool:
    """Neither space nor control character nor half a surrogate pair."""
    return not (
        character.isspace() or character in "\ufeff\x7f" or "\x80" <= character <= "\x9f" or character < " "
    ) and (not "\ud800" <= character <= "\udfff")


@given(st.one_of(st.text(max_size=1000), PROSE), LANGUAGES)
@example("\ud800", "en")
@example("hi\x00there\r\nyou", "en")
@example(" " * 400 + "a", "en")
@example("a " * 1000, "de")
def test_spans_cover_the_text(text: str, language: str) -> None:
    position = 0
    for span in split(text, language):
        assert span.text == span.text.strip()
        assert 1 <= len(span.text) <= MAX_CHARS
        assert not any(map(_spoken, text[position : span.start_char]))
        position = span.start_char + len(span.text)
        original = text[span.start_char : position]
        assert all(mine == theirs or not _spoken(theirs) for mine, theirs in zip(span.text, original, strict=True))
    assert not any(map(_spoken, text[position:]))


def test_abbreviations_and_numbers_end_no_sentence() -> None:
    text = "Dr. Smith paid 3.14 at 5 p.m."
    assert [span.text for span in split(text, "en")] == [text]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Hello there. How are you? Fine!", "en", ["Hello there.", "How are you?", "Fine!"]),
        ("Das ist z.B. gut. Am 3. Mai kommt er.", "de", ["Das ist z.B. gut.", "Am 3. Mai kommt er."]),
        ("你好。世界！", "zh", ["你好。", "世界！"]),
        ("One line\nand another", "en", ["One line", "and another"]),
        ("", "en", []),
        (" \t\n\x00 ", "en", []),
    ],
)
def test_sentences(text: str, language: str, expected: list[str]) -> None:
    assert [span.text for span in split(text, language)] == expected


def test_5000_letters_without_a_space() -> None:
    spans = split("x" * 5000, "en")
    assert "".join(span.text for span in spans) == "x" * 5000
    assert max(len(span.text) for span in spans) == MAX_CHARS


def test_long_sentence_is_cut_behind_a_clause() -> None:
    clause = "the river ran on past the mill and the church" + " and so on" * 10
    spans = split(f"{clause}, {clause}, {clause}.", "en")
    assert len(spans) > 1
    assert spans[0].text.endswith(",")


def test_long_sentence_without_clauses_is_cut_between_words() -> None:
    text = "word " * 200
    assert {word for span in split(text, "en") for word in span.text.split()} == {"word"}


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", " \n ", "\n\n"])
def test_line_break_ends_a_paragraph(line_break: str) -> None:
    first, second = split(f"One.{line_break}Two.", "en")
    assert first.ends_paragraph
    assert not second.ends_paragraph


def test_sentences_of_one_line_end_no_paragraph() -> None:
    assert [span.ends_paragraph for span in split("One. Two.", "en")] == [False, False]
