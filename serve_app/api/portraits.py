"""/portraits: the pictures that come with the server. No key is needed: they are ours."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from deployments.avatar import portraits
from deployments.core.errors import NotFound

from .media import media_responses
from .orders import base_of

_TYPES = {"png": "image/png"}


class BuiltIn(BaseModel):
    """A portrait that comes with the server."""

    image_filename: str
    url: str


def router() -> APIRouter:
    """Their list, and each of them."""
    routes = APIRouter(tags=["videos"])

    @routes.get("/portraits")
    async def built_in(request: Request) -> list[BuiltIn]:
        """The portraits that come with the server, for image_filename."""
        base = base_of(request)
        return [BuiltIn(image_filename=name, url=f"{base}/portraits/{name}.png") for name in portraits.names()]

    @routes.get("/portraits/{name}.png", response_class=Response, responses=media_responses(_TYPES))
    async def portrait(name: str) -> Response:
        """One of them."""
        if name not in portraits.names():
            raise NotFound("There is no such portrait.", hint="GET /portraits lists them.")
        content = await asyncio.to_thread(portraits.path_of(name).read_bytes)
        return Response(content, headers={"Cache-Control": "max-age=86400"}, media_type="image/png")

    return routes
