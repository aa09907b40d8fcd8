"""Work that outlives the request that happens to start it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

_RUNNING: set[asyncio.Task[Any]] = set()
"""The event loop itself holds tasks weakly."""


def detached(work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
    """Runs it outside the context of the request: Serve cancels what belongs to a request when that ends."""
    task = asyncio.get_event_loop().create_task(work, context=contextvars.Context())
    _RUNNING.add(task)
    task.add_done_callback(_RUNNING.discard)
    return task
