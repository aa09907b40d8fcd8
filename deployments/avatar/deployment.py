"""Avatar on Ray Serve: prepared portraits are multiplexed, frames of different videos drawn in batches, and encoded
where they are drawn: they never leave the replica."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve

from deployments.core.errors import AvatarError
from deployments.core.keys import Node
from deployments.core.measures import STAGE_SECONDS
from deployments.core.types import Take
from deployments.core.video import Filming, Footage, Video
from deployments.stage import Stage

from .contract import Part, Picture
from .filmer import Filmer, Frames, Shot, node_of
from .filming import Film, film
from .sound import ClipSound, Sound

_KNOWN = 256
"""Portraits that the router is told of at most. Which of them are in memory is another matter: `Loaded` knows."""
_ENCODERS = 4
"""Threads that encode, each for one video, and x264 has its own behind them."""


class Avatar(Stage):
    """A timeline and a portrait in, a video out, part by part."""

    # Serve awaits an async constructor (ray/serve/_private/replica.py), which mypy does not know of.
    async def __init__(  # type: ignore[misc]
        self,
        choices: Mapping[str, Mapping[str, Any]],
        open_picture: Callable[[str], Picture],
        open_sound: Callable[[str], Sound],
        memory_mb: float,
        batch_size: int,
        batch_wait_s: float,
        release: str,
        timeout_s: float,
    ) -> None:
        """
        Args:
            choices: engine -> its Options.
            open_picture: gives an uploaded or built-in picture by its name.
            open_sound: gives an uploaded recording by its name.
            memory_mb: of all prepared portraits.
            batch_size: videos whose frames are drawn together at most.
            batch_wait_s: how long the first of a batch waits for others.
            release: what it was built with.
            timeout_s: limit of preparing a portrait, or of drawing a few frames, in seconds.
        """
        super().__init__(node_of(choices), release, timeout_s)
        self._open_sound = open_sound
        self._filmer = Filmer(choices, open_picture, round(memory_mb * 1e6))
        self._encoder = ThreadPoolExecutor(_ENCODERS, thread_name_prefix="encoder")
        batched: Any = self._batched  # what serve.batch adds to it is not in its type
        batched.set_max_batch_size(batch_size)
        batched.set_batch_wait_timeout_s(batch_wait_s)
        for name in choices:
            await self.prepare(self._filmer.warm_up, name)

    @serve.multiplexed(max_num_models_per_replica=_KNOWN)  # type: ignore[untyped-decorator]
    async def _announce(self, wanted: str) -> str:
        """Tells the router that this replica has the portrait, or is about to."""
        return wanted

    async def film(
        self, take: Take, filming: Filming, audio: str, captions: str, node: Node
    ) -> AsyncGenerator[Footage | Video, None]:
        """Makes a video: says how far it is, with what can be played already, and at last gives it whole.

        Args:
            take: the timeline, and its sound unless it is a recording.
            filming: of whom, and how; the caller sets multiplexed_model_id to its image.
            audio: name of the recording; empty for the sound of the take.
            captions: SubRip; empty for none.
            node: what the caller thinks that runs here.
        """
        self.check_node(node)
        started = time.monotonic()
        await self.prepare(self._filmer.check_weights, filming.engine, node.weights)
        await self._announce(filming.image)
        state = await self.prepare(self._filmer.prepare, filming)
        animation = take.animation
        sound = await self.prepare(self._open_sound, audio) if audio else ClipSound(animation.audio)
        order = Film(filming, state, animation, sound, captions)

        async def draw(part: Part[Any]) -> NDArray[np.uint8]:
            frames: Frames | AvatarError = await self._batched(Shot(filming.engine, part))
            if isinstance(frames, AvatarError):
                raise frames
            return frames

        at_a_time = self._filmer.frames_at_a_time(filming.engine)
        async with contextlib.aclosing(film(order, at_a_time, draw, self._encoder)) as parts:
            async for part in parts:
                yield part
        self._meter.observe(STAGE_SECONDS, time.monotonic() - started, stage="avatar")
        self.log_done(started, f"made {order.frames} frames of {filming.image} with {filming.engine}")

    @serve.batch
    async def _batched(self, shots: Sequence[Shot]) -> list[Frames | AvatarError]:
        # Not as a call of the stage: that is the whole video.
        return await self.prepare(self._filmer.render, shots)
