"""Takes off every request the headers that Serve obeys, before Serve reads them.

They are meant for proxies in front of Serve, and it obeys them whoever sends them: x-request-timeout-seconds ends a
render when the client likes, or never; x-request-disconnect-disabled lets it go on for nobody; the other two choose
the replica. Bytes in them that are not UTF-8 make it answer 500, as they do in x-request-id.

RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names middlewares(): Serve puts them outside of its own in each of its HTTP
servers, those of the replicas behind HAProxy and that of its proxy (ray/serve/_private/http_util.py).
"""

from __future__ import annotations

import re

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

OBEYED = frozenset(
    {
        b"x-request-timeout-seconds",
        b"x-request-disconnect-disabled",
        b"x-session-id",
        b"serve-multiplexed-model-id",
    }
)
"""In lower case, as servers hand them over; Serve takes _ for - in some of them, here it is done in all."""
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
"""Goes into each line of the log and back to the client: visible ASCII, and room for any tracer's IDs."""


def middlewares() -> list[Middleware]:
    """What Serve's HTTP servers put in front of everything."""
    return [Middleware(WithoutServeHeaders)]


class WithoutServeHeaders:
    """Hands a request on without OBEYED, and without a request ID that cannot be one: then Serve makes its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "lifespan":
            scope["headers"] = [header for header in scope["headers"] if _may_pass(*header)]
        await self._app(scope, receive, send)


def _may_pass(name: bytes, value: bytes) -> bool:
    if name == b"x-request-id":
        return _REQUEST_ID.fullmatch(value) is not None
    return name.replace(b"_", b"-") not in OBEYED
