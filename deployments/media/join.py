"""Joins finished sentences, in order, into one timeline and one sound."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.core.types import AudioClip, Speech, VisemeTrack, WordSpan
from deployments.core.visemes import REST

_SAME_S = 1e-6
"""Far below one sample: sums of seconds round."""


@dataclass(frozen=True)
class Pauses:
    """Silence put between sentences, on top of the little that the voice leaves at their edges."""

    sentence_s: float
    paragraph_s: float


@dataclass
class Timeline:
    """Grows sentence by sentence; `add` gives back the sound to append, so that encoding need not wait for the end."""

    pauses: Pauses
    keeps_sound: bool = True
    """False: `audio` stays empty."""
    duration_s: float = 0.0
    _sounds: list[NDArray[np.float32]] = field(default_factory=list)
    _tracks: list[VisemeTrack] = field(default_factory=list)
    _starts_s: list[float] = field(default_factory=list)
    _words: list[WordSpan] = field(default_factory=list)
    _sample_rate: int = 0
    _pause_s: float = 0.0
    """Owed before the next sentence."""

    def add(self, speech: Speech, track: VisemeTrack, start_char: int, ends_paragraph: bool) -> AudioClip:
        """Appends a sentence.

        Args:
            speech: what was said; 0 samples are passed over.
            track: its mouth shapes.
            start_char: where its text begins in the text of the request.
            ends_paragraph: whether the longer pause follows.

        Returns:
            The pause owed and the sentence's sound, to be appended to the file.
        """
        if len(speech.audio.samples) == 0:
            return speech.audio
        self._sample_rate = speech.audio.sample_rate
        silence = np.zeros(round(self._pause_s * self._sample_rate), np.float32)
        start_s = self.duration_s + len(silence) / self._sample_rate
        sound = np.concatenate((silence, speech.audio.samples)) if len(silence) else speech.audio.samples
        if self.keeps_sound:
            self._sounds.append(sound)
        self._tracks.append(track)
        self._starts_s.append(start_s)
        self._words += [_moved(word, start_s, start_char) for word in speech.words]
        self._pause_s = self.pauses.paragraph_s if ends_paragraph else self.pauses.sentence_s
        self.duration_s += len(sound) / self._sample_rate
        return AudioClip(sound, self._sample_rate)

    @property
    def audio(self) -> AudioClip:
        """All sound so far; (0,) before the first sentence, and where it is not kept."""
        sounds = np.concatenate(self._sounds) if self._sounds else np.zeros(0, np.float32)
        return AudioClip(sounds, self._sample_rate or 1)

    @property
    def words(self) -> tuple[WordSpan, ...]:
        """All words so far, with offsets in the text of the request."""
        return tuple(self._words)

    @property
    def visemes(self) -> VisemeTrack:
        """All mouth shapes so far, the mouth at rest in the pauses."""
        starts: list[NDArray[Any]] = [np.zeros(1)]
        visemes: list[NDArray[Any]] = [np.array([REST])]
        weights: list[NDArray[Any]] = [np.ones(1)]
        following_s = [*self._starts_s[1:], float("inf")]
        for index, (offset_s, track) in enumerate(zip(self._starts_s, self._tracks, strict=True)):
            end_s = offset_s + track.duration_s
            pauses = following_s[index] - end_s > _SAME_S  # pieces of a recording follow each other at once
            starts += [track.starts_s + offset_s, np.array([end_s] * pauses)]
            visemes += [track.visemes, np.array([REST] * pauses)]
            weights += [track.weights, np.ones(int(pauses))]
        return VisemeTrack(
            np.concatenate(starts),
            np.concatenate(visemes).astype(np.uint8),
            np.concatenate(weights).astype(np.float32),
            self.duration_s,
        )


def _moved(word: WordSpan, start_s: float, start_char: int) -> WordSpan:
    return replace(
        word,
        start_s=word.start_s + start_s,
        end_s=word.end_s + start_s,
        start_char=word.start_char + start_char,
        end_char=word.end_char + start_char,
    )
