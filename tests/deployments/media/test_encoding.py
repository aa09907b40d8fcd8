"""Audio files hold the sound that went in."""

from __future__ import annotations

import io
import wave

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from deployments.core.types import AudioClip, Speech
from deployments.media.encoding import OPUS_RATE, OpusFile, wav

FRAME_S = 0.02
"""Opus works in frames of this length."""


def _decoded(file: bytes) -> tuple[NDArray[np.float32], int]:
    with av.open(io.BytesIO(file), mode="r") as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray() for frame in container.decode(stream)]
        return np.concatenate(frames, axis=1).mean(axis=0), int(stream.rate or 0)


def _opus(*clips: AudioClip) -> bytes:
    file = OpusFile(clips[0].sample_rate)
    for clip in clips:
        file.append(clip)
    return file.finish()


def _at(samples: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float64]:
    moments = np.arange(int(len(samples) / rate * wanted)) / wanted
    return np.interp(moments, np.arange(len(samples)) / rate, samples)


def test_opus_sounds_like_the_speech(speech: Speech) -> None:
    decoded, rate = _decoded(_opus(speech.audio))
    heard = _at(decoded, rate, OPUS_RATE)
    spoken = _at(speech.audio.samples, speech.audio.sample_rate, OPUS_RATE)
    assert abs(len(decoded) / rate - speech.audio.duration_s) < 0.001 + FRAME_S
    length = min(len(heard), len(spoken))
    assert np.corrcoef(heard[:length], spoken[:length])[0, 1] > 0.95


def test_opus_is_in_step_with_the_speech(speech: Speech) -> None:
    """The best shift between what went in and what comes out is none."""
    decoded, rate = _decoded(_opus(speech.audio))
    heard = _at(decoded, rate, OPUS_RATE)
    spoken = _at(speech.audio.samples, speech.audio.sample_rate, OPUS_RATE)
    length = min(len(heard), len(spoken))
    product = np.fft.irfft(np.fft.rfft(heard[:length], 2 * length) * np.conj(np.fft.rfft(spoken[:length], 2 * length)))
    shift = int(product.argmax())
    shift -= 2 * length if shift > length else 0
    assert abs(shift) / OPUS_RATE < 0.001


def test_opus_takes_6_kilobytes_a_second(speech: Speech) -> None:
    size = len(_opus(speech.audio))
    assert 4000 < size / speech.audio.duration_s < 8000


def test_opus_grows_clip_by_clip(speech: Speech) -> None:
    """Sentences of a voice, joined without a seam."""
    samples, rate = speech.audio.samples, speech.audio.sample_rate
    clips = [AudioClip(part, rate) for part in np.array_split(samples, 7)]
    decoded, decoded_rate = _decoded(_opus(*clips))
    whole, _ = _decoded(_opus(speech.audio))
    assert abs(len(decoded) / decoded_rate - speech.audio.duration_s) < 0.001 + FRAME_S
    length = min(len(decoded), len(whole))
    assert np.corrcoef(decoded[:length], whole[:length])[0, 1] > 0.99


@pytest.mark.parametrize("samples", [100, 5000])
def test_opus_of_very_little(samples: int) -> None:
    decoded, rate = _decoded(_opus(AudioClip(np.zeros(samples, np.float32), 22050)))
    assert len(decoded) / rate <= samples / 22050 + 0.001 + 2 * FRAME_S


def test_opus_passes_over_clips_without_sound(speech: Speech) -> None:
    silent = AudioClip(np.zeros(0, np.float32), speech.audio.sample_rate)
    decoded, rate = _decoded(_opus(silent, speech.audio, silent))
    assert abs(len(decoded) / rate - speech.audio.duration_s) < 0.001 + FRAME_S


@given(
    arrays(np.float32, st.integers(0, 500), elements=st.floats(-2, 2, width=32)), st.sampled_from([8000, 22050, 48000])
)
def test_wav_is_exact(samples: NDArray[np.float32], rate: int) -> None:
    with wave.open(io.BytesIO(wav(AudioClip(samples, rate)))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate)
        back = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_array_equal(back, np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16))
