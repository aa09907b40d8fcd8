"""What every request passes before any route sees it: limits of size, and CORS.

Plain ASGI: at 600 requests a second every layer counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.core.errors import BodyTooLarge, HeadersTooLarge

from .errors import refusal

BODY_BYTES = 64 * 1024
"""5000 characters, each of them a surrogate pair in JSON's escapes, are 60,000 bytes; the rest is for other fields."""
_HEADER_BYTES = 12 * 1024
"""Names and values. HAProxy, as Ray sets it, takes 15 KiB with the first line and all separators, and answers more with
a page of HTML: so this limit is met before that one."""
_HEADERS = 64
"""Browsers send about 20, and each proxy on the way adds a few; HAProxy takes 100."""
_POLICY_VIOLATION = 1008
"""RFC 6455: the close code for what fits no other."""

_METHODS = ("GET", "HEAD", "POST", "DELETE")
_REQUEST_HEADERS = ("Authorization", "X-API-Key", "Idempotency-Key", "Content-Type", "Last-Event-ID")
_ANSWER_HEADERS = ("Retry-After", "ETag", "Content-Range")


def install(app: Starlette, cors_origins: Sequence[str], body_bytes: int, larger_bodies: Mapping[str, int]) -> None:
    """Puts everything here in front of an application, in the right order.

    Args:
        app: has not answered a request yet.
        cors_origins: origins whose pages may read the answers; "*" for all.
        body_bytes: most bytes of a body.
        larger_bodies: see BodyLimit.
    """
    app.add_middleware(BodyLimit, most_bytes=body_bytes, larger=larger_bodies)
    app.add_middleware(HeaderLimit)
    if not cors_origins:
        return
    # Added last, so outermost: a page of another origin must be able to read the refusals of the two above. Keys come
    # in headers and never in cookies, so credentials in the sense of CORS are not needed.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=cors_origins,
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
    )


class HeaderLimit:
    """Answers 431 to a request with too many headers, or too much in them; WebSockets included."""

    def __init__(self, app: ASGIApp, most_bytes: int = _HEADER_BYTES, most: int = _HEADERS) -> None:
        """
        Args:
            app: what is behind.
            most_bytes: of all names and values together.
            most: headers.
        """
        self._app = app
        self._most_bytes = most_bytes
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "lifespan" and self._too_large(scope):
            await self._refuse(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _too_large(self, scope: Scope) -> bool:
        headers = scope["headers"]
        return len(headers) > self._most or sum(len(name) + len(value) for name, value in headers) > self._most_bytes

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": "The headers are too large."})
            return
        error = HeadersTooLarge(
            "The headers of the request are too large.",
            hint=f"Send at most {self._most} headers with {self._most_bytes} bytes in all. Often it is the cookies.",
        )
        await refusal(error)(scope, receive, send)


class BodyLimit:
    """Answers 413 to a request whose body is too long.

    By Content-Length before a byte of it is read; and while it comes, if nothing told its length. The rest is then
    left to the server, which throws it away: were the connection closed, the client would not get to read the answer.
    """

    def __init__(self, app: ASGIApp, most_bytes: int = BODY_BYTES, larger: Mapping[str, int] | None = None) -> None:
        """
        Args:
            app: what is behind.
            most_bytes: of a body.
            larger: beginning of a path -> most bytes there. The longest that fits counts.
        """
        self._app = app
        self._most_bytes = most_bytes
        self._larger = sorted((larger or {}).items(), key=lambda entry: len(entry[0]), reverse=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most_bytes = self._limit(scope)
        if _declared_bytes(scope) > most_bytes:
            await refusal(_too_large(most_bytes))(scope, receive, send)
            return
        body = _Counted(most_bytes, scope, receive, send)
        try:
            await self._app(scope, body.receive, body.send)
        except ClientDisconnect:
            if not body.refused:
                raise

    def _limit(self, scope: Scope) -> int:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return next((most for prefix, most in self._larger if path.startswith(prefix)), self._most_bytes)


def _declared_bytes(scope: Scope) -> int:
    """Content-Length; 0 without one, and for what is none: the server refuses that itself."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    # Eighteen digits are more than any limit; of thousands, Python would make no number at all.
    return int(declared[:18]) if declared.isdigit() else 0


def _too_large(most_bytes: int) -> BodyTooLarge:
    return BodyTooLarge("The body of the request is too large.", hint=f"Send at most {most_bytes} bytes.")


class _Counted:
    """The body of one request. If it is too long, it is answered here, and the application finds its client gone.

    An error instead would be FastAPI's to answer: for it, whatever happens to a body is a 400.
    """

    def __init__(self, most_bytes: int, scope: Scope, receive: Receive, send: Send) -> None:
        self.refused = False
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answering = False
        self._scope, self._receive, self._send = scope, receive, send

    async def receive(self) -> Message:
        """What came, counted."""
        if not self.refused:
            message = await self._receive()
            self._bytes += len(message.get("body", b""))
            if self._bytes <= self._most_bytes:
                return message
            self.refused = True
            if not self._answering:
                await refusal(_too_large(self._most_bytes))(self._scope, self._receive, self._send)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Sends, until the request is refused."""
        if not self.refused:
            self._answering = True
            await self._send(message)
