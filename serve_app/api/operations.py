"""/v1/voices and /health."""

from __future__ import annotations

from fastapi import APIRouter

from ..studio import Studio
from .schemas import Health, VoiceEntry, VoiceList


def router(studio: Studio) -> APIRouter:
    """
    Args:
        studio: knows the voices.
    """
    routes = APIRouter(tags=["operations"])

    @routes.get("/v1/voices")
    async def voices() -> VoiceList:
        """Voices that can speak now, and those of the catalogue with the command that installs each."""
        entries = [VoiceEntry.of(voice) for voice in await studio.voices()]
        return VoiceList(default=studio.library.default, voices=entries)

    @routes.get("/health")
    async def health() -> Health:
        """Answers once every stage is ready."""
        return Health(pending_jobs=studio.active)

    return routes
