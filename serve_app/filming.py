"""What comes behind the DAG where somebody wants to see it: a video of a portrait, made of the same take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

from deployments.cache.made import Made
from deployments.cache.memo import Memo
from deployments.core import keys
from deployments.core.errors import Unavailable
from deployments.core.types import RenderRequest, Take
from deployments.core.video import Footage, Video
from deployments.media import captions
from deployments.media.recording import Recording

from .cast import check_length
from .pipeline import Stages, take_of

Screen: TypeAlias = Callable[[Footage], Awaitable[object]]
"""What is done with each part of a video that is being made."""


async def produce(
    stages: Stages, request: RenderRequest, language: str, recording: Recording, memo: Memo, max_seconds: float
) -> tuple[Take, Video | None]:
    """What `pipeline.render` gives, and a video of it where one is asked for, unless that is in the cache.

    Args:
        stages, request, language, recording, memo: as for `render`.
        max_seconds: of a video.

    Raises:
        BadInput: the video would be longer than that.
        NoFace: nobody is in the picture.
        AvatarError: as `render`, and what else can be wrong with a picture.
    """
    made = await take_of(stages, request, language, recording, memo)
    take = await made
    if request.video is None:
        return take, None
    check_length(take.animation.duration_s, max_seconds, request.audio)
    video = await _video(stages, request, made, take, memo)
    try:
        return take, await video
    except BaseException:
        video.cancel()
        await asyncio.wait([video.future])
        raise


async def finished(parts: AsyncIterator[Footage | Video], screen: Screen | None) -> Video:
    """The video, whose parts are shown on the way.

    Raises:
        Unavailable: there is none at the end.
    """
    async for part in parts:
        if isinstance(part, Video):
            return part
        if screen:
            await screen(part)
    raise Unavailable("the avatar stage ended without a video", hint="Try again in a few seconds.")


async def _video(stages: Stages, request: RenderRequest, made: Made[Take], take: Take, memo: Memo) -> Made[Video]:
    avatar, asked = stages.avatar, request.video
    assert avatar and asked
    subtitles = captions.srt(take.text, take.animation.words) if asked.captions else ""

    async def compute(*inputs: Any) -> Video:
        async with stages.admission():
            return await avatar.call(*inputs, subtitles)

    return await memo.run(avatar.node, lambda *inputs: asyncio.ensure_future(compute(*inputs)), made, *_inputs(request))


def video_key(stages: Stages, request: RenderRequest, take_digest: str) -> str:
    """Key of a video: see pipeline.whole_key.

    Args:
        stages: what makes it.
        request: for a video.
        take_digest: of what is filmed.
    """
    assert stages.avatar
    return keys.key(stages.avatar.node, [take_digest, *map(keys.digest, _inputs(request))])


def _inputs(request: RenderRequest) -> tuple[Any, ...]:
    """Besides the take. That of a recording does not have its sound."""
    return request.video, request.audio
