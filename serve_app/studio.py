"""All that the API sees of the system. Ray-free: what renders is handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from deployments.core.errors import TimedOut
from deployments.core.types import RenderRequest
from deployments.tts.voices import VoiceInfo, VoiceLibrary, catalogue

from .results import RenderResult, ResultStore, new_render_id

Render = Callable[[RenderRequest, str], Awaitable[RenderResult]]
"""Renders a request under a render ID and stores the result."""


class Studio:
    """Speaks texts and knows the voices and the results."""

    def __init__(self, render: Render, results: ResultStore, library: VoiceLibrary, timeout_s: float) -> None:
        """
        Args:
            render: does the work.
            results: where it stores what it made.
            library: the voices of this machine.
            timeout_s: limit of one render in seconds, its time in the queue included.
        """
        self._render = render
        self._timeout_s = timeout_s
        self.results = results
        self.library = library
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
        voice = await asyncio.to_thread(self.library.find, request.voice_id or self.library.default)
        self.active += 1
        try:
            work = self._render(replace(request, voice_id=voice.voice_id), new_render_id())
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
