"""Sound files of every kind that users send, made by FFmpeg."""

from __future__ import annotations

import io
import struct
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

KINDS = {
    "wav": ("wav", "pcm_s16le"),
    "wav float": ("wav", "pcm_f32le"),
    "mp3": ("mp3", "libmp3lame"),
    "ogg vorbis": ("ogg", "vorbis"),
    "ogg opus": ("ogg", "libopus"),
    "flac": ("flac", "flac"),
    "m4a": ("ipod", "aac"),
    "webm": ("webm", "libopus"),
}
"""Kind -> FFmpeg's names of the muxer and the encoder."""
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def tone(seconds: float, rate: int, peak: float = 0.3, hertz: float = 220) -> NDArray[np.float32]:
    """(T,) float32."""
    return (peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def recording(kind: str, samples: NDArray[np.float32], rate: int, channels: int = 1) -> bytes:
    """A file of a kind with the same sound on all channels.

    Args:
        kind: of KINDS.
        samples: (T,) float32 mono.
        rate: Hertz.
        channels: 1, 2 or 6.
    """
    muxer, codec = KINDS[kind]
    target, layout = io.BytesIO(), _LAYOUTS[channels]
    with av.open(target, "w", format=muxer) as container:
        # FFmpeg calls its own Vorbis encoder experimental.
        stream: Any = container.add_stream(codec, rate=rate, options={"strict": "-2"} if codec == "vorbis" else {})
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(np.repeat(samples[None], channels, 0), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=stream.codec_context.format or "s16", layout=layout, rate=rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return target.getvalue()


def float_wav(samples: NDArray[np.float32], rate: int) -> bytes:
    """A WAV of 32-bit floats as they are, which may be no numbers."""
    data = samples.astype("<f4").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, rate, 4 * rate, 4, 32)
    return (
        struct.pack("<4sI4s", b"RIFF", 4 + len(form) + 8 + len(data), b"WAVE")
        + form
        + struct.pack("<4sI", b"data", len(data))
        + data
    )


def video(with_sound: bool = True) -> bytes:
    """A second of an MP4 with moving pictures."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        pictures: Any = container.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        sound: Any = container.add_stream("aac", rate=44_100) if with_sound else None
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 25 * number, np.uint8), format="rgb24")
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        if sound:
            heard = av.AudioFrame.from_ndarray(tone(1, 44_100)[None], format="fltp", layout="mono")
            heard.sample_rate = 44_100
            for part in av.AudioResampler(format="fltp", layout=sound.layout.name, rate=44_100).resample(heard):
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return target.getvalue()
