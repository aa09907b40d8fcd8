"""Piper: VITS voices on ONNX Runtime, with phoneme times from the model's own durations.

Model: https://github.com/OHF-Voice/piper1-gpl, package piper-tts (GPL-3.0-or-later; each voice has its own licence).
Weights: NAME.onnx and NAME.onnx.json, as published in rhasspy/piper-voices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import numpy as np
from piper import PiperVoice, SynthesisConfig
from pydantic import BaseModel, ConfigDict, Field

from deployments.core.errors import SynthesisFailed, UnknownSpeaker
from deployments.core.types import SILENCE, AudioClip, PhonemeSpan, Speech
from deployments.tts.contract import Sentence
from deployments.tts.voices import VoiceInfo, VoiceLibrary

from .graph import RUNTIME_ERRORS, load_voice
from .spans import PAD, TimedPhonemes, time_phonemes
from .words import time_words

_UNSPEAKABLE = re.compile(r"[\x00\ud800-\udfff]")
"""No C string and no UTF-8 can hold these."""
_WORD_CACHE = 20_000
"""Pronunciations of single words kept per voice: a large vocabulary in a few megabytes."""
_MAX_STOPS = 8
"""espeak-ng 1.52 as in piper-tts 1.8 writes beyond its buffers on texts of very many full stops ("A." 100 times) and
takes the process with it. Up to this many, 30 patterns in 10 languages did no harm; beyond, they become spaces."""
_MAX_PHONEMES = 400
"""One model call, about 20 s of speech: bounds its memory. 300 letters stay below, 300 emoji do not."""


VERSION = f"1, piper-tts {version('piper-tts')}"


class Options(BaseModel):
    """Settings of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # exclude=True: none of these changes what is spoken, so none is part of a key.
    voices_dir: Path = Field(default=Path("data/voices"), exclude=True)
    """Folder of downloaded voices."""
    model: Path | None = Field(default=None, exclude=True)
    """One more .onnx file; becomes the default voice."""
    default_voice: str | None = Field(default=None, exclude=True)
    """ID of the default voice."""
    threads: int = Field(default=2, ge=1, le=64, exclude=True)
    """ONNX threads of one voice: 2 speak soonest on an idle 2-core machine, 1 per replica gives the most throughput."""


@dataclass(frozen=True, eq=False)
class Voice:
    """A voice in memory."""

    info: VoiceInfo
    model: PiperVoice
    symbols: dict[int, str]
    """Phoneme id -> symbol."""
    words: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False)
    """Pronunciations so far: they go when the voice goes, which a cache on the method would prevent."""

    def phonemize(self, text: str) -> list[list[str]]:
        """Phonemes by espeak's own sentences.

        Raises:
            SynthesisFailed: the voice names a language or a package that is not here.
        """
        speakable = _UNSPEAKABLE.sub(" ", text)
        if speakable.count(".") > _MAX_STOPS:
            speakable = speakable.replace(".", " ")
        try:
            return self.model.phonemize(speakable)
        except (RuntimeError, ValueError, ImportError, OSError) as error:
            raise SynthesisFailed(f"{self.info.voice_id}: no phonemes: {error}") from error

    def pronounce(self, word: str) -> tuple[str, ...]:
        """Phonemes of a word spoken alone."""
        known = self.words.get(word)
        if known is None:
            if len(self.words) >= _WORD_CACHE:
                self.words.clear()
            known = self.words[word] = tuple(symbol for part in self.phonemize(word) for symbol in part)
        return known


class Engine:
    """Speaks with Piper voices."""

    example: ClassVar[str] = "Hello, this is a test."

    def __init__(self, options: Options) -> None:
        self._library = VoiceLibrary(options.voices_dir, options.model, options.default_voice)
        self._threads = options.threads
        self.default_voice = self._library.default

    def load(self, voice_id: str) -> Voice:
        """Reads the voice and runs it once, so that its first sentence is as fast as the next."""
        info = self._library.find(voice_id)
        assert info.model is not None
        model = load_voice(info.model, self._threads)
        symbols = {ids[0]: symbol for symbol, ids in model.config.phoneme_id_map.items()}
        voice = Voice(info, model, symbols)
        self.speak(voice, Sentence(self.example, voice_id))
        return voice

    def weights(self, voice_id: str) -> str:
        """Digest of the model and its config."""
        return self._library.weights(voice_id)

    def speak(self, voice: Voice, sentence: Sentence) -> Speech:
        """One call of the model for the whole sentence, unless it is very long."""
        parts = [voice.model.phonemes_to_ids(part) for part in _parts(_phonemize(voice, sentence.text))]
        ids = [phoneme_id for part in parts for phoneme_id in part]
        if not any(voice.symbols.get(i, " ").isalpha() for i in ids):
            return _silent(voice, sentence)
        audio, id_samples = _synthesize(voice, parts, sentence)
        timed = time_phonemes(ids, id_samples, voice.symbols, audio.samples, audio.sample_rate)
        timed = _exact_end(timed, audio.duration_s)
        symbols = [symbol for i in ids if (symbol := voice.symbols.get(i, " ")) != PAD]
        words = time_words(sentence.text, symbols, timed, voice.pronounce)
        return Speech(audio, timed.spans, words, sentence.text, voice.info.language)


def _phonemize(voice: Voice, text: str) -> list[str]:
    """One phoneme sequence for the sentence.

    espeak-ng ends a sentence behind every abbreviation ("Dr. Smith"); the splitter has decided already, so the full
    stops in between, and the fall of the voice with them, are taken out again.
    """
    joined: list[str] = []
    for part in voice.phonemize(text):
        if joined:
            if joined[-1] == ".":
                joined.pop()
            joined.append(" ")
        joined.extend(part)
    return joined


def _parts(phonemes: list[str]) -> Iterator[list[str]]:
    """Cuts behind a word, where a sentence has more phonemes than one call should have."""
    while len(phonemes) > _MAX_PHONEMES:
        spaces = [index for index in range(1, _MAX_PHONEMES) if phonemes[index] == " "]
        cut = spaces[-1] if spaces else _MAX_PHONEMES
        yield phonemes[:cut]
        phonemes = phonemes[cut:]
    if phonemes:
        yield phonemes


def _synthesize(voice: Voice, parts: list[list[int]], sentence: Sentence) -> tuple[AudioClip, np.ndarray]:
    config = SynthesisConfig(
        speaker_id=_speaker_id(voice, sentence.speaker),
        # Piper stretches durations by length_scale; the voice's own is its normal speed.
        length_scale=voice.model.config.length_scale / sentence.speed,
    )
    spoken = [_run(voice, ids, config) for ids in parts]
    samples = np.concatenate([samples for samples, _ in spoken])
    id_samples = np.concatenate([id_samples for _, id_samples in spoken])
    peak = float(np.abs(samples).max(initial=0.0))
    # Piper's own loudness rule: every sentence fills the range, silence stays silence.
    normalized = samples / peak if peak > 1e-8 else np.zeros_like(samples)
    return AudioClip(normalized.astype(np.float32), voice.model.config.sample_rate), id_samples


def _run(voice: Voice, ids: list[int], config: SynthesisConfig) -> tuple[np.ndarray, np.ndarray]:
    """Samples, and how many of them each id took."""
    try:
        samples, id_samples = voice.model.phoneme_ids_to_audio(ids, config, include_alignments=True)
    except RUNTIME_ERRORS as error:
        raise SynthesisFailed(f"{voice.info.voice_id}: {error}") from error
    if id_samples is None or id_samples.sum() != samples.size:
        raise SynthesisFailed(f"{voice.info.voice_id}: durations do not add up to the audio")
    return samples.reshape(-1), id_samples.reshape(-1)


def _speaker_id(voice: Voice, speaker: str | None) -> int | None:
    names: Sequence[str] = voice.info.speakers
    if speaker is None:
        return None
    known = voice.model.config.speaker_id_map
    if speaker in known:
        return int(known[speaker])
    if speaker.isdecimal() and len(speaker) <= 6 and int(speaker) < max(1, voice.model.config.num_speakers):
        return int(speaker)
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    raise UnknownSpeaker(
        f"speaker: {voice.info.voice_id} has no speaker {speaker[:80]!r}.",
        hint=f"Allowed: {shown}." if names else "This voice has one speaker: leave the field out.",
    )


def _exact_end(timed: TimedPhonemes, duration_s: float) -> TimedPhonemes:
    """Closes the rounding of half pads: the last span ends where the audio ends."""
    last = timed.spans[-1]
    closed = PhonemeSpan(last.symbol, last.start_s, duration_s)
    return TimedPhonemes((*timed.spans[:-1], closed), timed.origins)


def _silent(voice: Voice, sentence: Sentence) -> Speech:
    """A sentence without anything to say ("..."): no sound, no time."""
    clip = AudioClip(np.zeros(0, np.float32), voice.model.config.sample_rate)
    spans = (PhonemeSpan(SILENCE, 0.0, 0.0),)
    return Speech(clip, spans, (), sentence.text, voice.info.language)
