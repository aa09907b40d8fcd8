"""A video that grows frame by frame: sent as a fragmented MP4 while it is filmed, kept as one with its index in front.

H.264 and AAC, encoded once: both files hold the same packets. Which flags let sound and picture begin together in
browsers was measured (`delay_moov`: without it the priming of AAC shifts the tracks by 46 ms).
"""

from __future__ import annotations

import tempfile
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

from deployments.core.target import Target
from deployments.core.types import AudioClip
from deployments.core.video import VideoQuality

from .soundtrack import Soundtrack
from .subtitles import HEADER, Cue, cues, language_code

EncodingError = av.FFmpegError
"""What VideoFile raises when the codec fails."""

_CRF: dict[VideoQuality, str] = {"low": "28", "medium": "23", "high": "18"}
"""x264's constant rate factor: 23 is its own default; six steps halve or double the bytes (x264's documentation)."""
_PRESET = "veryfast"
"""faster costs 1.4 times the CPU for 5 % fewer bytes; superfast saves 6 % and makes 3.6 times the bytes (measured on a
photograph that talks and nods, 512 x 512)."""
_LOOKAHEAD = 3
"""Frames that the encoder waits for. Without any (zerolatency) a still background costs 2.5 times the bytes."""
_KEYFRAME_S = 4
"""Seconds between keyframes, at most: a jump decodes 100 small frames; a keyframe has the bytes of a whole second."""
_FIRST_FRAGMENT = 3
"""Frames: it is ready after these, the look-ahead and the frame behind it, 8 in all."""
_FRAGMENT_S = 0.5
"""Seconds of the fragments that follow: each costs 330 bytes."""
_JPEG_QUALITY = 85
_COLOURS = {
    "color_range": ColorRange.MPEG,
    "colorspace": Colorspace.ITU709,
    "color_primaries": ColorPrimaries.BT709,
    "color_trc": ColorTrc.BT709,
}
"""What players are told: without it they guess BT.601 or BT.709 from the height, and red becomes orange."""
_FRAGMENTED = {
    "movflags": "+frag_keyframe+empty_moov+delay_moov+default_base_moof",
    "frag_duration": str(round(_FRAGMENT_S * 1_000_000)),
    "fflags": "+bitexact",
}
_IN_FRONT = {"movflags": "+faststart", "fflags": "+bitexact"}
"""No dates, no versions: the same frames make the same files."""


@dataclass(frozen=True)
class Finished:
    """A video that is complete."""

    rest: bytes
    """Of the fragmented MP4."""
    path: Path
    """MP4 with its index in front; it is gone when the VideoFile is closed."""
    thumbnail: bytes
    """JPEG of the first frame, as large as the video."""
    frames: int
    """How many."""
    av_offset_ms: float
    """End of the picture less end of the sound, by the file's own timestamps, as a player shows them."""


def frame_count(duration_s: float, fps: int) -> int:
    """Frames that show all of a sound: the last one may outlast it; at least one.

    Args:
        duration_s: seconds of the sound.
        fps: frames in a second.
    """
    return max(1, ceil(duration_s * fps - 1e-6))  # a sound of exactly 25 frames has 25, whatever the float says


class VideoFile:
    """An MP4 that grows. Blocking, and not for two threads at once: call it off the event loop. Close it: then its
    temporary file is gone."""

    def __init__(
        self,
        width: int,
        height: int,
        fps: int,
        quality: VideoQuality,
        sample_rate: int,
        captions: str | None = None,
        language: str = "und",
        threads: int = 2,
    ) -> None:
        """
        Args:
            width: pixels, even.
            height: pixels, even.
            fps: frames in a second.
            quality: of the picture.
            sample_rate: Hertz of the sound that follows.
            captions: a WebVTT or SubRip file, which becomes a track of subtitles in the finished file alone (browsers
                show none of an MP4); None for no such track.
            language: tag of sound and captions.
            threads: that encode the picture.

        Raises:
            EncodingError: the codec does not take these.
        """
        assert width % 2 == 0 and height % 2 == 0, "H.264 has colours for every second pixel alone"
        self._shape, self._fps, self._sample_rate = (height, width, 3), fps, sample_rate
        self._frames = 0
        self._thumbnail = b""
        self._folder = tempfile.TemporaryDirectory(prefix="video-")
        self._path = Path(self._folder.name) / "video.mp4"
        self._target = Target(rewinds=False)
        self._stream = av.open(self._target, mode="w", format="mp4", container_options=_FRAGMENTED)
        self._file = av.open(self._path, mode="w", format="mp4", container_options=_IN_FRONT)
        try:
            self._picture = _picture(self._stream, width, height, fps, quality, threads)
            self._sound = Soundtrack(self._stream, sample_rate, language_code(language))
            self._stream.start_encoding()
            for track in (self._picture, self._sound.track):
                self._file.add_stream_from_template(track, opaque=True).metadata.update(track.metadata)
            self._subtitles = _Subtitles(self._file, cues(captions), language_code(language)) if captions else None
            self._file.start_encoding()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def append(self, frames: NDArray[np.uint8], audio: AudioClip | None = None) -> bytes:
        """Encodes some more frames, and the sound up to their end.

        Args:
            frames: (N, height, width, 3) uint8 RGB.
            audio: the sound that follows on that given before. It may run ahead, all of it at once too; where it is
                late, fragments wait for it.

        Returns:
            The bytes of the fragmented MP4 that are ready; often none.

        Raises:
            EncodingError: the codec failed.
        """
        assert frames.dtype == np.uint8 and frames.shape[1:] == self._shape
        if audio is not None:
            assert audio.sample_rate == self._sample_rate
            self._sound.give(audio.samples)
        for frame in frames:
            self._show(frame)
        return self._target.take()

    def finish(self) -> Finished:
        """Flushes and measures. Sound that is longer than the picture is cut off, shorter one ends in silence.

        Raises:
            EncodingError: the codec failed.
        """
        assert self._frames, "a video has a frame"
        self._mux(self._sound.end(self._sample_at(self._frames)))
        self._mux(self._picture.encode(None))
        self._stream.close()
        if self._subtitles:
            self._subtitles.end(round(1000 * self._frames / self._fps))
        self._file.close()
        return Finished(self._target.take(), self._path, self._thumbnail, self._frames, _av_offset_ms(self._path))

    def close(self) -> None:
        """Ends it, wherever it is, and removes its file; twice does no harm."""
        for container in (self._stream, self._file):
            with suppress(EncodingError, OSError):  # half a file has no end to write
                container.close()
        self._folder.cleanup()

    def _show(self, pixels: NDArray[np.uint8]) -> None:
        if not self._frames:
            self._thumbnail = _jpeg(pixels)
        shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
            threads=1,
        )
        shown.pts = self._frames
        if self._frames == _FIRST_FRAGMENT:  # fragments end at keyframes
            shown.pict_type = av.video.frame.PictureType.I
        self._frames += 1
        self._mux(self._sound.up_to(self._sample_at(self._frames)))
        self._mux(self._picture.encode(shown))
        if self._subtitles:
            self._subtitles.up_to(1000 * self._frames // self._fps)

    def _sample_at(self, frame: int) -> int:
        return round(frame * self._sample_rate / self._fps)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._stream.mux(packet)
            self._file.mux(packet)


class _Subtitles:
    """Captions on their way into the finished file."""

    def __init__(self, container: Any, waiting: list[Cue], language: str) -> None:
        self._container = container
        self._waiting = deque(waiting)
        self._track = container.add_stream("mov_text")
        self._track.codec_context.subtitle_header = HEADER
        self._track.metadata["language"] = language

    def up_to(self, now_ms: int) -> None:
        """Writes those that are over by then."""
        while self._waiting and self._waiting[0].end_ms <= now_ms:
            self._write(self._waiting.popleft())

    def end(self, now_ms: int) -> None:
        """Writes the rest, as far as it lies in the video."""
        for cue in self._waiting:
            if cue.start_ms < now_ms:
                self._write(Cue(cue.start_ms, min(cue.end_ms, now_ms), cue.text))

    def _write(self, cue: Cue) -> None:
        packet = av.Packet(cue.sample())
        packet.stream = self._track
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = cue.start_ms
        packet.duration = cue.end_ms - cue.start_ms
        self._container.mux(packet)


def _picture(container: Any, width: int, height: int, fps: int, quality: VideoQuality, threads: int) -> Any:
    """The track of H.264, not opened yet."""
    options = {
        "preset": _PRESET,
        "crf": _CRF[quality],
        "bf": "0",  # frames that wait for later ones save 5 % of the bytes, and cost as many frames of delay
        "rc-lookahead": str(_LOOKAHEAD),
        "g": str(_KEYFRAME_S * fps),
        "forced-idr": "1",
    }
    track = container.add_stream("libx264", rate=fps, options=options)
    track.width, track.height, track.pix_fmt = width, height, "yuv420p"
    context = track.codec_context
    context.time_base = Fraction(1, fps)
    context.thread_count = threads
    for name, value in _COLOURS.items():
        setattr(context, name, value)
    return track


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return coded.tobytes()


def _av_offset_ms(path: Path) -> float:
    """End of the picture less end of the sound, after edit lists."""
    with av.open(path) as container:
        return 1000 * (_end_s(container, container.streams.video[0]) - _end_s(container, container.streams.audio[0]))


def _end_s(container: Any, track: Any) -> float:
    """Seconds at which the last packet of a track is over."""
    container.seek(track.duration, stream=track)  # to the keyframe before it
    ends = [packet.pts + packet.duration for packet in container.demux(track) if packet.pts is not None]
    return float(max(ends) * track.time_base)
