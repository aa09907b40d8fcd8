"""Audio files: OGG/Opus while the sentences come in, and WAV."""

from __future__ import annotations

import io
import wave
from typing import Any

import av
import numpy as np

from deployments.core.types import AudioClip

EncodingError = av.FFmpegError
"""What OpusFile raises when the codec fails."""

OPUS_RATE = 24_000
"""Hertz: Opus has no 22,050; the voices hold nothing above 11 kHz."""
_OPUS_BIT_RATE = 36_000
"""Asked for so that about 48 kbit/s (6 KB a second) come out: level 5 overshoots."""
_OPUS_LEVEL = "5"
"""Compression effort: the default of 10 costs three to four times the time for 4 s of speech."""


class OpusFile:
    """An OGG/Opus file in memory that grows clip by clip. Blocking: call it off the event loop."""

    def __init__(self, sample_rate: int) -> None:
        """
        Args:
            sample_rate: Hertz of all clips that follow.
        """
        self._sample_rate = sample_rate
        self._buffer = io.BytesIO()
        self._container: Any = av.open(self._buffer, mode="w", format="ogg")
        self._stream = self._container.add_stream("libopus", rate=OPUS_RATE, options={"compression_level": _OPUS_LEVEL})
        self._stream.bit_rate = _OPUS_BIT_RATE
        self._stream.layout = "mono"
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=OPUS_RATE)
        self._position = 0

    def append(self, clip: AudioClip) -> None:
        """Encodes one more clip; one without samples changes nothing."""
        if len(clip.samples) == 0:
            return
        frame = av.AudioFrame.from_ndarray(np.asarray(clip.samples)[None, :], format="flt", layout="mono")
        frame.sample_rate = self._sample_rate
        frame.pts = self._position
        self._position += len(clip.samples)
        for resampled in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(resampled))

    def finish(self) -> bytes:
        """Flushes and closes; the whole file."""
        for resampled in self._resampler.resample(None):
            self._container.mux(self._stream.encode(resampled))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue()


def wav(clip: AudioClip) -> bytes:
    """A 16-bit mono WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(clip.sample_rate)
        file.writeframes(np.round(np.clip(clip.samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()
