"""Makes a video frame by frame, without Ray: what draws and what encodes work side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from deployments.core.errors import FilmingFailed
from deployments.core.types import Animation, AudioClip
from deployments.core.video import Filming, Footage, Video

from .contract import Part
from .sound import Sound, for_engine
from .video import EncodingError, Finished, VideoFile, frame_count

ResultT = TypeVar("ResultT")
Draw: TypeAlias = Callable[[Part[Any]], Awaitable[NDArray[np.uint8]]]
"""Frames of a part: (N, height, width, 3) uint8 RGB."""

_FIRST = 8
"""Frames that are drawn first: a third of a second of video, so that somebody who watches sees it soon."""


@dataclass(frozen=True, eq=False)
class Film:
    """A video that is to be made."""

    filming: Filming
    state: Any
    """Of the engine, for the portrait."""
    animation: Animation
    sound: Sound
    captions: str = ""
    """SubRip; empty for none."""

    @property
    def frames(self) -> int:
        """How many: the last one may last longer than the sound."""
        return frame_count(self.animation.duration_s, self.filming.fps)

    def part(self, audio: AudioClip, frames: range) -> Part[Any]:
        """What the engine is given for some of them.

        Args:
            audio: the whole sound at SAMPLE_RATE.
            frames: which.
        """
        return Part(self.state, audio, self.animation, frames, self.filming.parameters)

    def heard(self, frames: range) -> AudioClip:
        """The sound that goes with some of them. Blocking."""
        start, end = (round(place / self.filming.fps * self.sound.sample_rate) for place in (frames.start, frames.stop))
        return self.sound.clip(start, end)


async def film(
    order: Film, frames_at_a_time: int, draw: Draw, encoder: Executor
) -> AsyncGenerator[Footage | Video, None]:
    """All parts of a video, and at last the video itself.

    At most two chunks of frames are in memory: one that is encoded while the next is drawn.

    Args:
        order: what is made.
        frames_at_a_time: the engine's.
        draw: gives the frames.
        encoder: threads on which it is encoded.

    Raises:
        FilmingFailed: the encoder's; what `draw` raises goes through.
    """

    async def encode(work: Callable[..., ResultT], *arguments: object) -> ResultT:
        try:
            return await _to_the_end(asyncio.get_running_loop().run_in_executor(encoder, work, *arguments))
        except EncodingError as error:
            raise FilmingFailed(f"encoding: {error}") from error

    audio = await encode(for_engine, order.sound)
    chunks = _chunks(order.frames, frames_at_a_time)
    drawing = asyncio.ensure_future(draw(order.part(audio, chunks[0])))
    file = None
    try:
        file = await encode(_open, order)
        for chunk, following in zip(chunks, [*chunks[1:], None], strict=True):
            drawn = await drawing
            if following:
                drawing = asyncio.ensure_future(draw(order.part(audio, following)))
            yield Footage(chunk.stop, order.frames, await encode(_append, file, order, drawn, chunk))
        finished = await encode(file.finish)
        yield Footage(order.frames, order.frames, finished.rest)
        yield await encode(_whole, order, finished)
    finally:
        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)
        if file:
            file.close()


def _open(order: Film) -> VideoFile:
    asked = order.filming
    return VideoFile(
        *(asked.width, asked.height, asked.fps, asked.quality, order.sound.sample_rate),
        captions=order.captions or None,
        language=asked.language or "und",
    )


def _append(file: VideoFile, order: Film, drawn: NDArray[np.uint8], frames: range) -> bytes:
    return file.append(drawn, order.heard(frames))


def _whole(order: Film, finished: Finished) -> Video:
    asked = order.filming
    return Video(
        mp4=finished.path.read_bytes(),
        thumbnail=finished.thumbnail,
        width=asked.width,
        height=asked.height,
        fps=asked.fps,
        frames=finished.frames,
        av_offset_ms=finished.av_offset_ms,
    )


def _chunks(frames: int, at_a_time: int) -> list[range]:
    """The first is short, all others are as long as the engine likes them."""
    starts = [0, *range(min(_FIRST, at_a_time), frames, at_a_time)]
    return [range(start, end) for start, end in zip(starts, [*starts[1:], frames], strict=True)]


async def _to_the_end(running: asyncio.Future[ResultT]) -> ResultT:
    """Waits for a thread even when it is cancelled: the file must not be closed under it."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
