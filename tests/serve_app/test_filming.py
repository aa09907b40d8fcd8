"""What comes behind the DAG: the video of a take, cached by the take, the portrait and how it is filmed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from deployments.cache.contract import LifeTimes
from deployments.cache.memo import Memo
from deployments.cache.shelf import Shelf
from deployments.core import keys
from deployments.core.errors import BadInput, FilmingFailed, Unavailable
from deployments.core.types import RenderRequest, Take
from deployments.core.video import Filming, Footage, Video
from deployments.media.recording import MediaOptions, Recording
from serve_app.filming import finished, produce, video_key
from serve_app.pipeline import Stages, whole_key
from tests.fakes import Cinema, Theatre, at_once

REQUEST = RenderRequest("One two. Three four five.", "voice", video=Filming("ada"))


@contextlib.asynccontextmanager
async def _shelf() -> AsyncIterator[Shelf]:
    kept = Shelf(1_000_000, LifeTimes())
    try:
        yield kept
    finally:
        await kept.close()


async def _produce(
    stages: Stages, request: RenderRequest, memo: Memo, longest_s: float = 60
) -> tuple[Take, Video | None]:
    return await produce(stages, request, "en", Recording(MediaOptions(), request.timing), memo, longest_s)


async def test_a_video_of_what_is_said() -> None:
    theatre, cinema = Theatre(at_once), Cinema()
    take, video = await _produce(cinema.shows(theatre.stages(2)), REQUEST, Memo([], "use"))
    assert video is not None and video.frames == round(take.animation.duration_s * 25)
    assert [(asked.image, audio, captions) for asked, audio, captions in cinema.asked] == [("ada", "", "")]


async def test_nobody_is_filmed_who_was_not_asked() -> None:
    cinema = Cinema()
    stages = cinema.shows(Theatre(at_once).stages(2))
    assert (await _produce(stages, replace(REQUEST, video=None), Memo([], "use")))[1] is None
    assert cinema.asked == []


async def test_captions_go_along_where_they_are_wanted() -> None:
    cinema = Cinema()
    asked = replace(REQUEST, video=Filming("ada", captions=True))
    await _produce(cinema.shows(Theatre(at_once).stages(2)), asked, Memo([], "use"))
    assert isinstance(cinema.asked[0][2], str)


@pytest.mark.parametrize(
    ("change", "spoken", "filmed"),
    [
        ({}, 0, 0),
        ({"viseme_set": "azure"}, 0, 0),
        ({"video": None}, 0, 0),
        ({"video": Filming("bea")}, 0, 1),
        ({"video": Filming("ada", fps=30)}, 0, 1),
        ({"video": Filming("ada", background="#112233")}, 0, 1),
        ({"timing": "exact"}, 0, 1),
        ({"text": "One two. Six."}, 1, 1),
    ],
    ids=["same", "set", "no video", "portrait", "fps", "background", "timing", "text"],
)
async def test_what_is_known_is_not_made_again(change: dict[str, object], spoken: int, filmed: int) -> None:
    theatre, cinema = Theatre(at_once), Cinema()
    stages = cinema.shows(theatre.stages(2))
    async with _shelf() as kept:
        memo = Memo([kept], "use")
        await _produce(stages, REQUEST, memo)
        await memo.settled()
        before = len(theatre.started), len(cinema.asked)
        await _produce(stages, replace(REQUEST, **change), Memo([kept], "use"))  # type: ignore[arg-type]
        assert (len(theatre.started) - before[0], len(cinema.asked) - before[1]) == (spoken, filmed)


async def test_the_key_is_known_before() -> None:
    stages = Cinema().shows(Theatre(at_once).stages(2))
    async with _shelf() as kept:
        memo = Memo([kept], "use")
        take, _ = await _produce(stages, REQUEST, memo)
        await memo.settled()
        asked = Memo([kept], "use")
        known = await asked.known([whole_key(stages, REQUEST, "en")])
        assert list(known.values()) == [keys.digest(take)]
        key = video_key(stages, REQUEST, keys.digest(take))
        assert key.startswith("video/") and set(await asked.known([key])) == {key}


async def test_a_long_one_is_refused_once_its_length_is_known() -> None:
    cinema = Cinema()
    with pytest.raises(BadInput, match="text: a video may last"):
        await _produce(cinema.shows(Theatre(at_once).stages(2)), REQUEST, Memo([], "use"), longest_s=0.3)
    assert cinema.asked == []


async def test_a_failure_goes_through() -> None:
    cinema = Cinema(fails=FilmingFailed("no light"))
    with pytest.raises(FilmingFailed):
        await _produce(cinema.shows(Theatre(at_once).stages(2)), REQUEST, Memo([], "use"))


async def test_left_alone_it_is_given_up() -> None:
    cinema = Cinema(seconds=60)
    work = asyncio.ensure_future(_produce(cinema.shows(Theatre(at_once).stages(2)), REQUEST, Memo([], "use")))
    await cinema.began.wait()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert cinema.given_up == 1


async def test_parts_are_shown_on_the_way() -> None:
    shown: list[int] = []

    async def parts(*end: Video) -> AsyncIterator[Footage | Video]:
        for done in (8, 16):
            yield Footage(done, 16, b"x")
        for video in end:
            yield video

    async def show(part: Footage) -> None:
        shown.append(part.done)

    video = Video(b"", b"", 2, 2, 25, 16, 0.0)
    assert await finished(parts(video), show) is video and shown == [8, 16]
    with pytest.raises(Unavailable):
        await finished(parts(), None)
