"""The engine with a real Rhubarb, and with programs that hang, crash, talk too much, or are not there."""

from __future__ import annotations

import threading
import time
import wave
from pathlib import Path

import numpy as np
import psutil
import pytest

from deployments.core.errors import EngineNotInstalled, LipSyncFailed
from deployments.core.types import AudioClip, Speech
from deployments.core.visemes import REST
from deployments.lipsync.engines.rhubarb import Engine, Options
from tests.rhubarb_setup import PROGRAM
from tests.shared import SHARED, shared

DATA = SHARED / "data" / "lipsync"
PATIENT_S = 300.0
"""Of a real program on a busy machine; nothing waits for it."""


def speech(seconds: float = 0.3, text: str = "") -> Speech:
    noise = np.random.default_rng(0).standard_normal(round(seconds * 22_050)) * 0.1
    return Speech(AudioClip(noise.astype(np.float32), 22_050), (), (), text, "en_US")


def program(folder: Path, script: str) -> str:
    """A program in its place."""
    path = folder / "rhubarb"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def alive(mark: str) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if mark in " ".join(each.info["cmdline"] or [])]


@pytest.fixture(scope="module")
def rhubarb() -> Engine:
    assert PROGRAM.is_file(), "Run python tests/rhubarb_setup.py, as make test does."
    return Engine(Options(binary=str(PROGRAM), timeout_s=PATIENT_S))


@pytest.mark.parametrize("with_text", [True, False])
def test_the_real_one_moves_the_mouth(rhubarb: Engine, with_text: bool) -> None:
    with wave.open(str(shared(DATA / "s01.wav"))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    text = (DATA / "s01.txt").read_text(encoding="utf-8") if with_text else ""
    reading = rhubarb.read(Speech(AudioClip(samples.astype(np.float32), 22_050), (), (), text, "en_US"))
    track = reading.visemes
    assert reading.method == "rhubarb pocketSphinx" and reading.confidence == (0.53 if with_text else 0.51)
    assert track.duration_s == pytest.approx(len(samples) / 22_050)
    assert len(set(track.visemes.tolist())) >= 5 and 2 < len(track.starts_s) / track.duration_s < 15
    assert track.visemes[-1] == REST and reading.text == text and reading.words == ()


def test_the_real_one_says_what_it_cannot(rhubarb: Engine) -> None:
    """The build of the tests has no phonetic recogniser: what a program complains of is handed on."""
    phonetic = Engine(Options(binary=str(PROGRAM), recognizer="phonetic", timeout_s=PATIENT_S))
    with pytest.raises(LipSyncFailed, match="status 1: Error: the recognizer phonetic"):
        phonetic.read(speech())


def test_no_sound_needs_no_program(tmp_path: Path) -> None:
    reading = Engine(Options(binary=str(tmp_path / "none"))).read(speech(0))
    assert len(reading.visemes.starts_s) == 0 and reading.notes


def test_a_program_that_is_not_there_is_the_users_affair(tmp_path: Path) -> None:
    engine = Engine(Options(binary=str(tmp_path / "rhubarb")))  # starts all the same
    with pytest.raises(EngineNotInstalled, match="not here") as caught:
        engine.read(speech())
    assert caught.value.status == 422 and "voice.lipsync.engines.rhubarb.binary" in (caught.value.hint or "")
    (tmp_path / "rhubarb").write_text("no program")
    with pytest.raises(EngineNotInstalled):
        engine.read(speech())


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "ended with status 3"),
        ("echo Kaboom >&2; exit 1", "status 1: Kaboom"),
        ("kill -SEGV $$", "killed by signal 11"),
        ("echo '<html>'", "printed no animation: no JSON"),
        ("true", "printed no animation"),
        ("cat /dev/zero", "printed more than 16 MB"),
        ("cat /dev/zero >&2 & echo '{\"mouthCues\": 1}'", "there are no mouthCues"),
    ],
)
def test_a_broken_program_is_said(tmp_path: Path, script: str, reason: str) -> None:
    engine = Engine(Options(binary=program(tmp_path, script), timeout_s=PATIENT_S))
    with pytest.raises(LipSyncFailed, match=reason) as caught:
        engine.read(speech())
    assert caught.value.hint
    assert not alive(str(tmp_path))


def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    engine = Engine(Options(binary=program(tmp_path, f"sleep 1234 & sh -c 'sleep 1235; : {tmp_path}'"), timeout_s=1.5))
    with pytest.raises(LipSyncFailed, match=r"took longer than 1\.5 s"):
        engine.read(speech())
    assert not alive(str(tmp_path)) and not alive("sleep 1234")


def test_what_is_given_up_ends_at_once_and_another_speech_does_not(tmp_path: Path) -> None:
    engine = Engine(Options(binary=program(tmp_path, "sleep 1236"), timeout_s=PATIENT_S))
    wanted, other = speech(), speech()
    failures: list[LipSyncFailed] = []

    def read() -> None:
        try:
            engine.read(wanted)
        except LipSyncFailed as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    while not alive("sleep 1236"):
        time.sleep(0.05)
    engine.give_up(other)
    thread.join(0.5)
    assert thread.is_alive()
    engine.give_up(wanted)
    thread.join(30)
    assert not thread.is_alive() and "given up" in str(failures[0]) and not alive("sleep 1236")


def test_any_rate_and_what_is_no_number_can_be_handed_over(tmp_path: Path) -> None:
    """The program gets a WAV of 16 kHz that it can read, and the text beside it."""
    script = 'for last; do :; done; cp "$last" "$0.wav"; echo "$@" > "$0.args"; echo \'{"mouthCues": []}\''
    engine = Engine(Options(binary=program(tmp_path, script), timeout_s=PATIENT_S))
    samples = np.full(9600, np.nan, np.float32)
    samples[::2] = 2.0
    reading = engine.read(Speech(AudioClip(samples, 96_000), (), (), "Grüße, world", "en_US"))
    assert reading.visemes.visemes.tolist() == [REST]
    with wave.open(f"{tmp_path / 'rhubarb'}.wav") as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 1600)
    assert "-d" in (tmp_path / "rhubarb.args").read_text()
