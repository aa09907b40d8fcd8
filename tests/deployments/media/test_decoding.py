"""Every kind of file that users send becomes the same sound; everything else is refused with its reason."""

from __future__ import annotations

import io
import wave
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.errors import AvatarError, BadRecording, RecordingTooLong
from deployments.media.decoding import SAMPLE_RATE, Found, decode
from tests.recordings import KINDS, float_wav, recording, tone, video


def decoded(tmp_path: Path, content: bytes, max_seconds: float = 100) -> tuple[Found, np.ndarray]:
    """What was found, and what is kept: (T,) float64."""
    sent, made = tmp_path / "sent", tmp_path / "made.wav"
    sent.write_bytes(content)
    found = decode(sent, made, max_seconds)
    with wave.open(str(made)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SAMPLE_RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    assert found.duration_s == pytest.approx(len(samples) / SAMPLE_RATE)
    return found, samples


def rates(kind: str) -> list[tuple[int, int]]:
    """Pairs of rate and channels that a kind can have."""
    if kind == "ogg vorbis":  # FFmpeg's encoder has no more
        return [(44_100, 2)]
    if kind in ("ogg opus", "webm"):
        return [(48_000, 1), (16_000, 2)]
    if kind == "mp3":
        return [(16_000, 1), (44_100, 2)]
    if kind == "m4a":
        return [(8_000, 1), (96_000, 2), (48_000, 6)]
    return [(8_000, 1), (22_050, 2), (192_000, 2), (48_000, 6)]


@pytest.mark.parametrize(("kind", "rate", "channels"), [(kind, *each) for kind in KINDS for each in rates(kind)])
def test_every_kind_becomes_the_same_sound(tmp_path: Path, kind: str, rate: int, channels: int) -> None:
    found, samples = decoded(tmp_path, recording(kind, tone(2, rate), rate, channels))
    assert found.duration_s == pytest.approx(2, abs=0.07)
    assert found.channels == channels and found.notes == [] and not found.silent
    assert found.sample_rate == (48_000 if "opus" in KINDS[kind][1] else rate)
    assert found.container == kind.split()[0].replace("m4a", "mp4")
    middle = samples[SAMPLE_RATE // 2 : SAMPLE_RATE * 3 // 2]
    loudest = np.argmax(np.abs(np.fft.rfft(middle)))
    assert loudest == 220 and np.abs(middle).max() == pytest.approx(0.3, abs=0.05)
    assert found.rms_dbfs == pytest.approx(-13.5, abs=0.6) and found.active_s == pytest.approx(2, abs=0.07)


@pytest.mark.parametrize("share", [0.35, 0.8])
@pytest.mark.parametrize("kind", list(KINDS))
def test_what_is_cut_short_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    whole = recording(kind, tone(3, 48_000), 48_000, 2)
    with pytest.raises(BadRecording, match=r"cut short|cannot be read") as caught:
        decoded(tmp_path, whole[: round(len(whole) * share)])
    assert caught.value.hint


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("index.html", "<h1>hello</h1>")
    return target.getvalue()


WAV = recording("wav", tone(0.5, 16_000), 16_000)
NOT_SOUND: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "html": (b"<!DOCTYPE html><title>Sign in</title>", "HTML"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "zip": (zipped(), "ZIP"),
    "program": (b"\x7fELF\x02\x01\x01" + bytes(100), "program"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
    "svg": (b"<?xml version='1.0'?><svg/>", "XML"),
    "playlist": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "playlist"),
    "concat": (b"ffconcat version 1.0\nfile /etc/passwd\n", "playlist"),
    "text": (b"hello, this is what I say", "no sound file"),
    "noise": (np.random.default_rng(0).bytes(5000), "no sound file"),
    "wav and zip": (WAV + zipped(), "ZIP archive at once"),
    "mp3 and html": (b"ID3\x04\0\0\0\0\0\x40<html><script>alert(1)</script>" + bytes(200), "document at once"),
    "video": (video(), "video"),
    "video without sound": (video(with_sound=False), "video"),
    "no samples": (float_wav(np.zeros(0, np.float32), 16_000), "not one sample"),
    "riff": (b"RIFF\x24\0\0\0WAVE" + bytes(28), "cut short"),
    "ftyp": (b"\0\0\0\x18ftypM4A " + bytes(200), "cannot be read"),
    "matroska": (b"\x1aE\xdf\xa3" + bytes(200), "cannot be read"),
    "ogg": (b"OggS" + bytes(23), "cut short"),
}


@pytest.mark.parametrize("name", list(NOT_SOUND))
def test_what_is_no_sound_is_said(tmp_path: Path, name: str) -> None:
    content, reason = NOT_SOUND[name]
    with pytest.raises(BadRecording, match=reason) as caught:
        decoded(tmp_path, content)
    assert str(caught.value).startswith("file: ") and caught.value.hint


def test_a_long_recording_is_refused_whether_it_says_its_length_or_not(tmp_path: Path) -> None:
    for kind in ("flac", "mp3"):
        with pytest.raises(RecordingTooLong, match="longer than 1 s"):
            decoded(tmp_path, recording(kind, tone(2, 44_100), 44_100), max_seconds=1)
    piped = bytearray(recording("wav", tone(2, 44_100), 44_100))
    piped[4:8] = b"\xff" * 4  # written to a pipe
    with pytest.raises(RecordingTooLong):
        decoded(tmp_path, bytes(piped), max_seconds=1)
    assert decoded(tmp_path, bytes(piped))[0].duration_s == pytest.approx(2)


def test_what_is_no_number_becomes_silence(tmp_path: Path) -> None:
    samples = tone(1, 24_000)
    samples[1000:1010], samples[5000] = np.nan, np.inf
    found, kept = decoded(tmp_path, float_wav(samples, 24_000))
    assert found.notes == ["11 values were no numbers and became silence."]
    assert np.abs(kept).max() <= 0.31 and np.abs(kept[1002:1008]).max() < 0.01


def test_too_loud_and_silent_are_noted(tmp_path: Path) -> None:
    loud, _ = decoded(tmp_path, float_wav(tone(1, 24_000, peak=3.0), 24_000))
    assert loud.peak == 1 and any("clipped" in note for note in loud.notes)
    quiet, kept = decoded(tmp_path, recording("wav", np.zeros(24_000, np.float32), 24_000))
    assert quiet.silent and quiet.peak == 0 and quiet.rms_dbfs == -120 and quiet.active_s == 0
    assert any("Nothing can be heard" in note for note in quiet.notes) and not kept.any()


def test_channels_out_of_phase_and_alone_are_mixed_evenly(tmp_path: Path) -> None:
    """The mean: what is on one channel alone is half as loud, and nothing clips."""
    sound = recording("wav", tone(1, 24_000, peak=0.9), 24_000, 2)
    found, _ = decoded(tmp_path, sound)
    assert found.peak == pytest.approx(0.9, abs=0.001)


@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
@settings(max_examples=60, deadline=None)
def test_damaged_files_are_refused_or_heard_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: str
) -> None:
    content = bytearray(_short(kind))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found, samples = decoded(tmp_path_factory.mktemp("damaged"), bytes(content), max_seconds=5)
    except AvatarError as error:
        assert error.status in (413, 422) and error.hint
    else:
        assert np.isfinite(samples).all() and 0 <= found.peak <= 1


_FILES: dict[str, bytes] = {}


def _short(kind: str) -> bytes:
    if kind not in _FILES:
        rate: Any = 48_000
        _FILES[kind] = recording(kind, tone(0.4, rate), rate, 2)
    return _FILES[kind]
