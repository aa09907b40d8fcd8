"""/v1/voices, /config and /metrics."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Depends, Response

from ..settings import Settings
from ..studio import Studio
from .access import Access, Caller
from .error_schemas import errors
from .voice_schemas import VoiceEntry, VoiceList

_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""User and password in an URL (RFC 3986, userinfo)."""

_TEXT: dict[str, Any] = {"description": "Prometheus' text format.", "content": {"text/plain": {}}}


def router(studio: Studio, access: Access, settings: Settings) -> APIRouter:
    """
    Args:
        studio: knows the voices, and whom to ask for numbers.
        access: who may ask.
        settings: the effective ones.
    """
    routes = APIRouter(tags=["operations"])
    user = Depends(access.user)
    admin = Depends(access.admin)

    @routes.get("/v1/voices", responses=errors(401))
    async def voices(_caller: Caller = user) -> VoiceList:
        """Voices that can speak now, and those of the catalogue with the command that installs each."""
        people, voices = await studio.voices()
        entries = [*(VoiceEntry.of_character(each) for each in people), *(VoiceEntry.of(voice) for voice in voices)]
        return VoiceList(default=studio.cast.default, voices=entries)

    @routes.get("/config", responses=errors(401, 403))
    async def config(_caller: Caller = admin) -> dict[str, Any]:
        """The effective settings: the file's, with the environment on top. Secrets are masked."""
        masked: dict[str, Any] = without_logins(settings.model_dump(mode="json"))
        return masked

    @routes.get("/metrics", response_class=Response, responses={200: _TEXT, **errors(401, 403)})
    async def metrics(_caller: Caller = admin) -> Response:
        """Numbers of the whole server in Prometheus' text format, whichever replica answers."""
        content_type, text = await studio.jobs.metrics()
        return Response(text, media_type=content_type)

    return routes


def without_logins(value: Any) -> Any:
    """The same with *** for the user and password of every URL in it."""
    if isinstance(value, dict):
        return {name: without_logins(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_logins(each) for each in value]
    return _LOGIN.sub("***", value) if isinstance(value, str) else value
