"""A stranger's sound file -> 16-bit mono WAV, and what was found in it. A program of its own, for a process of its own.

FFmpeg reads dozens of formats that nobody needs here, in C: what a crafted file can do to it ends with the process.
So only the containers of `signatures` are opened, from an open file and through no other protocol, by a process with
limits (`child.py` starts it). Says on stdout what it found, or what is wrong, as one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import wave
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from deployments.core.errors import AvatarError, BadRecording, RecordingTooLong

from .inspection import AGAIN, KINDS, Inspected, inspect
from .loudness import Loudness

SAMPLE_RATE = 24_000
"""Hertz of what is kept: Opus goes out with it, and speech has nothing above 12 kHz that a mouth would show."""
_DEMUXERS = {"wav": "wav", "mp3": "mp3", "ogg": "ogg", "flac": "flac", "mp4": "mov", "webm": "matroska"}
"""FFmpeg's name of what reads each container: no other is tried."""
_CODECS = (
    *("pcm_s8", "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_s64le"),
    *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav"),
    *("mp3float", "mp3", "opus", "libopus", "vorbis", "flac", "aac", "alac"),
)
"""FFmpeg's names of the decoders: no other is opened, not even to look at the pictures of a video."""
_FAILED_SHARE = 0.5
"""Of the packets: where more cannot be decoded, it is no recording any more."""
_MIN_RATE, _MAX_RATE, _MAX_CHANNELS = 4_000, 384_000, 64
_SHORT_S, _SHORT_SHARE = 0.5, 0.02
"""A file is cut short where it holds less than it says by both of these: headers round, encoders pad."""
_SILENT_PEAK = 0.003
"""Of a recording in which there is nothing: -50 dBFS."""
_LOUDEST = 16.0
"""Of a float: what is louder by 24 dB than there is, is clipped before its square is none any more."""
_MEMORY_BYTES, _CPU_S = 2 << 30, 240
"""Of the process: FFmpeg needs some MB and 12 s for an hour of Opus, the rest is room for slow machines."""


@dataclass
class Found:
    """What is in a recording."""

    duration_s: float = 0.0
    sample_rate: int = 0
    """Hertz of the file that was sent."""
    channels: int = 0
    codec: str = ""
    container: str = ""
    peak: float = 0.0
    """Of the mono mix, 0-1."""
    rms_dbfs: float = -120.0
    """Loudness of all of it; -120 for digital silence."""
    active_s: float = 0.0
    """Of 10 ms pieces above -50 dBFS."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the user."""

    @property
    def silent(self) -> bool:
        """Nothing in it could be heard."""
        return self.peak < _SILENT_PEAK

    def plain(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "silent": self.silent}


def decode(source: Path, target: Path, max_seconds: float) -> Found:
    """Writes a 16-bit mono WAV of 24 kHz. Memory does not grow with the length.

    Args:
        source: what came.
        target: what is to be kept.
        max_seconds: a longer recording is refused, as soon as that is known.

    Raises:
        BadRecording, RecordingTooLong
    """
    with source.open("rb") as file:
        inspected = inspect(file)
        file.seek(0)
        options = {"protocol_whitelist": "", "enable_drefs": "0", "codec_whitelist": ",".join(_CODECS)}
        demuxer = _DEMUXERS[inspected.container]
        try:
            # Titles come in all the encodings of the world.
            with av.open(file, mode="r", format=demuxer, metadata_errors="replace", options=options) as container:
                return _Decoder(container, inspected, max_seconds).into(target)
        except av.FFmpegError as error:
            if inspected.extent.cut:
                raise BadRecording("file: it is cut short, and nothing of it can be read.", hint=AGAIN) from error
            raise BadRecording(
                f"file: it begins like {inspected.container}, and cannot be read: {error.strerror}.", hint=AGAIN
            ) from error


class _Decoder:
    """One recording on its way."""

    def __init__(self, container: Any, inspected: Inspected, max_seconds: float) -> None:
        self._container, self._inspected, self._max_seconds = container, inspected, max_seconds
        self._stream = self._choose(container, inspected.container)
        context = self._stream.codec_context
        self._found = Found(
            sample_rate=context.sample_rate or 0,
            channels=context.layout.nb_channels if context.layout else 0,
            codec=context.name.removesuffix("float").removeprefix("lib"),  # mp3float, libopus
            container=inspected.container,
            notes=list(inspected.notes),
        )
        self._heard = Loudness(SAMPLE_RATE)
        self._no_numbers = 0
        self._packets = self._failed = self._source_samples = 0
        self._ends_badly = False

    def _choose(self, container: Any, name: str) -> Any:
        pictures = av.stream.Disposition.attached_pic
        if any(not stream.disposition & pictures for stream in container.streams.video):
            raise BadRecording(
                "file: this is a video.", hint="Send its sound alone: ffmpeg -i video.mp4 -vn -c:a copy sound.m4a"
            )
        if not container.streams.audio:
            raise BadRecording(f"file: there is no sound in this {name}.", hint=f"Send {KINDS}.")
        stream = container.streams.audio[0]
        if stream.codec_context is None or stream.codec_context.name not in _CODECS:
            what = f"is {stream.codec_context.name}, which is not taken" if stream.codec_context else "is unknown"
            raise BadRecording(f"file: its codec {what}, or it is protected (DRM).", hint=AGAIN)
        return stream

    def into(self, target: Path) -> Found:
        found = self._found
        if not _MIN_RATE <= found.sample_rate <= _MAX_RATE or not 1 <= found.channels <= _MAX_CHANNELS:
            raise BadRecording(
                f"file: {found.sample_rate} Hz and {found.channels} channels.", hint="Send 8 to 192 kHz, best mono."
            )
        declared_s = self._declared_s()
        self._check_length(declared_s)
        with wave.open(str(target), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(SAMPLE_RATE)
            samples_so_far = 0
            for samples in self._mono():
                samples_so_far += len(samples)
                found.duration_s = samples_so_far / SAMPLE_RATE
                self._check_length(found.duration_s)
                samples = np.clip(samples, -1, 1)
                self._heard.add(samples)
                out.writeframesraw(np.round(samples * 32767).astype("<i2").tobytes())
        self._check_whole(declared_s)
        self._describe()
        return found

    def _declared_s(self) -> float:
        """What the file says of its length; 0 where it says nothing, or nothing to be relied on."""
        if self._inspected.container == "mp3":
            return 0.0  # FFmpeg guesses it from the bit rate; its frames were counted
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / av.time_base if self._container.duration else 0.0

    def _check_length(self, seconds: float) -> None:
        if seconds > self._max_seconds:
            raise RecordingTooLong(
                f"file: it lasts longer than {self._max_seconds:g} s.",
                hint="Send it in parts, or raise limits.max_audio_seconds.",
            )

    def _check_whole(self, declared_s: float) -> None:
        got_s = self._found.duration_s
        short = declared_s - got_s > max(_SHORT_S, _SHORT_SHARE * declared_s)
        # What is damaged in the middle only has a gap there.
        missing = self._source_samples < (self._inspected.extent.samples or 0) and (
            self._ends_badly or not self._failed
        )
        if self._inspected.extent.cut or short or missing:
            raise BadRecording(f"file: it is cut short after {got_s:.1f} s.", hint=AGAIN)
        if self._failed > _FAILED_SHARE * self._packets:
            raise BadRecording(f"file: {self._failed} of its {self._packets} packets are damaged.", hint=AGAIN)
        if got_s == 0:
            raise BadRecording("file: there is not one sample in it.", hint="Was the recording stopped at once?")

    def _mono(self) -> Iterator[NDArray[np.float32]]:
        """(N,) float32 at SAMPLE_RATE."""
        # Mixed here: FFmpeg's own mono is louder than its channels where they are alike, and clips.
        # Interleaved, for PyAV 18 reads beyond the planes of more than seven channels.
        resampler = av.AudioResampler(format="flt", rate=SAMPLE_RATE)
        for frame in self._frames():
            for part in resampler.resample(self._finite(frame)):
                yield _mixed(part)
        for part in resampler.resample(None):
            yield _mixed(part)

    def _frames(self) -> Iterator[Any]:
        """What of the packets can be decoded: players go on behind a damaged one, too."""
        for packet in self._container.demux(self._stream):
            self._packets += 1
            try:
                frames = packet.decode()
            except (av.InvalidDataError, av.BugError, av.ExternalError):
                self._failed += 1
                self._ends_badly = True
                continue
            for frame in frames:
                self._source_samples += frame.samples
                self._ends_badly = False
                yield frame

    def _finite(self, frame: Any) -> Any:
        """The frame, with silence where a float file holds what is no number: one would spread over its neighbours."""
        frame.pts = None  # gaps and jumps of a stranger's clock are not kept
        if frame.format.name not in ("flt", "dbl"):  # PCM; decoders of other codecs give planes, and numbers
            return frame
        values = frame.to_ndarray()
        good = np.isfinite(values)
        if good.all() and np.abs(values).max(initial=0) <= _LOUDEST:
            return frame
        self._no_numbers += int((~good).sum())
        made = av.AudioFrame.from_ndarray(
            np.where(good, np.clip(values, -_LOUDEST, _LOUDEST), 0).astype(values.dtype),
            format=frame.format.name,
            layout=frame.layout.name,
        )
        made.sample_rate = frame.sample_rate
        return made

    def _describe(self) -> None:
        found, heard = self._found, self._heard
        found.peak = round(min(1.0, heard.peak), 4)
        found.rms_dbfs = round(heard.rms_dbfs, 1)
        found.active_s = round(heard.active_frames / 100, 2)
        if self._no_numbers:
            found.notes.append(f"{self._no_numbers} values were no numbers and became silence.")
        if heard.clipped > found.duration_s * SAMPLE_RATE / 1000:
            found.notes.append("It is clipped: the recording was too loud for its microphone or format.")
        if self._failed:
            found.notes.append(f"{self._failed} of its {self._packets} packets are damaged: they were left out.")
        if found.silent:
            found.notes.append("Nothing can be heard in it.")
        if len(self._container.streams.audio) > 1:
            found.notes.append(f"It has {len(self._container.streams.audio)} sound tracks: the first is taken.")


def _mixed(frame: Any) -> NDArray[np.float32]:
    """(T,) float32, the mean of all channels."""
    values: NDArray[np.float32] = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
    mean: NDArray[np.float32] = np.nan_to_num(values.mean(axis=1), nan=0.0, posinf=0.0, neginf=0.0)
    return mean


def _limit(max_seconds: float) -> None:
    """What this process may take at most, whatever the file does to it."""
    wav_bytes = round((max_seconds + 1) * SAMPLE_RATE) * 2 + 4096
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, wav_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))


def main(source: str, target: str, max_seconds: str) -> None:
    """The program: paths of both files, and the limit in seconds."""
    _limit(float(max_seconds))
    av.logging.set_level(av.logging.PANIC)
    try:
        answer: dict[str, Any] = {"found": decode(Path(source), Path(target), float(max_seconds)).plain()}
    except AvatarError as error:
        answer = {"error": error.code, "message": str(error), "hint": error.hint}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
