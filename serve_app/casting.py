"""What is chosen for each request: by `Cast`, off the event loop, and not twice for a voice that was just there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from deployments.core import keys
from deployments.core.types import RenderRequest
from deployments.lipsync.choice import AUTO

from .cast import Cast

_SEEN_S = 1.0
"""To look for the files of a voice takes as long as handing a job in. One that is gone fails when its turn comes."""


class Casting:
    """For one event loop."""

    def __init__(self, cast: Cast) -> None:
        """
        Args:
            cast: knows what there is.
        """
        self._cast = cast
        self._seen: dict[str, tuple[float, str]] = {}
        """Voice -> time.monotonic() at which it was there, and the engine that moves its mouth."""

    async def choose(self, request: RenderRequest) -> RenderRequest:
        """The request with its voice, or the recording, which is there or was a moment ago.

        Raises:
            UnknownVoice, VoiceNotInstalled, UploadNotFound, BadInput: see Cast.choose.
        """
        name = request.voice_id or self._cast.default
        plain = not (request.conversion or request.audio or request.video or request.lipsync not in {"", AUTO})
        seen_s, mouth = self._seen.get(name, (-float("inf"), ""))
        if plain and time.monotonic() < seen_s + _SEEN_S:
            return replace(request, voice_id=name, lipsync=mouth)
        chosen = await asyncio.to_thread(self._cast.choose, request)
        if plain and chosen == replace(request, voice_id=name, lipsync=chosen.lipsync):
            # Of voices that exist: as many as there are.
            self._seen[name] = time.monotonic(), chosen.lipsync
        return chosen

    async def identify(self, request: RenderRequest) -> tuple[RenderRequest, str]:
        """The same, always looked for, and a digest of what is said how.

        Raises:
            UnknownVoice, VoiceNotInstalled, UploadNotFound, BadInput
        """
        return await asyncio.to_thread(self._identify, request)

    def _identify(self, request: RenderRequest) -> tuple[RenderRequest, str]:
        chosen = self._cast.choose(request)
        said = (chosen.text, chosen.audio, chosen.language, chosen.lipsync, chosen.video)
        voice = (chosen.voice_id, chosen.character, chosen.conversion, chosen.speed, chosen.speaker)
        # Another voice under the same name has another stamp.
        return chosen, keys.digest((said, voice, self._cast.stamp(chosen)))
