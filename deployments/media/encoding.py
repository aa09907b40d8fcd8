"""Audio files that grow clip by clip, OGG/Opus among them, and WAV."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from deployments.core.target import Target
from deployments.core.types import AudioClip

EncodingError = av.FFmpegError
"""What CodedFile raises when the codec fails."""


@dataclass(frozen=True)
class Coding:
    """How FFmpeg makes one kind of file."""

    codec: str
    """FFmpeg's name of the encoder."""
    container: str
    """FFmpeg's name of the muxer."""
    rate: int | None = None
    """Hertz in the file; None: those of the clips, whose 16-bit samples are kept as they are."""
    bit_rate: int | None = None
    """Bits per second to ask for; None for what loses nothing."""
    codec_options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    streaming_options: Mapping[str, str] = field(default_factory=dict)
    """Of the container too, for a file that is sent while it grows."""
    min_s: float = 0
    """Seconds; a shorter file is filled up with silence: players refuse one without a single packet."""


OPUS_RATE = 24_000
"""Hertz: Opus has no 22,050; the voices hold nothing above 11 kHz."""
OPUS = Coding(
    codec="libopus",
    container="ogg",
    rate=OPUS_RATE,
    bit_rate=36_000,  # about 48 kbit/s (6 KB a second) come out: level 5 overshoots
    codec_options={"compression_level": "5"},  # 10 costs three to four times the time for 4 s of speech
    streaming_options={"page_duration": "20000"},  # microseconds: a page a packet, for 1.4 KB a second; else 1 s waits
    min_s=0.02,  # a packet
)


_AT_ONCE_S = 30
"""Handed to FFmpeg, which copies it more than once: no sentence is longer, but a recording may be half an hour."""


class CodedFile:
    """An audio file in memory that grows clip by clip. Blocking: call it off the event loop."""

    def __init__(self, coding: Coding, sample_rate: int, streams: bool = False) -> None:
        """
        Args:
            coding: the kind of file.
            sample_rate: Hertz of all clips that follow.
            streams: whether the file is sent while it grows: then its header cannot say how long it is.

        Raises:
            EncodingError: the codec does not take the rate.
        """
        self._coding, self._sample_rate, self._streams = coding, sample_rate, streams
        self._target = Target(rewinds=not streams)
        options = {**coding.container_options, **(coding.streaming_options if streams else {})}
        self._container = av.open(self._target, mode="w", format=coding.container, container_options=options)
        rate = coding.rate or sample_rate
        stream = self._container.add_stream(coding.codec, rate=rate, options=dict(coding.codec_options))
        self._stream = cast("av.AudioStream", stream)
        if coding.bit_rate:
            self._stream.bit_rate = coding.bit_rate
        self._stream.layout = "mono"
        self._format = "flt" if coding.rate else "s16"
        self._resampler = av.AudioResampler(format=self._format, layout="mono", rate=rate)
        self._position = 0
        self._container.start_encoding()  # the header, also of a file without sound

    def append(self, clip: AudioClip) -> bytes:
        """Encodes one more clip; one without samples adds nothing.

        Returns:
            The bytes that are ready: with those before and after, one file. Empty unless the file streams.

        Raises:
            EncodingError: the codec failed.
        """
        step = round(_AT_ONCE_S * self._sample_rate)
        for start in range(0, len(clip.samples), step):
            self._encode(clip.samples[start : start + step])
        return self._target.take() if self._streams else b""

    def finish(self) -> bytes:
        """Flushes and closes.

        Returns:
            The rest of the file, which is the whole file unless it streams.

        Raises:
            EncodingError: the codec failed.
        """
        missing = round(self._coding.min_s * self._sample_rate) - self._position
        if missing > 0:
            self._encode(np.zeros(missing, np.float32))
        for resampled in self._resampler.resample(None):
            self._container.mux(self._stream.encode(resampled))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._target.take()

    def _encode(self, samples: NDArray[np.float32]) -> None:
        values = samples if self._format == "flt" else _pcm16(samples)
        frame = av.AudioFrame.from_ndarray(values[None, :], format=self._format, layout="mono")
        frame.sample_rate = self._sample_rate
        frame.pts = self._position
        self._position += len(samples)
        for resampled in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(resampled))


class OpusFile(CodedFile):
    """An OGG/Opus file in memory."""

    def __init__(self, sample_rate: int) -> None:
        """
        Args:
            sample_rate: Hertz of all clips that follow.
        """
        super().__init__(OPUS, sample_rate)


def wav(clip: AudioClip) -> bytes:
    """A 16-bit mono WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(clip.sample_rate)
        file.writeframes(_pcm16(clip.samples).tobytes())
    return buffer.getvalue()


def _pcm16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """(T,) little-endian int16 of (T,) float32; what is louder than 1 is cut off."""
    return np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
