"""The ID of a request: Serve's own, so that one ID leads through the logs of every stage."""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"


def request_id_of(request: HTTPConnection) -> str:
    """The ID that `RequestId` gave."""
    return str(request.scope.get("avatar.request_id", "unknown"))


class RequestId:
    """ASGI middleware: takes the ID from the header (Serve sets one), else makes one, and sends it back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = dict(scope["headers"]).get(HEADER.encode(), b"").decode("latin-1")
        # A client's own ID goes into log lines: letters and digits only.
        safe = "".join(sign for sign in given if sign.isalnum() or sign in "-_")[:64]
        request_id = scope["avatar.request_id"] = safe or secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
