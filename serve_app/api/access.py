"""Who asks: API keys, as headers of a request."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from deployments.core.errors import Forbidden, Unauthorized
from deployments.core.types import Priority
from deployments.jobs.contract import ApiKey

_HEADER = "X-API-Key"
# For the documentation alone: both are read below, where the answer to a wrong key is ours.
_Bearer = Annotated[Any, Security(HTTPBearer(auto_error=False, scheme_name="Bearer"))]
_KeyHeader = Annotated[Any, Security(APIKeyHeader(name=_HEADER, auto_error=False, scheme_name=_HEADER))]


@dataclass(frozen=True)
class Caller:
    """Whose request it is, and what it may ask for."""

    name: str
    """Of the API key; empty without keys."""
    admin: bool
    priority: Priority
    """The highest class of its jobs."""
    requests_per_minute: float | None
    """None: as many as there are."""
    concurrent_jobs: int | None
    """None: as many as the queue holds."""


ANONYMOUS = Caller("", admin=True, priority="high", requests_per_minute=None, concurrent_jobs=None)
"""Everybody, on a server without keys."""

Dependency = Callable[..., Awaitable[Caller]]


class Access:
    """Knows the keys.

    Attributes:
        user: FastAPI dependency: the caller, who has any valid key. Raises Unauthorized.
        admin: FastAPI dependency: the caller, who has an admin key. Raises Unauthorized and Forbidden.
    """

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        """
        Args:
            keys: none: everybody may do everything.
        """
        self._keys = {bytes.fromhex(key.sha256.get_secret_value()): key for key in keys}
        # Without keys, the documentation does not ask for one.
        self.user: Dependency = self._known if keys else _anybody
        self.admin: Dependency = self._administrator if keys else _anybody

    @property
    def enabled(self) -> bool:
        """Whether a key is needed."""
        return bool(self._keys)

    def identify(self, headers: Headers) -> ApiKey | None:
        """The key that came as `Authorization: Bearer KEY` or `X-API-Key: KEY`; None: none, or none that is known."""
        # Found by its digest: how long that takes tells nothing about the keys, whose digests nobody can aim at.
        return self._keys.get(hashlib.sha256(_sent_key(headers)).digest())

    def caller(self, headers: Headers) -> Caller:
        """Whose request it is.

        Raises:
            Unauthorized: no key, or an unknown one.
        """
        if not self.enabled:
            return ANONYMOUS
        key = self.identify(headers)
        if key is None:
            raise _unauthorized(headers)
        return Caller(key.name, key.admin, key.priority, key.requests_per_minute, key.concurrent_jobs)

    async def _known(self, connection: HTTPConnection, _bearer: _Bearer, _key: _KeyHeader) -> Caller:
        return self.caller(connection.headers)

    async def _administrator(self, connection: HTTPConnection, _bearer: _Bearer, _key: _KeyHeader) -> Caller:
        caller = self.caller(connection.headers)
        if not caller.admin:
            raise Forbidden("This needs an admin key.", hint="Use a key that has admin: true under args.access.keys.")
        return caller


async def _anybody() -> Caller:
    return ANONYMOUS


def _sent_key(headers: Headers) -> bytes:
    """Empty without one. A user and password for a proxy on the way (`Authorization: Basic`) are not ours."""
    scheme, _, key = headers.get("authorization", "").strip().partition(" ")
    sent = key if scheme.lower() == "bearer" else headers.get(_HEADER, "")
    return sent.strip().encode("latin-1")  # as Starlette decodes headers


def _unauthorized(headers: Headers) -> Unauthorized:
    if _sent_key(headers):
        return Unauthorized(
            "Nobody has this API key.",
            hint="Compare it with what `avatar-serve keys new` printed; its digest must be under args.access.keys.",
        )
    return Unauthorized(
        "An API key is needed.",
        hint=f"Send it as `Authorization: Bearer KEY` or as `{_HEADER}: KEY`. Who runs the server can give you one.",
    )
