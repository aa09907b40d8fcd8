"""What goes from level 1 to level 2: behind, bounded, and never back after a clear."""

from __future__ import annotations

import asyncio
import gc
import weakref

import numpy as np
import pytest

from deployments.cache import writes
from deployments.cache.contract import Found, Lead, LevelStats, LifeTimes, Removed, Stored
from deployments.cache.shelf import Shelf
from deployments.core.types import AudioClip

from .asking import KEY, OTHER, came, one
from .stores import LIMIT_BYTES, MemoryStore


async def test_what_is_finished_is_written(shelf: Shelf, store: MemoryStore) -> None:
    await shelf.finish(KEY, "a", "value", "digest")
    await shelf.finish(KEY, "a", "newer", "digest")
    await shelf.drain()
    assert store.kept == {KEY: Stored("newer", "digest")}
    assert await one(shelf, KEY) == Found("newer", "digest", 1)


async def test_a_value_beyond_level_1_is_written_all_the_same(shelf: Shelf, store: MemoryStore) -> None:
    value = "x" * LIMIT_BYTES
    await shelf.finish(KEY, "a", value, "digest")
    await shelf.drain()
    assert await one(shelf, KEY) == Found(value, "digest", 2)
    assert (await shelf.stats())[0].entries == 0


async def test_what_waits_to_be_written_is_bounded(
    shelf: Shelf, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, "LIMIT", 2)
    monkeypatch.setattr(writes, "LIMIT_BYTES", 100)
    store.writes.close()
    await shelf.finish("speech/0", "a", "x" * 200, "digest")
    for number in (1, 2, 3):
        await shelf.finish(f"speech/{number}", "a", "value", "digest")
    store.writes.open()
    await shelf.drain()
    assert sorted(store.kept) == ["speech/1", "speech/2"]
    assert (await shelf.stats())[1].faults["write_dropped"] == 2


async def test_a_value_is_kept_until_it_is_written_and_no_longer(store: MemoryStore) -> None:
    shelf = Shelf(0, LifeTimes(), store)  # level 1 keeps nothing
    store.writes.close()
    clip = AudioClip(np.zeros(10, np.float32), 1000)
    alive = weakref.ref(clip)
    await shelf.finish(KEY, "a", clip, "digest")
    await came(store.writes)
    del clip
    assert alive() is not None
    store.writes.open()
    await shelf.drain()
    store.kept.clear()
    gc.collect()
    assert alive() is None
    await shelf.close()


async def test_nothing_comes_back_after_clear(shelf: Shelf, store: MemoryStore) -> None:
    store.kept["speech/9"] = Stored("read", "digest")
    store.writes.close()
    await shelf.finish("speech/1", "a", "being written", "digest")
    await came(store.writes)
    await shelf.finish("speech/2", "a", "waiting", "digest")
    store.reads.close()
    asking = asyncio.create_task(one(shelf, "speech/9"))
    await came(store.reads)
    clearing = asyncio.create_task(shelf.clear())
    await asyncio.sleep(0)
    store.writes.open()
    assert await clearing == Removed(2, 2)
    store.reads.open()
    assert await asking == Lead()
    await shelf.drain()
    assert store.kept == {}
    assert (await shelf.stats())[0].entries == 0
    assert await shelf.begin([], "a", peek=["speech/1", "speech/2"]) == {"speech/1": None, "speech/2": None}


async def test_writing_goes_on_after_clear(shelf: Shelf, store: MemoryStore) -> None:
    assert await shelf.clear() == Removed()
    await shelf.finish(KEY, "a", "value", "digest")
    await shelf.drain()
    assert sorted(store.kept) == [KEY]


async def test_a_broken_store_is_a_miss(shelf: Shelf, store: MemoryStore) -> None:
    store.broken |= {"get", "put", "clear", "cleanup", "stats"}
    assert await one(shelf, KEY) == Lead()
    await shelf.finish(KEY, "a", "value", "digest")
    await shelf.drain()
    assert await one(shelf, KEY) == Found("value", "digest", 1)
    assert await shelf.cleanup() == Removed()
    assert await shelf.clear() == Removed()
    faults = dict.fromkeys(["read_failed", "write_failed", "clear_failed", "stats_failed"], 1) | {"cleanup_failed": 2}
    assert (await shelf.stats())[1] == LevelStats(faults=faults)


async def test_what_is_deleted_does_not_come_back(shelf: Shelf, store: MemoryStore) -> None:
    await shelf.finish(KEY, "a", "value", "digest")
    await shelf.finish(OTHER, "a", "other", "digest")
    await shelf.delete(KEY)
    await shelf.drain()
    assert set(store.kept) == {OTHER}
    assert await one(shelf, KEY) == Lead()
    assert await one(shelf, OTHER) == Found("other", "digest", 1)
