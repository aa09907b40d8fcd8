"""What a request says of itself besides its body: whose it is, how urgent, to be done only once."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header, Request

from deployments.core.errors import BadInput
from deployments.core.types import Priority

from ..order import Order
from .access import Caller

IDEMPOTENCY_KEY = "[A-Za-z0-9._~:/+=-]{1,128}"
"""A regular expression."""
OnlyOnce = Annotated[
    str | None,
    Header(
        description="Sent again with the same key and body, nothing is started anew: the answer is the same job's.",
        json_schema_extra={"pattern": f"^{IDEMPOTENCY_KEY}$"},  # checked by order_of, in words
    ),
]
"""An Idempotency-Key, as the documentation shows it."""


def order_of(
    caller: Caller, request: Request, priority: Priority | None = None, callback_url: str | None = None
) -> Order:
    """
    Args:
        caller: whose request it is.
        request: may have an Idempotency-Key.
        priority: class that it asks for.
        callback_url: who is to be told of the end.

    Raises:
        BadInput: the Idempotency-Key is none.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not re.fullmatch(IDEMPOTENCY_KEY, key):
        raise BadInput(
            "Idempotency-Key: it has 1 to 128 letters, digits, and . _ ~ : / + = -",
            hint="A UUID for each different request is a good key.",
        )
    return Order(
        owner=caller.name,
        sees_all=caller.admin,
        highest=caller.priority,
        priority=priority,
        requests_per_minute=caller.requests_per_minute,
        concurrent_jobs=caller.concurrent_jobs,
        idempotency_key=key,
        callback_url=callback_url,
        request_id=request.headers.get("x-request-id", ""),  # Serve makes one where the client sent none
    )


def visitor(caller: Caller) -> Order:
    """For a request that starts nothing."""
    return Order(owner=caller.name, sees_all=caller.admin)


def base_of(request: Request) -> str:
    """The server's address as the client used it, without a slash at the end."""
    return str(request.base_url).rstrip("/")
