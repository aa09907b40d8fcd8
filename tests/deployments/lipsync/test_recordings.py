"""Recordings: how exact the mouth is, and what becomes of bad ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deployments.core.types import AudioClip, Reading
from deployments.core.visemes import VISEMES
from tests.deployments.lipsync.recordings import HARMS, load, names, recording, score
from tests.deployments.lipsync.scoring import DATA
from tests.shared import shared

HARMED = [harm for harm in HARMS if harm != "clean"]
RHUBARB = 0.53
"""What Rhubarb with the text agrees on in clean sound."""
FEW = ("s01", "s03", "s07", "s10")
QUIET = "Nobody speaks in this recording: the mouth stays at rest."


@pytest.fixture(scope="module", autouse=True)
def data() -> None:
    """The data lies beside the repository, not in it."""
    shared(DATA)


def test_aligned_mouths_are_exact(aligner: Any) -> None:
    figures = score(aligner, with_text=True)
    assert figures["files"] == len(names()) == 20
    assert figures["strict"] >= 0.78
    assert figures["closures"] == 1
    assert figures["FF"] == 1
    assert figures["false_cl_per_s"] <= 0.05
    assert abs(figures["best_lag_ms"]) <= 10


def test_recognized_mouths_are_close(recognizer: Any) -> None:
    figures = score(recognizer, with_text=False)
    assert figures["strict"] >= 0.74
    assert figures["closures"] >= 0.93
    assert figures["false_cl_per_s"] <= 0.15


@pytest.mark.parametrize("harm", HARMED)
def test_harm_leaves_aligned_mouths_better_than_rhubarbs(aligner: Any, harm: str) -> None:
    assert score(aligner, with_text=True, harm=harm, only=FEW)["strict"] >= RHUBARB + 0.1


@pytest.mark.parametrize("harm", HARMED)
def test_harm_leaves_recognized_mouths_better_than_rhubarbs(recognizer: Any, harm: str) -> None:
    assert score(recognizer, with_text=False, harm=harm, only=FEW)["strict"] >= RHUBARB


def _names(reading: Reading) -> set[str]:
    return {VISEMES[index].name for index in reading.visemes.visemes}


def _whole(reading: Reading, clip: AudioClip) -> None:
    """What every Reading is, whatever it is of."""
    track = reading.visemes
    assert track.duration_s == clip.duration_s
    assert len(track.starts_s) == len(track.visemes) == len(track.weights)
    assert (len(track.starts_s) == 0) == (clip.duration_s == 0)
    assert not len(track.starts_s) or track.starts_s[0] == 0
    assert (np.diff(track.starts_s) >= 0).all()
    assert ((track.weights >= 0) & (track.weights <= 1)).all()
    assert 0 <= reading.confidence <= 1
    last = 0.0
    for word in reading.words:
        assert reading.text[word.start_char : word.end_char] == word.text
        assert last <= word.start_s <= word.end_s <= clip.duration_s
        last = word.start_s


def _sounds_without_speech() -> dict[str, AudioClip]:
    random = np.random.default_rng(3)
    time = np.arange(3 * 16000) / 16000
    tune = sum(np.sin(2 * np.pi * 220 * 2 ** (np.floor(time * 4) % 5 / 5) * part * time) / part for part in range(1, 6))
    breath = np.convolve(random.normal(size=len(time)), np.ones(4) / 4, "same") * np.clip(np.sin(np.pi * time), 0, 1)
    sounds = {
        "nothing": (np.zeros(0), 16000),
        "one sample": (np.ones(1), 8000),
        "a click": (random.normal(0, 0.3, 100), 22050),
        "silence": (np.zeros(48000), 48000),
        "a step": (np.full(24000, 0.5), 24000),
        "white noise": (random.normal(0, 0.2, len(time)), 16000),
        "a tune": (0.2 * tune * (1 - time * 4 % 1), 16000),
        "breath": (0.1 * breath, 16000),
        "only nan": (np.full(16000, np.nan), 16000),
    }
    return {name: AudioClip(samples.astype(np.float32), rate) for name, (samples, rate) in sounds.items()}


SOUNDS = _sounds_without_speech()


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("which", ["aligner", "recognizer"])
def test_mouths_rest_where_nobody_speaks(request: pytest.FixtureRequest, which: str, name: str) -> None:
    clip = SOUNDS[name]
    reading = request.getfixturevalue(which).read(recording(clip, "Hello there."))
    _whole(reading, clip)
    assert _names(reading) <= {"sil"}
    assert reading.words == ()
    assert QUIET in reading.notes


def _harmed(name: str, clip: AudioClip) -> AudioClip:
    """The same speech as nobody should send it."""
    samples = clip.samples.copy()
    if name == "nan":
        samples[::7] = np.nan
    elif name == "infinite":
        samples[1000] = np.inf
    elif name == "clipped":
        samples *= 8
    elif name == "faint":
        samples *= 1e-3
    return AudioClip(samples, clip.sample_rate)


@pytest.mark.parametrize("name", ["nan", "infinite", "clipped", "faint"])
@pytest.mark.parametrize("which", ["aligner", "recognizer"])
def test_bad_samples_are_read_all_the_same(request: pytest.FixtureRequest, which: str, name: str) -> None:
    clip, text = load("s01")
    bad = _harmed(name, clip)
    reading = request.getfixturevalue(which).read(recording(bad, text))
    _whole(reading, bad)
    assert {"PP", "sil"} <= _names(reading)
    assert len(reading.visemes.starts_s) > 20


@pytest.mark.parametrize("rate", [8000, 11025, 48000, 192000])
def test_any_rate(aligner: Any, rate: int) -> None:
    clip, text = load("s01")
    times = np.arange(round(clip.duration_s * rate)) / rate
    samples = np.interp(times, np.arange(len(clip.samples)) / clip.sample_rate, clip.samples)
    other = AudioClip(samples.astype(np.float32), rate)
    reading = aligner.read(recording(other, text))
    _whole(reading, other)
    assert len(reading.words) == len(text.split())
    expected = aligner.read(recording(clip, text)).words
    assert [word.start_s for word in reading.words] == pytest.approx([word.start_s for word in expected], abs=0.05)


TEXTS = {
    "nothing": "",
    "blank": " \n",
    "signs": "… -- !!! ...",
    "stops": ". " * 2000,
    "han": "你好世界",
    "german": "Ich möchte heute gern ein Stück Kuchen essen, bitte schön.",
    "other words": "Purple elephants seldom juggle breakfast.",
    "a very long word": "a" * 5000,
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_not_what_is_said_is_not_forced(aligner: Any, name: str) -> None:
    clip, _ = load("s01")
    reading = aligner.read(recording(clip, TEXTS[name], ""))
    _whole(reading, clip)
    assert reading.method == "recognize words"
    assert "read without it" in reading.notes[0]
    assert "my name is joe" in reading.text


@pytest.mark.parametrize(
    "text", ["\x00Hello\x07 there", "\ud800", "😀😀 🎉", "12345678901234567890 3.14 1999", "%n $5 (en)"]
)
@pytest.mark.parametrize("language", ["en_US", "xx_YY", "", "ja_JP"])
def test_odd_texts_and_languages_do_no_harm(aligner: Any, text: str, language: str) -> None:
    clip, _ = load("s02")
    _whole(aligner.read(recording(clip, text, language)), clip)
