"""The engine that finds out what is said."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController

from deployments.core.types import AudioClip, Reading, Speech
from deployments.lipsync.acoustics.model import load
from deployments.lipsync.acoustics.scores import Scores
from deployments.lipsync.activity import Activity
from deployments.lipsync.listening import cleaned, prepare, within
from deployments.lipsync.recognition import recognizer
from deployments.lipsync.report import Findings, reading

from . import Options


class Engine:
    """Finds out what is said, and when."""

    example: ClassVar[Speech] = Speech(AudioClip(np.zeros(8000, np.float32), 16000), (), (), "", "en_US")

    def __init__(self, options: Options) -> None:
        self._options = options
        self._model, self._activity, self._recognizer = load(), Activity(), recognizer()
        self._threads = ThreadpoolController()

    def read(self, speech: Speech) -> Reading:
        """The method is "recognize words", "recognize phones" or, where nothing else was understood, "energy"."""
        # BLAS is to use one thread: on products as small as these, more wait for each other three times as long.
        with self._threads.limit(limits=1, user_api="blas"):
            return self._read(cleaned(speech))

    def _read(self, speech: Speech) -> Reading:
        samples = prepare(speech.audio)
        findings = Findings()
        for passage in self._activity.passages(samples):
            scores = Scores(self._model, within(samples, passage))
            spoken = self._recognizer.say(scores, samples, passage, speech.language)
            findings.add_spoken(spoken, passage.end_s - passage.start_s, with_words=True)
        if not findings.seconds:
            findings.notes.append("Nobody speaks in this recording: the mouth stays at rest.")
        return reading(findings, samples, speech.audio.duration_s, self._options, "recognize")
