"""Which word of the text does a phoneme belong to?

espeak-ng does not say: it expands numbers and runs words together ("of the" becomes ʌvðə). So every word is pronounced
alone as well, and the two phoneme strings are aligned by edit distance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rapidfuzz.distance import Levenshtein

from deployments.core.tokens import Token, tokenize
from deployments.core.types import WordSpan

from .spans import TimedPhonemes


def time_words(
    text: str,
    phonemes: Sequence[str],
    timed: TimedPhonemes,
    pronounce: Callable[[str], Sequence[str]],
) -> tuple[WordSpan, ...]:
    """Words with times, in order. Words that sound nowhere (a lone dash) are left out.

    Args:
        text: the sentence.
        phonemes: its phoneme symbols, as `timed.origins` counts them.
        timed: their times.
        pronounce: phonemes of a word spoken alone.
    """
    tokens = tokenize(text)
    alone = [(symbol, word) for word, token in enumerate(tokens) for symbol in _letters(pronounce(token.spoken))]
    heard = [(symbol, index) for index, symbol in enumerate(phonemes) if _letters([symbol])]
    owners = _owners([symbol for symbol, _ in alone], [word for _, word in alone], [symbol for symbol, _ in heard])
    word_of = {index: owner for (_, index), owner in zip(heard, owners, strict=True)}
    return _spans(tokens, timed, word_of, len(phonemes))


def _letters(symbols: Sequence[str]) -> list[str]:
    """Phonemes without spaces, punctuation and stress, which depend on the neighbours."""
    return [symbol for symbol in symbols if symbol.isalpha() and symbol not in "ˈˌːˑ"]


def _owners(alone: list[str], words: list[int], heard: list[str]) -> list[int]:
    """The word of every heard phoneme; never falling, so that words keep their order."""
    owners = [-1] * len(heard)
    for block in Levenshtein.opcodes(alone, heard):
        length = block.src_end - block.src_start
        for offset in range(block.dest_end - block.dest_start):
            if length:
                share = min(offset, length - 1)
                owners[block.dest_start + offset] = words[block.src_start + share]
    last = next((owner for owner in owners if owner >= 0), 0)
    for index, owner in enumerate(owners):
        last = max(last, owner)
        owners[index] = last
    return owners


def _spans(
    tokens: tuple[Token, ...], timed: TimedPhonemes, word_of: dict[int, int], count: int
) -> tuple[WordSpan, ...]:
    times: dict[int, tuple[float, float]] = {}
    following = -1
    next_word = [0] * count
    for index in reversed(range(count)):
        following = word_of.get(index, following)
        next_word[index] = following
    for span, origin in zip(timed.spans, timed.origins, strict=True):
        # A span may begin at a stress mark, which has no letter of its own: its word is that of the next letter.
        word = next_word[origin] if 0 <= origin < count else -1
        if word >= 0:
            start, _ = times.get(word, (span.start_s, span.end_s))
            times[word] = (start, span.end_s)
    return tuple(
        WordSpan(tokens[word].text, start, end, tokens[word].start_char, tokens[word].end_char)
        for word, (start, end) in sorted(times.items())
        if word < len(tokens)
    )
