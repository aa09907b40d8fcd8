"""Frames become a video while further ones are drawn."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.avatar.contract import SAMPLE_RATE, Part
from deployments.avatar.filming import Film, _chunks, film
from deployments.avatar.sound import ClipSound
from deployments.core.errors import FilmingFailed
from deployments.core.types import Animation, AudioClip, EyeTrack, VisemeTrack
from deployments.core.video import Filming, Footage, Video

RATE = 22_050
TOO_WIDE = 20_000
"""Pixels; x264 takes 16,384."""
Frames = np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture(scope="module")
def encoder() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def order(seconds: float, **fields: Any) -> Film:
    track = VisemeTrack(np.zeros(1), np.zeros(1, np.uint8), np.ones(1, np.float32), seconds)
    sound = AudioClip((0.3 * np.sin(np.arange(round(seconds * RATE)) / 10)).astype(np.float32), RATE)
    asked = Filming("somebody", **{"width": 64, "height": 48, **fields})
    return Film(asked, "state", Animation(sound, track, EyeTrack(()), ()), ClipSound(sound))


class Painter:
    """Frames that get lighter; notes what it was asked for."""

    def __init__(self, width: int = 64) -> None:
        self.width = width
        self.parts: list[Part[Any]] = []

    async def draw(self, part: Part[Any]) -> Frames:
        self.parts.append(part)
        await asyncio.sleep(0)
        grey = np.array([frame % 200 + 20 for frame in part.frames], np.uint8)
        return np.broadcast_to(grey[:, None, None, None], (len(grey), 48, self.width, 3)).copy()


async def made(asked: Film, painter: Painter, encoder: Executor, at_a_time: int = 16) -> tuple[list[Footage], Video]:
    parts = [part async for part in film(asked, at_a_time, painter.draw, encoder)]
    footage = [part for part in parts if isinstance(part, Footage)]
    assert isinstance(parts[-1], Video) and len(parts) == len(footage) + 1
    return footage, parts[-1]


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.04, 1.0, 3.33])
async def test_every_frame_once_and_in_order(encoder: Executor, seconds: float) -> None:
    painter = Painter()
    footage, video = await made(order(seconds), painter, encoder)
    frames = [frame for part in painter.parts for frame in part.frames]
    assert frames == list(range(max(1, int(np.ceil(seconds * 25 - 1e-6)))))
    assert footage[-1].done == footage[-1].frames == len(frames) == video.frames
    assert [part.done for part in footage] == sorted(part.done for part in footage)
    with av.open(io.BytesIO(video.mp4), "r") as container:
        shown = [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    assert len(shown) == len(frames) and np.all(np.diff(shown) >= 0)  # two light greys may become one
    assert shown[-1] - shown[0] == pytest.approx(len(frames) - 1, abs=2)
    assert video.mp4.index(b"moov") < video.mp4.index(b"mdat") and abs(video.av_offset_ms) <= 20
    assert video.thumbnail.startswith(b"\xff\xd8") and (video.width, video.height, video.fps) == (64, 48, 25)


async def test_the_parts_are_a_video_themselves(encoder: Executor) -> None:
    footage, video = await made(order(3.0), Painter(), encoder)
    first = next(part for part in footage if part.fragment)
    assert first.done <= 24
    with av.open(io.BytesIO(b"".join(part.fragment for part in footage)), "r") as container:
        assert sum(1 for _ in container.decode(video=0)) == video.frames


async def test_the_tracks_say_their_language(encoder: Executor) -> None:
    _, video = await made(order(0.2, language="de_DE"), Painter(), encoder)
    with av.open(io.BytesIO(video.mp4), "r") as container:
        assert container.streams.audio[0].metadata["language"] == "deu"


async def test_engines_are_given_the_whole_timeline(encoder: Executor) -> None:
    painter = Painter()
    asked = order(2.0, parameters='{"a": 1}')
    await made(asked, painter, encoder)
    for part in painter.parts:
        assert part.state == "state" and part.animation is asked.animation and part.parameters == '{"a": 1}'
        assert part.audio.sample_rate == SAMPLE_RATE and part.audio.duration_s == pytest.approx(2.0, abs=0.001)


async def test_at_most_two_chunks_are_in_memory(encoder: Executor) -> None:
    """One is drawn while the one before is encoded; nothing is drawn further ahead."""
    painter, parts = Painter(), 0
    async for part in film(order(8.0), 10, painter.draw, encoder):
        if isinstance(part, Footage) and part.done < part.frames:
            parts += 1
            assert len(painter.parts) <= parts + 1


@given(st.integers(1, 2000), st.integers(1, 64))
def test_chunks_cover_all_frames(frames: int, at_a_time: int) -> None:
    chunks = _chunks(frames, at_a_time)
    assert [frame for chunk in chunks for frame in chunk] == list(range(frames))
    assert all(1 <= len(chunk) <= at_a_time for chunk in chunks) and len(chunks[0]) <= 8


async def test_what_fails_while_drawing_goes_through(encoder: Executor) -> None:
    async def draw(part: Part[Any]) -> Frames:
        if part.frames.start > 20:
            raise FilmingFailed("no light")
        return await Painter().draw(part)

    with pytest.raises(FilmingFailed, match="no light"):
        async for _ in film(order(4.0), 16, draw, encoder):
            pass


async def test_an_encoder_that_fails_says_so(encoder: Executor) -> None:
    with pytest.raises(FilmingFailed, match="encoding"):
        await made(order(0.04, width=TOO_WIDE), Painter(TOO_WIDE), encoder)


async def test_left_early_nothing_stays(encoder: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with contextlib.aclosing(film(order(60.0), 16, Painter().draw, encoder)) as parts:
        await anext(parts)
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []
