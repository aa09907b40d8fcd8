"""What is said in a recording whose text nobody knows.

English is decoded to words with PocketSphinx's language model (BSD), because words know their sounds better than the
ear does. Where those words do not fit the sound (noise, another language, an unusual voice), hama's phone recogniser
(Apache-2.0, weights inside the package, a network trained on several languages) says the phones one by one. Either
way the acoustic search then finds their times; where even that fails, loudness moves the jaw.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from hama.asr import ASRModel
from numpy.typing import NDArray
from pocketsphinx import Decoder
from rapidfuzz.distance import Levenshtein

from .acoustics.features import HOP_S, RATE
from .acoustics.graph import build
from .acoustics.scores import Scores
from .acoustics.search import search
from .activity import Passage
from .listening import Heard, within
from .noise import without_noise
from .phones import Sound, sounds_of_ipa, sounds_of_phones

_SURE_FIT = 3.45
"""Words that fit like this are right on the whole, and no second opinion is asked: half of the time of clean speech."""
_MIN_FIT = 1.5
"""Words that fit less are guesses."""
_MAX_DIFFERENCE = 0.38
"""Share of phones in which words and phone recogniser may differ: 0.1 to 0.31 in sentences whose words are right, 0.41
and more in those whose words are not."""
_MIN_PASSAGE_S = 0.08
"""Less than a frame of each recogniser."""
_BEAT_S = 0.12
"""Of the jaw when nothing but loudness is known: about four syllables a second, open and shut."""


@dataclass(frozen=True)
class Spoken:
    """What was said in a passage."""

    way: str
    """words, phones or energy."""
    heard: list[Heard]
    words: list[str]
    """By index of `heard.word`; empty unless the way is words."""
    fit: float
    """Mean nats a frame above any speech."""


class Recognizer:
    """Says what is said."""

    def __init__(self) -> None:
        # Without the second pass over the words (fwdflat): a third of the time, and the words do not get worse. Under
        # noise everything is likely, and the search would take four times as long: at most 3000 states are kept.
        self._words = Decoder(loglevel="FATAL", fwdflat=False, maxhmmpf=3000)
        self._phones = ASRModel()
        self._lock = threading.Lock()  # neither of them may be asked by two threads at once

    def say(self, scores: Scores, samples: NDArray[np.float32], passage: Passage, language: str) -> Spoken:
        """The best reading of a passage.

        Args:
            scores: of the passage.
            samples: (N,) float32 in [-1, 1] at RATE, the whole recording.
            passage: which part of it.
            language: as in en_US; empty where nobody knows: then English words must fit well to be believed.
        """
        part = within(samples, passage)
        if passage.end_s - passage.start_s < _MIN_PASSAGE_S:
            return _by_energy(part, passage)
        with self._lock:
            return self._say(scores, part, passage, language)

    def _say(self, scores: Scores, part: NDArray[np.float32], passage: Passage, language: str) -> Spoken:
        words = None
        if language[:2].lower() in {"en", ""}:
            words = _timed("words", scores, passage, *self._decode(part))
            if words and words.fit >= _SURE_FIT:
                return words
        phones = _timed("phones", scores, passage, self._sounds(part), [])
        if words and _is_believed(words, phones):
            return words
        return phones or words or _by_energy(part, passage)

    def _decode(self, part: NDArray[np.float32]) -> tuple[list[list[Sound]], list[str]]:
        """English words and their sounds."""
        decoder = self._words
        decoder.start_utt()
        decoder.process_raw((part * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        names = [segment.word for segment in decoder.seg() or () if segment.word[0] not in "<["]
        sounds = [sounds_of_phones(decoder.lookup_word(name)) for name in names]
        return sounds, [name.partition("(")[0] for name in names]

    def _sounds(self, part: NDArray[np.float32]) -> list[list[Sound]]:
        """Phones of any language, in groups as words are."""
        said = self._phones.transcribe_waveform(without_noise(part), RATE).word_phoneme_text
        groups = [sounds_of_ipa(group.replace(" ", "")) for group in said.split("|")]
        return [group for group in groups if group]


@lru_cache(1)
def recognizer() -> Recognizer:
    """The one of this process, which both engines share: 130 MB."""
    return Recognizer()


def _timed(
    way: str, scores: Scores, passage: Passage, said: Sequence[Sequence[Sound]], words: list[str]
) -> Spoken | None:
    """With times; None where there is nothing, or no time for all of it."""
    if not said:
        return None
    graph = build(scores.model, [[tuple(sound.phone for sound in sounds)] for sounds in said])
    start = np.full(graph.junctions, -1e9, np.float32)
    start[0] = 0
    trellis = search(graph, scores, start, free=False)
    if trellis.final[-1] < -1e8:
        return None
    heard = []
    for stretch in trellis.trace(graph.junctions - 1)[0]:
        if stretch.unit < len(graph.words):
            word = int(graph.words[stretch.unit])
            sound = said[word][graph.places[stretch.unit]]
            start_s, end_s = (passage.start_s + frame * HOP_S for frame in (stretch.start, stretch.end))
            heard.append(Heard(sound, start_s, end_s, word, trellis.fit(stretch)))
    return Spoken(way, heard, words, mean_fit(heard))


def mean_fit(heard: Sequence[Heard]) -> float:
    """Nats a frame over all of it; 0 for nothing."""
    seconds = sum(each.end_s - each.start_s for each in heard)
    return sum(each.fit * (each.end_s - each.start_s) for each in heard) / seconds if seconds else 0.0


def _is_believed(words: Spoken, phones: Spoken | None) -> bool:
    if phones is None:
        return True
    by_words, by_phones = ([each.sound.phone for each in way.heard if each.sound] for way in (words, phones))
    difference = Levenshtein.normalized_distance(by_words, by_phones)
    return words.fit >= _MIN_FIT and difference <= _MAX_DIFFERENCE


def _by_energy(part: NDArray[np.float32], passage: Passage) -> Spoken:
    """An open mouth where it is loud, beat by beat."""
    beats = max(1, round((passage.end_s - passage.start_s) / _BEAT_S))
    edges = np.linspace(0, len(part), beats + 1).astype(int)
    power = [float(np.square(part[start:end]).mean()) if end > start else 0.0 for start, end in pairwise(edges)]
    loud = np.array(power) > 0.1 * max([*power, 1e-12])
    step = (passage.end_s - passage.start_s) / beats
    opens = Sound("AH", "ɐ")
    heard = [
        Heard(opens, passage.start_s + beat * step, passage.start_s + (beat + 1) * step)
        for beat in range(beats)
        if loud[beat] and beat % 2 == 0
    ]
    return Spoken("energy", heard, [], 0.0)
