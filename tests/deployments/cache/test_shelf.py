"""Level 1 over a level 2 that is fast, slow, full or broken."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from deployments.cache.contract import Follow, Found, Lead, LevelStats, LifeTimes, Refused, Removed, Shard, Stored
from deployments.cache.shelf import Periods, Shelf
from deployments.core.errors import NothingToSpeak
from deployments.core.types import AudioClip

from .asking import KEY, OTHER, came, glimpse, one, waiting
from .stores import LIMIT_BYTES, Clock, MemoryStore


async def test_it_is_a_shard(shelf: Shelf) -> None:
    shard: Shard = shelf
    assert await one(shelf, KEY) == Lead()
    await shard.finish(KEY, "a", "value", "digest")
    assert await one(shelf, KEY) == Found("value", "digest", 1)


async def test_of_many_askers_one_leads_and_one_reads(shelf: Shelf, store: MemoryStore) -> None:
    async def render(token: str) -> object:
        outcome = await one(shelf, KEY, token)
        if outcome == Lead():
            await asyncio.sleep(0)
            await shelf.finish(KEY, token, token, "digest")
            return outcome
        return await shelf.follow(KEY, token) if outcome == Follow() else outcome

    outcomes = await asyncio.gather(*(render(f"{number}") for number in range(200)))
    [leader] = [number for number, outcome in enumerate(outcomes) if outcome == Lead()]
    assert outcomes.count(Found(f"{leader}", "digest", 1)) == 199
    assert store.calls["get"] == 1


async def test_level_2_answers_and_fills_level_1(shelf: Shelf, store: MemoryStore) -> None:
    store.kept[KEY] = Stored("value", "digest")
    first = await asyncio.gather(one(shelf, KEY, "a"), one(shelf, KEY, "b"), glimpse(shelf, KEY))
    assert list(first) == [Found("value", "digest", 2)] * 3
    assert await one(shelf, KEY) == Found("value", "digest", 1)
    assert store.calls["get"] == 1


async def test_what_comes_from_level_2_lives_on_for_the_rest_of_its_time(
    shelf: Shelf, store: MemoryStore, clock: Clock
) -> None:
    store.kept[KEY] = Stored("value", "digest", age_s=LifeTimes().seconds("speech") - 10)
    await one(shelf, KEY)
    store.kept.clear()
    clock.now += 9
    assert await one(shelf, KEY) == Found("value", "digest", 1)
    clock.now += 2
    assert await one(shelf, KEY) == Lead()


async def test_one_ask_has_an_answer_for_each_key(shelf: Shelf, store: MemoryStore) -> None:
    store.kept["speech/2"] = Stored("two", "digest 2")
    await shelf.finish("speech/1", "b", "one", "digest 1")
    await one(shelf, "speech/4", "b")
    asked = await shelf.begin(["speech/1", "speech/2", "speech/3", "speech/4"], "a", peek=["speech/1", "speech/5"])
    assert asked == {
        "speech/1": Found("one", "digest 1", 1),
        "speech/2": Found("two", "digest 2", 2),
        "speech/3": Lead(),
        "speech/4": Follow(),
        "speech/5": None,
    }


async def test_a_look_leads_nothing(shelf: Shelf) -> None:
    assert await glimpse(shelf, KEY) is None
    assert await one(shelf, KEY, "b") == Lead()
    assert await glimpse(shelf, KEY) is None
    assert await one(shelf, KEY, "c") == Follow()


async def test_a_slow_read_is_followed_until_it_finds(hasty: Shelf, store: MemoryStore) -> None:
    store.kept[KEY] = Stored("value", "digest")
    store.reads.close()
    assert await one(hasty, KEY) == Follow()
    assert await glimpse(hasty, KEY) is None
    follower = await waiting(hasty, KEY, "a")
    store.reads.open()
    assert await follower == Found("value", "digest", 2)
    assert await hasty.follow(KEY, "b") == Found("value", "digest", 1)
    assert store.calls["get"] == 1


async def test_a_slow_read_that_finds_nothing_makes_one_follower_lead(hasty: Shelf, store: MemoryStore) -> None:
    store.reads.close()
    assert [await one(hasty, KEY, token) for token in "abc"] == [Follow()] * 3
    followers = [await waiting(hasty, KEY, token) for token in "abc"]
    followers[0].cancel()
    store.reads.open()
    assert await followers[1] == Lead()
    assert not followers[2].done()
    await hasty.finish(KEY, "b", "value", "digest")
    assert await followers[2] == Found("value", "digest", 1)


async def test_a_read_that_hangs_is_given_up_with_its_lease(hasty: Shelf, store: MemoryStore, clock: Clock) -> None:
    store.reads.close()
    assert await one(hasty, KEY) == Follow()
    follower = await waiting(hasty, KEY, "a")
    clock.now += 5
    assert await follower == Lead()
    await hasty.finish(KEY, "a", "value", "digest")
    assert await one(hasty, KEY, "b") == Found("value", "digest", 1)


async def test_what_is_finished_during_a_read_wins(shelf: Shelf, store: MemoryStore) -> None:
    store.kept[KEY] = Stored("old", "digest")
    store.reads.close()
    asking = asyncio.create_task(one(shelf, KEY))
    await came(store.reads)
    await shelf.finish(KEY, "b", "new", "digest")
    store.reads.open()
    assert await asking == Found("new", "digest", 1)
    await came(store.writes)
    assert await one(shelf, KEY) == Found("new", "digest", 1)


async def test_a_cancelled_ask_leads_nothing(shelf: Shelf, store: MemoryStore) -> None:
    store.reads.close()
    asking = asyncio.create_task(shelf.begin([KEY, OTHER], "a"))
    await came(store.reads)
    asking.cancel()
    store.reads.open()
    assert await shelf.begin([KEY, OTHER], "b") == {KEY: Lead(), OTHER: Lead()}


async def test_a_leader_that_dies_is_replaced(hasty: Shelf, clock: Clock) -> None:
    assert await hasty.follow(KEY, "a") == Lead()
    follower = await waiting(hasty, KEY, "b")
    clock.now += 4
    await hasty.renew("a", [KEY])
    clock.now += 4
    await asyncio.sleep(0.01)  # some ticks
    assert not follower.done()
    clock.now += 1
    assert await follower == Lead()


async def test_a_leader_hands_over_or_refuses(alone: Shelf) -> None:
    error = NothingToSpeak("nothing")
    assert await one(alone, KEY) == Lead()
    followers = [await waiting(alone, KEY, token) for token in "bc"]
    await alone.abandon(KEY, "a")
    assert await followers[0] == Lead()
    await alone.abandon(KEY, "b", error)
    assert await followers[1] == Refused(error)
    assert await one(alone, KEY) == Lead()


async def test_values_live_as_long_as_their_kind(alone: Shelf, clock: Clock) -> None:
    await alone.finish("speech/1", "a", "value", "digest")
    await alone.finish("video/1", "a", "value", "digest")
    clock.now = 25 * 3600
    assert await alone.begin([], "a", peek=["speech/1", "video/1"]) == {
        "speech/1": Found("value", "digest", 1),
        "video/1": None,
    }
    clock.now = 169 * 3600
    assert await alone.cleanup() == Removed()
    assert (await alone.stats())[0].entries == 0


async def test_a_value_is_held_as_told_and_weighed_with_its_arrays(clock: Clock) -> None:
    clip = AudioClip(np.zeros(1000, np.float32), 1000)
    shelf = Shelf(LIMIT_BYTES, LifeTimes(), hold=lambda value, size: [value, size], clock=clock)
    await shelf.finish(KEY, "a", clip, "digest")
    found = await one(shelf, KEY)
    assert isinstance(found, Found)
    held, size = found.held
    assert held is clip
    assert 4000 < size < 4200
    assert (await shelf.stats())[0].size_bytes == size
    await shelf.close()


async def test_what_cannot_be_held_is_passed_on(clock: Clock) -> None:
    def full(value: Any, size: int) -> Any:
        raise MemoryError("the object store is full")

    shelf = Shelf(LIMIT_BYTES, LifeTimes(), hold=full, clock=clock)
    assert await one(shelf, KEY) == Lead()
    follower = await waiting(shelf, KEY, "b")
    await shelf.finish(KEY, "a", "value", "digest")
    assert await follower == Lead()
    assert (await shelf.stats())[0].faults == {"not_held": 1}
    await shelf.close()


async def test_the_numbers(shelf: Shelf, store: MemoryStore) -> None:
    await shelf.finish(KEY, "a", "value", "digest")
    await shelf.drain()
    await shelf.begin([KEY, OTHER], "a", peek=["speech/3", KEY])
    await shelf.forget(KEY, "lost")
    await shelf.forget(KEY, "lost")
    assert await shelf.stats() == (
        LevelStats(0, 0, LIMIT_BYTES, accesses=2, hits=1, faults={"lost": 2}),
        LevelStats(entries=1, faults={"corrupt": 1}),
    )
    assert await one(shelf, KEY) == Found("value", "digest", 2)


async def test_without_level_2_there_is_nothing_to_count(alone: Shelf) -> None:
    assert await alone.clear() == Removed()
    assert (await alone.stats())[1] == LevelStats()


async def test_it_cleans_up_by_itself(store: MemoryStore) -> None:
    shelf = Shelf(LIMIT_BYTES, LifeTimes(), store, periods=Periods(clean_up_s=0.001))
    await one(shelf, KEY)
    await came(store.cleanups)
    await shelf.close()
    await shelf.close()  # the second time is fine
