"""Phonemes and their times to a track of mouth shapes: what every engine ends in that knows phonemes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from deployments.core.types import SILENCE, AudioClip, PhonemeSpan, VisemeTrack
from deployments.core.visemes import INDEX, VISEMES

from .ipa import BREATH, DIPHTHONGS, base_letters, shape

_IS_VOWEL = np.array([viseme.kind == "vowel" for viseme in VISEMES])
_BITE = INDEX["FF"]
_BITE_MIN = 0.8
"""Teeth on the lip are seen or not: JALI's floor for labiodentals, also for the lax ʋ."""
_BREATH_LIKE = {"AA": "H_AA", "EE": "H_EE", "OH": "H_OH", "OO": "H_OO"}
"""Basic shape of the next vowel -> row for an h in front of it."""


class Emphasis(BaseModel):
    """How much stress and loudness move the mouth: options of every engine that draws phonemes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unstressed: float = Field(default=0.85, ge=0, le=1)
    """Opening of an unstressed vowel relative to a stressed one."""
    quietest: float = Field(default=0.6, ge=0, le=1)
    """Opening of the quietest vowels relative to the loud ones; 1 turns the loudness rule off."""


@dataclass(frozen=True)
class _Sound:
    """One letter with its share of the time."""

    letter: str
    start_s: float
    end_s: float
    stressed: bool


def draw(phonemes: Sequence[PhonemeSpan], audio: AudioClip, emphasis: Emphasis) -> VisemeTrack:
    """One entry for each letter; equal neighbours are merged at the projection, not here.

    Args:
        phonemes: contiguous, from 0 to the end of the audio; IPA or SILENCE.
        audio: the sound itself, for the loudness of each vowel.
        emphasis: how much the opening follows stress and loudness.
    """
    sounds = _sounds(phonemes)
    shapes = _shapes(sounds)
    visemes = np.array([INDEX[name] for name, _ in shapes], np.uint8)
    weights = np.array([weight for _, weight in shapes], np.float64)
    starts = np.array([sound.start_s for sound in sounds], np.float64)
    weights = weights * _stress(sounds, visemes, emphasis) * _loudness(audio, sounds, visemes, emphasis)
    weights = np.where(visemes == _BITE, np.maximum(weights, _BITE_MIN), weights)
    return VisemeTrack(starts, visemes, np.clip(weights, 0, 1).astype(np.float32), audio.duration_s)


def _stress(sounds: Sequence[_Sound], visemes: NDArray[np.uint8], emphasis: Emphasis) -> NDArray[np.float64]:
    stressed = np.array([sound.stressed for sound in sounds], bool)
    if not stressed.any():  # a track without stress marks at all says nothing about stress
        return np.ones(len(sounds))
    return np.where(_IS_VOWEL[visemes] & ~stressed, emphasis.unstressed, 1.0)


def _loudness(
    audio: AudioClip, sounds: Sequence[_Sound], visemes: NDArray[np.uint8], emphasis: Emphasis
) -> NDArray[np.float64]:
    """Vowels open with their level, relative to the loud ones (95th percentile) of the same sentence."""
    power = np.zeros(len(audio.samples) + 1)
    np.cumsum(np.square(audio.samples), out=power[1:])  # no copy: half an hour is 230 MB
    rate, last = audio.sample_rate, len(power) - 1
    starts = np.clip(np.array([sound.start_s for sound in sounds]) * rate, 0, last).astype(int)
    ends = np.clip(np.array([sound.end_s for sound in sounds]) * rate, 0, last).astype(int)
    rms = np.sqrt((power[ends] - power[starts]) / np.maximum(1, ends - starts))
    vowels = _IS_VOWEL[visemes]
    reference = np.percentile(rms[vowels], 95) if vowels.any() else 0.0
    if reference <= 0:
        return np.ones(len(sounds))
    low = emphasis.quietest
    return np.where(vowels, low + (1 - low) * np.clip(rms / reference, 0, 1), 1.0)


def _sounds(phonemes: Sequence[PhonemeSpan]) -> list[_Sound]:
    """Phonemes as single letters: one of several letters (an affricate, a merged diphthong) shares its time equally."""
    sounds = []
    for span in phonemes:
        letters = [SILENCE] if span.symbol == SILENCE else list(base_letters(span.symbol)) or [SILENCE]
        step = (span.end_s - span.start_s) / len(letters)
        stressed = "ˈ" in span.symbol or "ˌ" in span.symbol
        for index, letter in enumerate(letters):
            start = span.start_s + index * step
            sounds.append(_Sound(letter, start, start + step, stressed))
    return sounds


def _shapes(sounds: Sequence[_Sound]) -> list[tuple[str, float]]:
    """Viseme name and weight of every sound, looking one ahead for glides and breath."""
    shapes: list[tuple[str, float]] = []
    glide: str | None = None
    for index, sound in enumerate(sounds):
        following = sounds[index + 1].letter if index + 1 < len(sounds) else ""
        if sound.letter == SILENCE:
            shapes.append(("sil", 1.0))
        elif glide:
            shapes.append((glide, shape(sound.letter)[1]))
            glide = None
        elif pair := DIPHTHONGS.get((sound.letter, following)):
            shapes.append((pair[0], shape(sound.letter)[1]))
            glide = pair[1]
        elif sound.letter in BREATH:
            shapes.append(_breath(sounds[index + 1 :]))
        else:
            shapes.append(shape(sound.letter))
    return shapes


def _breath(following: Sequence[_Sound]) -> tuple[str, float]:
    for sound in following:
        if sound.letter == SILENCE:
            break
        name, weight = shape(sound.letter)
        viseme = VISEMES[INDEX[name]]
        if viseme.kind == "vowel":
            return _BREATH_LIKE[viseme.basic], weight / 2
    return "H_AA", 0.2
