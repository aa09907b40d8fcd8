"""The engine that finds a text in a sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController

from deployments.core.types import AudioClip, Reading, Speech
from deployments.lipsync.acoustics.model import load
from deployments.lipsync.acoustics.scores import Scores
from deployments.lipsync.activity import Activity, Passage
from deployments.lipsync.alignment import Found, align
from deployments.lipsync.listening import cleaned, prepare, within
from deployments.lipsync.pronunciation import Pronouncer, Word
from deployments.lipsync.recognition import recognizer
from deployments.lipsync.report import Findings, listed, reading

from . import Options

_WORDS_SHOWN = 5


class Engine:
    """Finds the text in the sound."""

    example: ClassVar[Speech] = Speech(AudioClip(np.zeros(8000, np.float32), 16000), (), (), "Hello", "en_US")

    def __init__(self, options: Options) -> None:
        self._options = options
        self._model, self._activity, self._recognizer = load(), Activity(), recognizer()
        self._threads = ThreadpoolController()
        self._pronouncer = Pronouncer()

    def read(self, speech: Speech) -> Reading:
        """The method is "align", or one of recognize's where the text is not what is said."""
        # BLAS is to use one thread: on products as small as these, more wait for each other three times as long.
        with self._threads.limit(limits=1, user_api="blas"):
            return self._read(cleaned(speech))

    def _read(self, speech: Speech) -> Reading:
        samples = prepare(speech.audio)
        passages = self._activity.passages(samples)
        words = self._pronouncer.words(speech.text, speech.language)
        found = align(self._model, samples, passages, [word.pronunciations for word in words])
        findings = self._with_text(speech, words, found, passages)
        foreign = [Passage(start, end, 1.0) for start, end in found.foreign] if findings.words else passages
        for passage in foreign:
            scores = Scores(self._model, within(samples, passage))
            spoken = self._recognizer.say(scores, samples, passage, speech.language)
            findings.add_spoken(spoken, passage.end_s - passage.start_s, with_words=not findings.words)
        return reading(findings, samples, speech.audio.duration_s, self._options, "align")

    def _with_text(self, speech: Speech, words: list[Word], found: Found, passages: Sequence[Passage]) -> Findings:
        """Of the text: without words, where the text is not what is said."""
        if not passages:
            note = "Nobody speaks in this recording: the mouth stays at rest."
            return Findings(text=speech.text, notes=[note])
        tokens = list(dict.fromkeys(word.token for word in words))
        token_of = {token: index for index, token in enumerate(tokens)}
        owner = [token_of[word.token] for word in words]
        heard = {owner[each.word] for each in found.heard}
        if not tokens:
            return Findings(notes=["The text has no word that can be said: the recording was read without it."])
        if len(heard) < self._options.least_heard * len(tokens):
            note = f"The text is not what is said: {len(heard)} of its {len(tokens)} words could be heard. "
            return Findings(notes=[f"{note}The recording was read without it."])
        findings = Findings([replace(each, word=owner[each.word]) for each in found.heard], text=speech.text)
        findings.words = [(token.text, token.start_char, token.end_char) for token in tokens]
        missing = [token.text for index, token in enumerate(tokens) if index not in heard]
        if missing:
            findings.notes.append(f"Not heard, of {len(tokens)} words: {_quoted(missing)}.")
        if found.foreign:
            findings.notes.append(f"Speech that is not in the text: {listed(found.foreign)}.")
        spoken = sum(passage.end_s - passage.start_s for passage in passages)
        findings.seconds["align"] = spoken - sum(end - start for start, end in found.foreign)
        return findings


def _quoted(words: Sequence[str]) -> str:
    shown = ", ".join(f"“{word[:40]}”" for word in words[:_WORDS_SHOWN])
    return shown + (f" and {len(words) - _WORDS_SHOWN} more" if len(words) > _WORDS_SHOWN else "")
