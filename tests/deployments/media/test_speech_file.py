"""Speech files can be played while they come in, and hold the sound that went in."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.core.types import AudioClip, Speech, SpeechFormat
from deployments.media.encoding import EncodingError, wav
from deployments.media.speech_file import MEDIA_TYPES, PCM_RATE, SpeechFile, whole

FORMATS: tuple[SpeechFormat, ...] = ("wav", "mp3", "opus", "flac", "pcm")
KEPT_BACK_S = 0.15
"""LAME looks five frames of 26 ms ahead; a frame of FLAC is 104 ms at 22,050 Hz."""
MAGIC: dict[SpeechFormat, tuple[bytes, str]] = {
    "wav": (b"RIFF\xff\xff\xff\xffWAVEfmt ", "pcm_s16le"),
    "mp3": (b"\xff\xfb", "mp3float"),
    "opus": (b"OggS\x00\x02", "opus"),
    "flac": (b"fLaC\x00", "flac"),
}
"""How the file begins, and what decodes it."""


def _decoded(format: SpeechFormat, file: bytes) -> tuple[NDArray[np.float64], int]:
    """(T,) float64 in [-1, 1], and Hertz."""
    if format == "pcm":
        return np.frombuffer(file, "<i2") / 32768, PCM_RATE
    with av.open(io.BytesIO(file), mode="r") as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray().mean(axis=0) for frame in container.decode(stream)]
        full = 32768 if stream.format.name.startswith("s16") else 1
        sound: NDArray[np.float64] = np.concatenate([np.zeros(0), *frames]) / full
        return sound, int(stream.rate or 0)


def _streamed(format: SpeechFormat, clips: Sequence[AudioClip], rate: int = 22_050) -> bytes:
    file = SpeechFile(format, rate)
    return b"".join([*(file.append(clip) for clip in clips), file.finish()])


def _cut(clip: AudioClip, parts: int) -> list[AudioClip]:
    return [AudioClip(part, clip.sample_rate) for part in np.array_split(clip.samples, parts)]


def _silence(samples: int, rate: int = 22_050) -> AudioClip:
    return AudioClip(np.zeros(samples, np.float32), rate)


def _at(samples: NDArray[np.float32] | NDArray[np.float64], rate: int, wanted: int) -> NDArray[np.float64]:
    moments = np.arange(int(len(samples) / rate * wanted)) / wanted
    return np.interp(moments, np.arange(len(samples)) / rate, samples)


def _alike(heard: NDArray[np.float64], rate: int, spoken: AudioClip) -> float:
    """Correlation of what is heard with what was spoken, at the best delay; that must be 0 to 60 ms."""
    heard = _at(heard, rate, PCM_RATE)
    own = _at(spoken.samples, spoken.sample_rate, PCM_RATE)
    size = len(heard) + len(own)
    fits = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(own, size)), size)
    delay = int(fits.argmax())
    assert delay <= 0.06 * PCM_RATE
    length = min(len(heard) - delay, len(own))
    return float(np.corrcoef(heard[delay : delay + length], own[:length])[0, 1])


@pytest.mark.parametrize("format", FORMATS)
def test_sentences_become_one_file(format: SpeechFormat, speech: Speech) -> None:
    heard, rate = _decoded(format, _streamed(format, _cut(speech.audio, 3)))
    assert abs(len(heard) / rate - speech.audio.duration_s) < 0.06
    assert _alike(heard, rate, speech.audio) > 0.95


@pytest.mark.parametrize("format", FORMATS)
def test_first_sentence_can_be_heard_at_once(format: SpeechFormat, speech: Speech) -> None:
    heard, rate = _decoded(format, SpeechFile(format, speech.audio.sample_rate).append(speech.audio))
    assert len(heard) / rate > speech.audio.duration_s - KEPT_BACK_S
    assert _alike(heard, rate, speech.audio) > 0.95


@pytest.mark.parametrize("format", FORMATS)
def test_every_sentence_leaves_before_the_next_comes(format: SpeechFormat, speech: Speech) -> None:
    file, sent, spoken_s = SpeechFile(format, speech.audio.sample_rate), b"", 0.0
    for clip in _cut(speech.audio, 4):
        sent += file.append(clip)
        spoken_s += clip.duration_s
        heard, rate = _decoded(format, sent)
        assert len(heard) / rate > spoken_s - KEPT_BACK_S


@pytest.mark.parametrize("format", FORMATS)
def test_many_tiny_clips(format: SpeechFormat, speech: Speech) -> None:
    """Some without a sample: nothing is heard of the seams."""
    clips = [part for clip in _cut(speech.audio, 1000) for part in (clip, _silence(0))]
    heard, rate = _decoded(format, _streamed(format, clips))
    once, _ = _decoded(format, _streamed(format, [speech.audio]))
    assert len(heard) == len(once)
    assert np.corrcoef(heard, once)[0, 1] > 0.99
    assert abs(len(heard) / rate - speech.audio.duration_s) < 0.06


@pytest.mark.parametrize("samples", [0, 1, 100])
@pytest.mark.parametrize("format", FORMATS)
def test_next_to_nothing_is_a_file_too(format: SpeechFormat, samples: int) -> None:
    for file in (_streamed(format, [_silence(samples)]), whole(format, _silence(samples))):
        heard, rate = _decoded(format, file)
        assert abs(len(heard) / rate - samples / 22_050) < 0.06
        assert not heard.any()


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("format", FORMATS)
def test_rates_of_all_voices(format: SpeechFormat, rate: int) -> None:
    tone = AudioClip((0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.float32), rate)
    heard, heard_rate = _decoded(format, _streamed(format, [tone], rate))
    assert abs(len(heard) / heard_rate - 1) < 0.06
    spectrum = np.abs(np.fft.rfft(heard))
    assert abs(spectrum.argmax() * heard_rate / len(heard) - 440) < 2


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_nothing_is_lost_but_16_bits(format: SpeechFormat, speech: Speech) -> None:
    loud = AudioClip(np.concatenate([speech.audio.samples, [2.0, -2.0]]), speech.audio.sample_rate)
    exact = np.round(np.clip(loud.samples, -1, 1) * 32767)
    for file in (_streamed(format, _cut(loud, 5)), whole(format, loud)):
        heard, rate = _decoded(format, file)
        assert rate == loud.sample_rate
        np.testing.assert_array_equal(heard * 32768, exact)


def test_pcm_is_as_long_as_the_speech(speech: Speech) -> None:
    for file in (_streamed("pcm", _cut(speech.audio, 5)), whole("pcm", speech.audio)):
        assert len(file) % 2 == 0
        assert abs(len(file) / 2 / PCM_RATE - speech.audio.duration_s) < 0.001


@pytest.mark.parametrize("format", MAGIC)
def test_files_are_what_they_say(format: SpeechFormat, speech: Speech) -> None:
    file = _streamed(format, [speech.audio])
    magic, codec = MAGIC[format]
    assert file.startswith(magic)
    with av.open(io.BytesIO(file), mode="r") as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.layout.nb_channels) == (codec, 1)


def test_streamed_wav_has_the_short_header(speech: Speech) -> None:
    """Of 44 bytes, which simple clients skip without reading them."""
    file = _streamed("wav", [speech.audio])
    assert file[36:44] == b"data\xff\xff\xff\xff"
    assert file[44:] == wav(speech.audio)[44:]


@pytest.mark.parametrize("format", FORMATS)
def test_finished_file_knows_its_length(format: SpeechFormat, speech: Speech) -> None:
    file = whole(format, speech.audio)
    heard, rate = _decoded(format, file)
    assert len(heard) / rate == pytest.approx(speech.audio.duration_s, abs=0.001)
    assert _alike(heard, rate, speech.audio) > 0.95
    if format != "pcm":
        with av.open(io.BytesIO(file), mode="r") as container:
            assert container.duration is not None
            assert container.duration / 1e6 == pytest.approx(speech.audio.duration_s, abs=0.06)


def test_finished_wav_is_the_wav_of_the_render(speech: Speech) -> None:
    file = whole("wav", speech.audio)
    assert file == wav(speech.audio)
    with wave.open(io.BytesIO(file)) as opened:
        assert opened.getnframes() == len(speech.audio.samples)


@pytest.mark.parametrize("format", ["mp3", "opus", "pcm"])
def test_rate_that_no_codec_takes(format: SpeechFormat) -> None:
    with pytest.raises(EncodingError):
        whole(format, _silence(1000, 2**31 - 1))


def test_rate_that_the_file_cannot_say() -> None:
    with pytest.raises(EncodingError):
        SpeechFile("flac", 2**31 - 1)


def test_every_format_has_its_media_type() -> None:
    assert tuple(MEDIA_TYPES) == FORMATS
