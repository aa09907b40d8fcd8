"""Mouth shapes from the phoneme times that the synthesiser gave: exact by construction, no model, no licence."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from deployments.core.errors import BadInput
from deployments.core.types import AudioClip, PhonemeSpan, Reading, Speech, VisemeTrack
from deployments.lipsync.shapes import Emphasis, draw

VERSION = "1"


class Options(Emphasis):
    """Settings of the engine."""


class Engine:
    """IPA phonemes to visemes by table."""

    example: ClassVar[Speech] = Speech(
        AudioClip(np.zeros(2205, np.float32), 22050),
        (PhonemeSpan("p", 0.0, 0.05), PhonemeSpan("ˈa", 0.05, 0.1)),
        (),
        "pa",
        "en_US",
    )

    def __init__(self, options: Options) -> None:
        self._options = options

    def track(self, speech: Speech) -> VisemeTrack:
        """One entry for each letter; equal neighbours are merged at the projection, not here."""
        return draw(speech.phonemes, speech.audio, self._options)

    def read(self, speech: Speech) -> Reading:
        """The same with the words as they came; certain, because the synthesiser made the sound by these times.

        Raises:
            BadInput: the speech has sound but no phonemes: it is a recording.
        """
        if not speech.phonemes and speech.audio.duration_s:
            raise BadInput(
                "lipsync: a recording has no phoneme times for the engine phonemes.",
                hint="Use align where its text is known, recognize otherwise.",
            )
        return Reading(self.track(speech), speech.words, speech.text, "phonemes", 1.0, ())
