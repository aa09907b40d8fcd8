"""Rhubarb Lip Sync (Daniel S. Wolf): a program of the user's, for those who are used to its animation.

https://github.com/DanielSWolf/rhubarb-lip-sync (licence: MIT). It reads a WAV file, and the text if there is one, and
prints shapes A-H and X. What it prints is a stranger's data here, and the program is one that may hang: see program.py
and cues.py.
"""

from __future__ import annotations

import tempfile
import threading
import wave
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import soxr
from pydantic import BaseModel, ConfigDict, Field

from deployments.core.types import AudioClip, Reading, Speech, VisemeTrack

from .cues import read
from .program import Program

VERSION = "1"

_RATE = 16_000
"""Hertz: what Rhubarb's recogniser hears; it would resample itself."""
_MOST_SECONDS = 30.0
"""Of sound that timeout_s is for; more has more time."""
_AGREEMENT = {("pocketSphinx", True): 0.53, ("pocketSphinx", False): 0.51, ("phonetic", False): 0.43}
"""Recogniser, with text -> share of 10 ms frames that agree with exact truth: 40 sentences, Rhubarb 1.14. It says
nothing of its own about how sure it is."""


class Options(BaseModel):
    """Settings of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    binary: str = Field(default="rhubarb", min_length=1)
    """Name on PATH, or a path."""
    recognizer: Literal["pocketSphinx", "phonetic"] = "pocketSphinx"
    """phonetic for other languages than English; it makes no use of the text."""
    threads: int = Field(default=1, ge=1, le=64, exclude=True)
    """Of the program."""
    timeout_s: float = Field(default=18.0, gt=0, le=600, exclude=True)
    """For up to 30 s of sound: 0.3 CPU seconds each, and the machine may be busy."""


class Engine:
    """Runs the program once for each speech."""

    example: ClassVar[Speech] = Speech(AudioClip(np.zeros(1600, np.float32), _RATE), (), (), "", "en_US")

    def __init__(self, options: Options) -> None:
        """Needs no program yet: a server without one starts, and says so to whoever asks for this engine."""
        self._options = options
        self._lock = threading.Lock()
        self._running: tuple[Speech, Program] | None = None

    def read(self, speech: Speech) -> Reading:
        """Shapes without words.

        Raises:
            EngineNotInstalled: there is no such program.
            LipSyncFailed: it failed, took too long, or printed what is no animation of this sound.
        """
        method, has_text = f"rhubarb {self._options.recognizer}", self._uses_text(speech)
        duration_s = speech.audio.duration_s
        if not duration_s:
            empty = VisemeTrack(np.zeros(0), np.zeros(0, np.uint8), np.zeros(0, np.float32), 0.0)
            return Reading(empty, (), speech.text, method, 0.0, ("There is no sound.",))
        track = read(self._run(speech, has_text), duration_s)
        return Reading(track, (), speech.text, method, _AGREEMENT[self._options.recognizer, has_text], ())

    def give_up(self, speech: Speech) -> None:
        """Ends the program where it reads this speech; from any thread."""
        with self._lock:
            if self._running and self._running[0] is speech:
                self._running[1].kill()

    def _uses_text(self, speech: Speech) -> bool:
        return self._options.recognizer == "pocketSphinx" and bool(speech.text.strip())

    def _run(self, speech: Speech, has_text: bool) -> bytes:
        options = self._options
        limit_s = options.timeout_s * max(1.0, speech.audio.duration_s / _MOST_SECONDS)
        with tempfile.TemporaryDirectory(prefix="avatar-rhubarb-") as folder:
            sound, dialog = Path(folder, "speech.wav"), Path(folder, "dialog.txt")
            _write_wav(sound, speech.audio)
            arguments = ["-f", "json", "--quiet", "-r", options.recognizer, "--threads", str(options.threads)]
            if has_text:
                dialog.write_text(speech.text, encoding="utf-8")
                arguments += ["-d", str(dialog)]
            program = Program(options.binary, [*arguments, str(sound)])
            with self._lock:
                self._running = speech, program
            try:
                return program.output(limit_s)
            finally:
                with self._lock:
                    self._running = None


def _write_wav(path: Path, audio: AudioClip) -> None:
    samples = np.nan_to_num(audio.samples, nan=0.0, posinf=0.0, neginf=0.0)
    if audio.sample_rate != _RATE:
        samples = soxr.resample(samples, audio.sample_rate, _RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
