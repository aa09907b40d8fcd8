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
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from deployments.core.errors import AvatarError, BadRecording, RecordingTooLong

from .loudness import Loudness
from .signatures import HEAD_BYTES, TAIL_BYTES, ogg_ends, riff_ends, second_nature, sound_container, stranger

SAMPLE_RATE = 24_000
"""Hertz of what is kept: Opus goes out with it, and speech has nothing above 12 kHz that a mouth would show."""
KINDS = "WAV, MP3, OGG, FLAC, M4A or WebM"
_DEMUXERS = {"wav": "wav", "mp3": "mp3", "ogg": "ogg", "flac": "flac", "mp4": "mov", "webm": "matroska"}
"""FFmpeg's name of what reads each container: no other is tried."""
_TAGS_BYTES = 1 << 20
"""An MP3's count of frames follows its tags, which may hold a picture."""
_MIN_RATE, _MAX_RATE, _MAX_CHANNELS = 4_000, 384_000, 64
_SHORT_S, _SHORT_SHARE = 0.5, 0.02
"""A file is cut short where it holds less than it says by both of these: headers round, encoders pad."""
_SILENT_PEAK = 0.003
"""Of a recording in which there is nothing: -50 dBFS."""
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
        container_name = _container(file)
        counted = container_name != "mp3" or _counts_frames(file)
        try:
            with av.open(
                file,
                mode="r",
                format=_DEMUXERS[container_name],
                metadata_errors="replace",  # titles in all the encodings of the world
                options={"protocol_whitelist": "", "enable_drefs": "0"},
            ) as container:
                return _Decoder(container, container_name, counted, max_seconds).into(target)
        except av.FFmpegError as error:
            raise BadRecording(
                f"file: it begins like {container_name}, and cannot be read: {error.strerror}.", hint=_AGAIN
            ) from error


_AGAIN = f"Save or export it again as {KINDS}, and send it whole."


def _container(file: BinaryIO) -> str:
    head = file.read(HEAD_BYTES)
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL_BYTES))
    tail = file.read()
    file.seek(0)
    if not head:
        raise BadRecording("file: it is empty.", hint=f"Send {KINDS}.")
    name = sound_container(head)
    if name is None:
        what = stranger(head) or "no sound file that is known here"
        raise BadRecording(f"file: this is {what}.", hint=f"Send {KINDS}.")
    if other := second_nature(head, tail):
        raise BadRecording(f"file: it is {name} and {other} at once, which no honest recording is.", hint=_AGAIN)
    if name == "wav" and not riff_ends(head, size):
        raise BadRecording("file: it is cut short: the WAV file says that it is longer.", hint=_AGAIN)
    if name == "ogg" and not ogg_ends(tail):
        raise BadRecording("file: it is cut short: the last page of the Ogg stream is missing.", hint=_AGAIN)
    return name


def _counts_frames(file: BinaryIO) -> bool:
    """Whether an MP3 has a header that counts its frames."""
    start = file.read(_TAGS_BYTES)
    file.seek(0)
    return any(tag in start for tag in (b"Xing", b"Info", b"VBRI"))


class _Decoder:
    """One recording on its way."""

    def __init__(self, container: Any, name: str, counted: bool, max_seconds: float) -> None:
        self._container, self._counted, self._max_seconds = container, counted, max_seconds
        self._stream = self._choose(container, name)
        context = self._stream.codec_context
        self._found = Found(
            sample_rate=context.sample_rate or 0,
            channels=context.layout.nb_channels if context.layout else 0,
            codec=context.name,
            container=name,
        )
        self._heard = Loudness(SAMPLE_RATE)
        self._no_numbers = 0

    def _choose(self, container: Any, name: str) -> Any:
        pictures = av.stream.Disposition.attached_pic
        if any(not stream.disposition & pictures for stream in container.streams.video):
            raise BadRecording(
                "file: this is a video.", hint="Send its sound alone: ffmpeg -i video.mp4 -vn -c:a copy sound.m4a"
            )
        if not container.streams.audio:
            raise BadRecording(f"file: there is no sound in this {name}.", hint=f"Send {KINDS}.")
        return container.streams.audio[0]

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
                self._heard.add(samples)
                out.writeframesraw(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        self._check_whole(declared_s)
        self._describe()
        return found

    def _declared_s(self) -> float:
        """What the file says of its length; 0 where it says nothing, or nothing to be relied on."""
        if not self._counted:
            return 0.0  # FFmpeg guesses it from the bit rate
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
        if got_s == 0:
            raise BadRecording("file: there is not one sample in it.", hint="Was the recording stopped at once?")
        if declared_s - got_s > max(_SHORT_S, _SHORT_SHARE * declared_s):
            raise BadRecording(
                f"file: it is cut short: {got_s:.1f} s are there of the {declared_s:.1f} s that it says.", hint=_AGAIN
            )

    def _mono(self) -> Iterator[NDArray[np.float32]]:
        """(N,) float32 at SAMPLE_RATE."""
        # Mixed here: FFmpeg's own mono is louder than its channels where they are alike, and clips.
        resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
        for frame in self._frames():
            for part in resampler.resample(self._finite(frame)):
                yield part.to_ndarray().mean(axis=0)
        for part in resampler.resample(None):
            yield part.to_ndarray().mean(axis=0)

    def _frames(self) -> Iterator[Any]:
        try:
            yield from self._container.decode(self._stream)
        except av.FFmpegError as error:
            at_s = self._found.duration_s
            raise BadRecording(
                f"file: it is damaged or cut short at {at_s:.1f} s: {error.strerror}.", hint=_AGAIN
            ) from error

    def _finite(self, frame: Any) -> Any:
        """The frame, with silence where a float file holds what is no number: one would spread over its neighbours."""
        frame.pts = None  # gaps and jumps of a stranger's clock are not kept
        if frame.format.name.rstrip("p") not in ("flt", "dbl"):
            return frame
        values = frame.to_ndarray()
        if np.isfinite(values).all():
            return frame
        self._no_numbers += int((~np.isfinite(values)).sum())
        made = av.AudioFrame.from_ndarray(
            np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0), format=frame.format.name, layout=frame.layout.name
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
        if found.silent:
            found.notes.append("Nothing can be heard in it.")
        if len(self._container.streams.audio) > 1:
            found.notes.append(f"It has {len(self._container.streams.audio)} sound tracks: the first is taken.")


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
