"""CPU time of lip sync, eyes and projection for each second of audio."""

from __future__ import annotations

import time

from deployments.core import engines
from deployments.core.types import Speech
from deployments.media.eyes import EyeOptions, eye_track
from deployments.media.mouth import MouthOptions, natural
from deployments.media.projection import mouth_cues
from deployments.tts.contract import Sentence

TEXT = "The quick brown fox jumps over the lazy dog, and my baby boy found five paper maps."
ROUNDS = 50


def run() -> None:
    """Limit: 0.003 CPU seconds."""
    tts = engines.load("tts", "piper", {})
    speech: Speech = tts.speak(tts.load(tts.default_voice), Sentence(TEXT, tts.default_voice))
    lipsync = engines.load("lipsync", "phonemes", {})
    started = time.process_time()
    for _ in range(ROUNDS):
        track = lipsync.track(speech)
        eye_track(track, speech.words, EyeOptions())
        mouth_cues(natural(track, MouthOptions()), "basic")
    seconds = (time.process_time() - started) / ROUNDS
    print(f"   lip sync, coarticulation, eyes, cues: {seconds / speech.audio.duration_s:.5f} CPU s per second of audio")
