"""All that the API sees of the system. Ray-free: what renders is handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from deployments.cache.contract import LevelStats, Removed
from deployments.core import keys
from deployments.core.errors import NotFound, TimedOut
from deployments.core.types import RenderRequest
from deployments.tts.voices import VoiceInfo, VoiceLibrary, catalogue

from .answers import Answers
from .result_store import ResultStore
from .results import RenderResult, new_render_id

ResultT = TypeVar("ResultT")
Render = Callable[[RenderRequest, str], Coroutine[Any, Any, RenderResult]]
"""Renders a request under a render ID and stores the result. Called in the request's context, may run outside it."""


@dataclass(frozen=True)
class CacheStats:
    """Numbers of the whole server, by level."""

    answers: LevelStats
    """Finished answers, all ingress replicas together."""
    level_1: LevelStats
    """Values in the object store."""
    level_2: LevelStats
    """Values in files."""


class CacheControl(Protocol):
    """The cache of the whole server."""

    async def stats(self) -> CacheStats:
        """Its numbers."""

    async def forget(self, prefix: str) -> None:
        """Drops the finished answers whose keys begin so, wherever they were given."""

    async def clear(self) -> Removed:
        """Empties every level."""

    async def cleanup(self) -> Removed:
        """Removes what has expired or is beyond the size limit."""


class Studio:
    """Speaks texts and knows the voices and the results."""

    def __init__(
        self,
        render: Render,
        results: ResultStore,
        library: VoiceLibrary,
        timeout_s: float,
        answers: Answers | None,
        cache: CacheControl,
        release: str = "",
    ) -> None:
        """
        Args:
            render: does the work.
            results: where it stores what it made.
            library: the voices of this machine.
            timeout_s: limit of one render in seconds, its time in the queue included.
            answers: those given before; None when the cache is off.
            cache: the levels behind.
            release: that of this process; an answer of another is not given again.
        """
        self._render = render
        self._timeout_s = timeout_s
        self._answers = answers
        self._release = release
        self.results = results
        self.library = library
        self.cache = cache
        self.caches = answers is not None
        """Whether anything is cached."""
        self.active = 0
        """Renders at work or waiting in this process."""

    async def speak(self, request: RenderRequest) -> RenderResult:
        """Renders and waits for it.

        Args:
            request: an empty voice_id means the default voice.

        Raises:
            UnknownVoice, VoiceNotInstalled: before anything is started.
            TimedOut: the render is given up.
            AvatarError: as the stages raise it.
        """
        request, spoken = await asyncio.to_thread(self._identify, request)
        if self._answers is None or request.cache == "bypass":
            return await self._within_time(self._render(request, new_render_id()))
        key = f"{spoken} {request.timing} {request.viseme_set}"
        known = self._answers.recall(key) if request.cache == "use" else None
        if known and (again := await self._again(known)):
            return again
        shared = self._answers.share(f"{request.cache} {key}", lambda: self._render(request, new_render_id()))
        answer, is_ours = await self._within_time(shared)
        if not is_ours:
            return await self._again(answer) or answer
        if request.cache == "refresh":
            await self.cache.forget(spoken)  # whatever the form in which it was asked for
        if answer.release == self._release:
            self._answers.keep(key, answer)
        return answer

    def _identify(self, request: RenderRequest) -> tuple[RenderRequest, str]:
        """The request with its voice named, and a digest of what is spoken how. Blocking."""
        voice_id = request.voice_id or self.library.default
        # Another voice under the same name has another stamp.
        spoken = (request.text, voice_id, self.library.stamp(voice_id), request.speed, request.speaker)
        return replace(request, voice_id=voice_id), keys.digest(spoken)

    async def _again(self, known: RenderResult) -> RenderResult | None:
        """A given answer under a render ID of its own; None when its media are gone."""
        render_id = new_render_id()
        try:
            await asyncio.to_thread(self.results.link, render_id, known.render_id)
        except NotFound:  # it will be replaced by the answer to come
            return None
        return replace(known, render_id=render_id, cached=True, stages={})

    async def _within_time(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        self.active += 1
        try:
            return await asyncio.wait_for(work, self._timeout_s)
        except TimeoutError:
            raise TimedOut(
                f"the render took longer than {self._timeout_s:g} s",
                hint="Send a shorter text, or raise timeouts.sync_render (SYNC_TIMEOUT_SECONDS).",
            ) from None
        finally:
            self.active -= 1

    async def voices(self) -> list[VoiceInfo]:
        """The installed voices, then the rest of the catalogue."""
        installed = await asyncio.to_thread(self.library.installed)
        missing = [voice for voice_id, voice in catalogue().items() if voice_id not in installed]
        return [*installed.values(), *missing]
