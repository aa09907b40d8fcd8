"""How the tests ask a shelf."""

from __future__ import annotations

import asyncio

from deployments.cache.contract import Found, Lead, Refused
from deployments.cache.shelf import Shelf

from .stores import Gate

KEY, OTHER = "speech/1", "speech/2"


async def one(shelf: Shelf, key: str, token: str = "a") -> object:
    """The answer to an ask for one key."""
    return (await shelf.begin([key], token))[key]


async def glimpse(shelf: Shelf, key: str) -> object:
    """The answer to a look."""
    return (await shelf.begin([], "a", peek=[key]))[key]


async def came(gate: Gate) -> None:
    await asyncio.to_thread(gate.came)


async def waiting(shelf: Shelf, key: str, token: str) -> asyncio.Task[Found | Lead | Refused]:
    """A follower that waits already."""
    task = asyncio.create_task(shelf.follow(key, token))
    await asyncio.sleep(0)
    return task
