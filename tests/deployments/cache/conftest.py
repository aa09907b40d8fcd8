"""Shelves over a level 2 in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deployments.cache.contract import LifeTimes
from deployments.cache.shelf import Periods, Shelf

from .stores import LIMIT_BYTES, Clock, MemoryStore

PATIENT = Periods(read_wait_s=60)
"""Waits for every read."""
HASTY = Periods(read_wait_s=0, tick_s=0.001)
"""Waits for none."""


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def shelf(store: MemoryStore, clock: Clock) -> AsyncIterator[Shelf]:
    async for shelf in _opened(Shelf(LIMIT_BYTES, LifeTimes(), store, clock=clock, periods=PATIENT), store):
        yield shelf


@pytest.fixture
async def hasty(store: MemoryStore, clock: Clock) -> AsyncIterator[Shelf]:
    async for shelf in _opened(Shelf(LIMIT_BYTES, LifeTimes(), store, clock=clock, periods=HASTY), store):
        yield shelf


@pytest.fixture
async def alone(clock: Clock) -> AsyncIterator[Shelf]:
    """Without level 2."""
    async for shelf in _opened(Shelf(LIMIT_BYTES, LifeTimes(), clock=clock), MemoryStore()):
        yield shelf


async def _opened(shelf: Shelf, store: MemoryStore) -> AsyncIterator[Shelf]:
    yield shelf
    store.reads.open()
    store.writes.open()
    await shelf.close()
