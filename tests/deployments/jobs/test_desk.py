"""The room on a real file: what is acknowledged ends exactly once, whoever dies, comes back or comes twice."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.core import measures
from deployments.core.errors import (
    Conflict,
    IdempotencyMismatch,
    NotFound,
    NothingToSpeak,
    QueueFull,
    RateLimited,
    TooManyJobs,
    Unavailable,
)
from deployments.jobs.contract import Deposed, Event, Job, Progress, Rules, Store, StoreFailed, Submission
from deployments.jobs.desk import Desk
from deployments.jobs.stores.sqlite import SqliteStore

from .conftest import id_of, job_of
from .loops import leaping, until
from .performers import Performer, Receiver, Script, result_of, succeed
from .stores import MemoryStore, Place, written, wrongs_between

RULES = Rules(at_once=2, max_queued=20, stall_s=60.0, ttl_s=3600.0, max_attempts=3)


def order(number: int, *, again: bool = False, limit: int | None = None, **fields: Any) -> Submission:
    """A submission; without a callback_url nobody is to be told."""
    usual: dict[str, Any] = {"text": f"Text {number}.", "told": "callback_url" not in fields}
    return Submission(job_of(number, **(usual | fields)), limit, again)


class House:
    """What outlives a process: the place of the jobs, and those that work and listen elsewhere."""

    def __init__(self, open_store: Callable[[], Store], script: Script = succeed) -> None:
        self.open_store = open_store
        self.performer = Performer(script)
        self.receiver = Receiver()
        self.measures = measures.Measures()

    async def open(self, rules: Rules = RULES) -> Desk:
        """A further process; it takes over."""
        desk = Desk(self.open_store(), self.performer, self.receiver, rules, self.measures)
        await desk.open()
        return desk

    @asynccontextmanager
    async def desk(self, rules: Rules = RULES) -> AsyncIterator[Desk]:
        """The same, closed in the end without waiting for anything."""
        desk = await self.open(rules)
        try:
            yield desk
        finally:
            await desk.close()

    def jobs(self) -> dict[str, Job]:
        """Those that are written."""
        with closing(self.open_store()) as store:
            return written(store)

    def events(self, job_id: str) -> list[Event]:
        with closing(self.open_store()) as store:
            return store.events(job_id, 0)

    def check(self) -> None:
        """Every job has ended, once, with all of its events, and its files are those of the attempt that counts."""
        for job_id, job in self.jobs().items():
            assert job.ended
            events = self.events(job_id)
            assert events and [*wrongs_between(None, events[0])] == []
            assert [wrong for one, next_ in itertools.pairwise(events) for wrong in wrongs_between(one, next_)] == []
            assert job.last == events[-1]
            if job.state == "completed":
                assert job.result == result_of(job)
                assert self.performer.links[job_id] == job.result.ref
            else:
                assert job.result is None

    def counted(self, metric: measures.Counter | measures.Histogram, *labels: str) -> float:
        """Of a counter the sum, of a histogram how many."""
        row = self.measures.read().rows(metric)[labels]
        return row[0] if isinstance(metric, measures.Counter) else sum(row[:-1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sqlite"


@pytest.fixture
def house(path: Path) -> House:
    """On a file."""
    return House(lambda: SqliteStore(path))


async def done(desk: Desk) -> None:
    """Until no job is left."""
    await until(lambda: desk.load == (0, 0))
    await asyncio.sleep(0.1)  # the last batch is on its way


async def state(desk: Desk, number: int) -> str | None:
    job = (await desk.get([id_of(number)]))[0]
    return job.state if job else None


class Slow:
    """A house in memory, whose store writes when the test says so."""

    def __init__(self, script: Script = succeed) -> None:
        self.place = Place()
        self.store = MemoryStore(self.place)
        self.house = House(lambda: self.store, script)

    async def came(self) -> None:
        """Until the store is about to write."""
        await asyncio.to_thread(self.store.gate.came)

    @asynccontextmanager
    async def desk(self, rules: Rules = RULES) -> AsyncIterator[Desk]:
        async with self.house.desk(rules) as desk:
            try:
                yield desk
            finally:
                self.store.gate.open()
        assert self.place.wrongs == []


def held(gate: asyncio.Event) -> Script:
    return lambda job: [Progress("tts", 10, ""), gate, result_of(job)]


@leaping
async def test_a_job_is_done_and_counted(house: House) -> None:
    async with house.desk() as desk:
        job = await desk.submit(order(1))
        assert (job.job_id, job.state) == (id_of(1), "processing")
        assert house.jobs()[id_of(1)].attempt == 1
        await done(desk)
        assert await desk.counts() == {"pending": 0, "processing": 0, "completed": 1, "failed": 0, "cancelled": 0}
        assert [event.stage for event in await desk.events(id_of(1), 1)] == ["queue", "tts", "done"]
        assert (await desk.page("ann", None, 5, None)).jobs == tuple(await desk.get([id_of(1)]))
        assert await desk.get([id_of(2)]) == [None]
    house.check()
    assert house.counted(measures.RENDERS, "completed") == house.counted(measures.QUEUE_WAIT, "normal") == 1
    assert house.counted(measures.AUDIO_SECONDS) == 1.0


@leaping
async def test_the_order_is_that_of_the_queue(house: House) -> None:
    gate = asyncio.Event()
    house.performer.script = held(gate)
    async with house.desk() as desk:
        for number in range(6):
            await desk.submit(order(number, owner="ann" if number < 5 else "bob"))
        places = desk.positions([id_of(number) for number in range(6)])
        assert [places.get(id_of(number)) for number in range(6)] == [None, None, 1, 3, 4, 2]
        assert desk.load == (2, 4) and desk.now().unfinished == 6
        gate.set()
        await done(desk)
    assert house.performer.order == [0, 1, 2, 5, 3, 4]


@leaping
async def test_who_takes_over_goes_on(house: House) -> None:
    gate = asyncio.Event()
    house.performer.script = held(gate)
    async with house.desk() as desk:
        for number in range(5):
            await desk.submit(order(number))
        await until(lambda: len(house.performer.attempts) == 2)
    assert [job.state for job in house.jobs().values()] == ["pending"] * 3 + ["processing"] * 2
    assert all(attempt.closed for attempt in house.performer.attempts)
    gate.set()
    async with house.desk() as desk:
        await done(desk)
    house.check()
    assert [job.state for job in house.jobs().values()] == ["completed"] * 5
    assert {job_id: job.attempt for job_id, job in house.jobs().items()} == {
        id_of(number): 2 if number < 2 else 1 for number in range(5)
    }


MOST_ATTEMPTS = 20
"""Of a job during which the server is restarted each time."""


async def began(house: House, attempts: int) -> None:
    """Until so many attempts have begun."""
    await until(lambda: len(house.performer.attempts) == attempts)


@leaping
async def test_what_is_closed_again_and_again_fails_in_the_end(house: House) -> None:
    house.performer.script = held(asyncio.Event())
    for attempt in range(1, MOST_ATTEMPTS + 1):
        async with house.desk() as desk:
            if attempt == 1:
                await desk.submit(order(1))
            await began(house, attempt)
    async with house.desk() as desk:
        await done(desk)
    house.check()
    error = house.jobs()[id_of(1)].error
    assert error is not None and error.code == "attempts_exhausted"


@leaping
async def test_the_leader_before_is_deposed_and_refuses(house: House) -> None:
    house.performer.script = lambda job: [5.0, Progress("tts", 10, ""), 5.0, result_of(job)]
    async with house.desk() as old:
        for number in range(4):
            await old.submit(order(number))
        heard = asyncio.create_task(_hear(old))
        await until(lambda: house.performer.attempts)
        async with house.desk() as new:
            refused = await asyncio.gather(old.submit(order(9)), old.cancel(id_of(0), None), return_exceptions=True)
            assert [type(each) for each in refused] == [Deposed] * 2
            assert old.deposed and not old.works
            calls = (old.submit(order(9)), old.cancel(id_of(0), None), old.get([id_of(0)]), old.events(id_of(0), 0))
            for call in (*calls, old.page(None, None, 5, None)):
                with pytest.raises(Deposed):
                    await call
            await heard
            assert await _hear(old) == []  # a feed that says nothing more must not be taken for a quiet one
            await done(new)
            assert [attempt.end for attempt in house.performer.attempts[:2]] == ["given up"] * 2
    house.check()
    assert Counter(job.state for job in house.jobs().values()) == {"completed": 4}


async def _hear(desk: Desk) -> list[tuple[str, int]]:
    """Job and number of each event that a listener is told, until there are no more."""
    events = []
    async for notice in desk.feed.listen(desk.now()):
        events += [(step.job_id, event.seq) for step in notice.steps for event in step.events]
    return events


@leaping
async def test_what_a_deposed_leader_finishes_does_not_replace_what_its_successor_made(house: House) -> None:
    """It hears of it a second late at most; until then its attempts go on."""
    first, second = asyncio.Event(), asyncio.Event()
    house.performer.script = lambda job: [first if job.attempt == 1 else second, result_of(job)]
    async with house.desk() as old:
        await old.submit(order(1))
        await until(lambda: house.performer.attempts)
        async with house.desk() as new:
            second.set()
            await until(lambda: house.performer.links)
            first.set()
            await done(new)
            await asyncio.sleep(5)
    assert house.performer.published == [(id_of(1), house.performer.links[id_of(1)])]
    house.check()


@leaping
async def test_a_key_stands_for_one_job(house: House) -> None:
    async with house.desk() as desk:
        one = await desk.submit(order(1, idempotency_key="k"))
        assert (await desk.submit(order(2, idempotency_key="k"))).job_id == one.job_id
        await done(desk)
        assert (await desk.submit(order(3, idempotency_key="k"))).state == "completed"
        for other in (order(4, owner="bob", idempotency_key="k"), order(5, idempotency_key="l"), order(6)):
            assert (await desk.submit(other)).job_id == other.job.job_id
        await done(desk)
        assert not desk._by_idempotency  # the store knows them
    async with house.desk() as desk:
        assert (await desk.submit(order(7, idempotency_key="k"))).job_id == one.job_id
    assert {*house.jobs()} == {id_of(number) for number in (1, 4, 5, 6)}


@leaping
async def test_a_key_stands_for_one_job_that_is_still_at_work_after_a_restart(house: House) -> None:
    gate = asyncio.Event()
    house.performer.script = held(gate)
    async with house.desk() as desk:
        await desk.submit(order(1, idempotency_key="k"))
    async with house.desk() as desk:
        assert (await desk.submit(order(2, idempotency_key="k"))).job_id == id_of(1)
        gate.set()
        await done(desk)
    assert {*house.jobs()} == {id_of(1)}


@leaping
async def test_a_key_that_was_used_for_something_else_is_refused(house: House) -> None:
    async with house.desk() as desk:
        await desk.submit(order(1, idempotency_key="k"))
        for _ in range(2):
            with pytest.raises(IdempotencyMismatch):
                await desk.submit(order(2, idempotency_key="k", fingerprint="other"))
            await done(desk)
    async with house.desk() as desk:
        with pytest.raises(IdempotencyMismatch):
            await desk.submit(order(3, idempotency_key="k", fingerprint="other"))
    assert {*house.jobs()} == {id_of(1)}


@pytest.mark.parametrize("gap", range(6))
@leaping
async def test_equal_keys_at_the_same_moment_are_one_job(house: House, gap: int) -> None:
    """Each comes some ticks behind the other, so that they meet at every place."""

    async def submit(number: int) -> Job:
        for _ in range(gap * number):
            await asyncio.sleep(0)
        return await desk.submit(order(number, idempotency_key="k"))

    async with house.desk() as desk:
        jobs = await asyncio.gather(*(submit(number) for number in range(20)))
        assert len({job.job_id for job in jobs}) == 1
        await done(desk)
    assert len(house.jobs()) == len(house.performer.attempts) == 1


@leaping
async def test_a_key_whose_job_ends_while_it_is_asked_for_is_not_free() -> None:
    slow = Slow()
    async with slow.desk() as desk:
        slow.store.gate.close()
        first = asyncio.create_task(desk.submit(order(1, idempotency_key="k")))
        await slow.came()
        cancelled = asyncio.create_task(desk.cancel(id_of(1), None))
        second = asyncio.create_task(desk.submit(order(2, idempotency_key="k")))
        await asyncio.sleep(0)
        slow.store.gate.open()
        assert {(await each).job_id for each in (first, cancelled, second)} == {id_of(1)}
        await done(desk)
    assert {*slow.place.jobs} == {id_of(1)}


@leaping
async def test_a_key_is_free_when_its_job_could_not_be_taken_in() -> None:
    slow = Slow(held(asyncio.Event()))
    async with slow.desk(replace(RULES, at_once=1, max_queued=1)) as desk:
        slow.store.failures = 1
        with pytest.raises(StoreFailed):
            await desk.submit(order(1, idempotency_key="k"))
        assert (await desk.submit(order(2, idempotency_key="k"))).job_id == id_of(2)
        await desk.submit(order(3))
        with pytest.raises(QueueFull):
            await desk.submit(order(4, idempotency_key="l"))
        await desk.cancel(id_of(3), None)
        assert (await desk.submit(order(5, idempotency_key="l"))).job_id == id_of(5)


@leaping
async def test_who_asks_again_gets_the_same_job(house: House) -> None:
    async with house.desk() as desk:
        assert (await desk.submit(order(1, again=True))).job_id == id_of(1)  # the first call was lost
        assert (await desk.submit(order(1, again=True))).job_id == id_of(1)
        await done(desk)
        assert (await desk.submit(order(1, again=True))).state == "completed"
    async with house.desk() as desk:
        assert (await desk.submit(order(1, again=True))).state == "completed"
        assert len(house.performer.attempts) == 1


@pytest.mark.parametrize("key", [None, "k"])
@leaping
async def test_who_asks_again_while_the_first_call_is_still_on_its_way_gets_the_same_job(key: str | None) -> None:
    """The store hung for so long that the caller gave up; the job waits for its write."""
    slow = Slow()
    async with slow.desk() as desk:
        slow.store.gate.close()
        other = asyncio.create_task(desk.submit(order(1)))
        await slow.came()
        first = asyncio.create_task(desk.submit(order(2, idempotency_key=key)))
        await asyncio.sleep(0)
        first.cancel()
        twins = [asyncio.create_task(desk.submit(order(2, again=True, idempotency_key=key))) for _ in range(2)]
        await asyncio.sleep(0)
        slow.store.gate.open()
        assert {(await twin).job_id for twin in twins} == {id_of(2)}
        await other
        await done(desk)
        assert desk.load == (0, 0)
    assert {*slow.place.jobs} == {id_of(1), id_of(2)} and len(slow.house.performer.attempts) == 2


@leaping
async def test_who_asks_again_for_what_was_cancelled_meanwhile_does_not_start_it() -> None:
    slow = Slow()
    async with slow.desk() as desk:
        slow.store.gate.close()
        other = asyncio.create_task(desk.submit(order(1)))
        await slow.came()
        first = asyncio.create_task(desk.submit(order(2)))
        cancelled = asyncio.create_task(desk.cancel(id_of(2), "ann"))
        await asyncio.sleep(0)
        again = asyncio.create_task(desk.submit(order(2, again=True)))
        await asyncio.sleep(0)
        slow.store.gate.open()
        assert [(await each).state for each in (first, cancelled, again)] == ["cancelled"] * 3
        await other
        await done(desk)
    assert slow.house.performer.order == [1]


@leaping
async def test_a_full_queue_refuses_and_drops_nothing(house: House) -> None:
    gate = asyncio.Event()
    house.performer.script = held(gate)
    async with house.desk(replace(RULES, max_queued=3)) as desk:
        taken = [await desk.submit(order(number)) for number in range(5)]
        for number in (10, 11):
            with pytest.raises(QueueFull) as refused:
                await desk.submit(order(number, idempotency_key=f"{number}"))
            assert refused.value.retry_after_s > 0
        await desk.cancel(id_of(4), "ann")
        await desk.submit(order(12))
        gate.set()
        await done(desk)
        await desk.submit(order(13))
        await done(desk)
    assert {*house.jobs()} == {*(job.job_id for job in taken), id_of(12), id_of(13)}
    assert house.counted(measures.RENDERS, "refused") == 2
    house.check()


@leaping
async def test_many_at_once_do_not_overfill_the_queue(house: House) -> None:
    house.performer.script = held(asyncio.Event())
    async with house.desk(replace(RULES, max_queued=3)) as desk:
        answers = await asyncio.gather(*(desk.submit(order(number)) for number in range(50)), return_exceptions=True)
        assert Counter(map(type, answers)) == {Job: 5, QueueFull: 45}
        assert desk.load == (2, 3)


@leaping
async def test_a_full_queue_has_room_for_what_costs_nothing(house: House) -> None:
    gate = asyncio.Event()
    in_cache = house.performer.in_cache
    house.performer.script = lambda job: [result_of(job)] if job.request in in_cache else held(gate)(job)
    async with house.desk(replace(RULES, max_queued=1)) as desk:
        for number in range(3):
            await desk.submit(order(number))
        house.performer.answers_at = asyncio.Event()
        in_cache.add(order(10).job.request)
        twins = [order(number, text="Text 10.", idempotency_key="k") for number in (10, 11)]
        sent = [asyncio.create_task(desk.submit(twin)) for twin in twins]
        await until(lambda: len(house.performer.questions) >= 3)
        house.performer.answers_at.set()
        ids = {(await each).job_id for each in sent}
        assert len(ids) == 1
        await until(lambda: desk.load == (2, 1))
        await asyncio.sleep(0.1)  # the last batch is on its way
        assert await state(desk, int(ids.pop(), 16)) == "completed"
        with pytest.raises(TooManyJobs):
            await desk.submit(order(12, text="Text 10.", limit=3))
        gate.set()
        await done(desk)


@leaping
async def test_an_owner_has_as_many_jobs_as_they_may(house: House) -> None:
    house.performer.script = lambda job: [Unavailable("lost")] if job.attempt == 1 else held(gate)(job)
    gate = asyncio.Event()
    async with house.desk() as desk:
        answers = await asyncio.gather(
            *(desk.submit(order(number, limit=3)) for number in range(10)), return_exceptions=True
        )
        assert Counter(map(type, answers)) == {Job: 3, TooManyJobs: 7}
        await desk.submit(order(20, owner="bob", limit=1))
        await asyncio.sleep(1)  # some wait for their next attempt: they count
        with pytest.raises(TooManyJobs):
            await desk.submit(order(11, limit=3))
        await desk.cancel(next(job.job_id for job in answers if isinstance(job, Job)), "ann")
        await desk.submit(order(12, limit=3))
        gate.set()
        await done(desk)
        await desk.submit(order(13, limit=1))
    assert house.counted(measures.RENDERS, "refused") == 8


@leaping
async def test_limits_hold_after_a_restart(house: House) -> None:
    house.performer.script = held(asyncio.Event())
    rules = replace(RULES, max_queued=2)
    async with house.desk(rules) as desk:
        for number in range(4):
            await desk.submit(order(number))
    async with house.desk(rules) as desk:
        with pytest.raises(TooManyJobs):
            await desk.submit(order(5, owner="ann", limit=4, again=True))
        with pytest.raises(QueueFull):
            await desk.submit(order(6, owner="bob"))


@leaping
async def test_who_cancels_what(house: House) -> None:
    house.performer.script = held(asyncio.Event())
    async with house.desk() as desk:
        for number in range(4):
            await desk.submit(order(number))
        for number, owner in ((0, "bob"), (3, "bob"), (0, ""), (9, "ann"), (9, None)):
            with pytest.raises(NotFound):
                await desk.cancel(id_of(number), owner)
        assert (await desk.cancel(id_of(3), "ann")).state == "cancelled"
        assert (await desk.cancel(id_of(0), "ann")).state == "cancelled"
        assert (await desk.cancel(id_of(1), None)).state == "cancelled"
        for number in (3, 0, 1):
            with pytest.raises(Conflict):
                await desk.cancel(id_of(number), "ann")
            with pytest.raises(NotFound):
                await desk.cancel(id_of(number), "bob")
        await until(lambda: house.performer.order == [0, 1, 2])
        assert house.jobs()[id_of(0)].state == "cancelled"
    assert house.counted(measures.CANCELLATIONS, "pending") == 1
    assert house.counted(measures.CANCELLATIONS, "processing") == 2
    async with house.desk() as desk:
        with pytest.raises(Conflict):
            await desk.cancel(id_of(0), "ann")


@leaping
async def test_a_job_is_cancelled_while_its_submission_is_on_its_way() -> None:
    slow = Slow()
    async with slow.desk() as desk:
        slow.store.gate.close()
        submitted = asyncio.create_task(desk.submit(order(1)))
        await slow.came()
        with pytest.raises(NotFound):
            await desk.cancel(id_of(1), "bob")
        cancelled = asyncio.create_task(desk.cancel(id_of(1), "ann"))
        await asyncio.sleep(0)
        slow.store.gate.open()
        assert (await cancelled).state == "cancelled"
        await submitted
        await done(desk)
    assert slow.house.performer.attempts == []


@leaping
async def test_whose_callback_was_not_told_is_told_after_a_restart(house: House) -> None:
    house.receiver.open.clear()
    async with house.desk() as desk:
        await desk.submit(order(1, callback_url="https://example.org/1"))
        await desk.submit(order(2, callback_url="https://example.org/2"))
        await desk.submit(order(3))
        await done(desk)
    assert house.receiver.bodies == []
    house.receiver.open.set()
    async with house.desk() as desk:
        await until(lambda: len(house.receiver.bodies) == 2)
        await asyncio.sleep(1)
    assert [job.told for job in house.jobs().values()] == [True] * 3
    async with house.desk():
        await asyncio.sleep(100)
    assert house.receiver.told == {id_of(1): 1, id_of(2): 1}
    first = min(house.receiver.bodies, key=lambda body: str(body["url"]))
    assert (first["url"], first["event"], first["status"]) == ("https://example.org/1", "job.completed", "completed")


@leaping
async def test_a_callback_that_is_given_up_is_done_with(house: House) -> None:
    house.receiver.accepts = False
    house.performer.script = lambda job: [NothingToSpeak("There is nothing to say.")]
    async with house.desk() as desk:
        await desk.submit(order(1, callback_url="https://example.org"))
        await done(desk)
        await asyncio.sleep(1)
    assert house.jobs()[id_of(1)].told
    assert [body["error"]["code"] for body in house.receiver.bodies] == ["nothing_to_speak"]


@leaping
async def test_many_callbacks_that_hang_hold_up_no_job(house: House) -> None:
    house.receiver.open.clear()
    async with house.desk(replace(RULES, max_queued=100)) as desk:
        await asyncio.gather(*(desk.submit(order(number, callback_url="https://example.org")) for number in range(60)))
        await done(desk)
        assert Counter(job.state for job in house.jobs().values()) == {"completed": 60}
        house.receiver.open.set()
        await until(lambda: len(house.receiver.bodies) == 60)
        await asyncio.sleep(1)
    assert all(job.told for job in house.jobs().values())


@leaping
async def test_what_has_ended_long_ago_is_forgotten(house: House) -> None:
    gate = asyncio.Event()
    house.performer.script = lambda job: held(gate)(job) if job.job_id == id_of(2) else succeed(job)
    async with house.desk(replace(RULES, ttl_s=0.0)) as desk:
        await desk.submit(order(1, idempotency_key="k"))
        await desk.submit(order(2))
        await until(lambda: desk.load == (1, 0))
        await asyncio.sleep(0.1)  # the last batch is on its way
    async with house.desk(replace(RULES, ttl_s=0.0)) as desk:
        await asyncio.sleep(0.1)
        assert (await state(desk, 1), await state(desk, 2)) == (None, "processing")
        assert await desk.events(id_of(1), 0) == []
        assert (await desk.submit(order(3, idempotency_key="k"))).job_id == id_of(3)


@leaping
async def test_nothing_that_lives_is_forgotten(house: House) -> None:
    async with house.desk() as desk:
        await desk.submit(order(1))
        await done(desk)
    async with house.desk() as desk:
        await asyncio.sleep(1)
        assert await state(desk, 1) == "completed"


@leaping
async def test_a_store_that_goes_away_and_comes_back() -> None:
    slow = Slow(lambda job: [1.0, Progress("tts", 10, ""), 1.0, result_of(job)])
    async with slow.desk() as desk:
        connected = asyncio.create_task(_connected(desk))
        await asyncio.sleep(0)
        for number in range(3):
            await desk.submit(order(number))
        slow.store.fails = True
        with pytest.raises(StoreFailed):
            await desk.submit(order(9, idempotency_key="k"))
        with pytest.raises(StoreFailed):
            await desk.cancel(id_of(2), "ann")
        await asyncio.sleep(30)
        assert not desk.now().connected
        slow.store.fails = False
        await until(lambda: desk.load == (0, 0))
        await until(lambda: desk.now().connected)
        await asyncio.sleep(1)
        assert (await desk.submit(order(10, idempotency_key="k"))).job_id == id_of(10)
        await done(desk)
    assert await connected == [True, False, True]
    states = {int(job_id, 16): job.state for job_id, job in slow.place.jobs.items()}
    assert states == {0: "completed", 1: "completed", 2: "cancelled", 10: "completed"}


@leaping
async def test_who_cancels_stops_the_work_though_the_store_is_away() -> None:
    slow = Slow(held(asyncio.Event()))
    async with slow.desk() as desk:
        await desk.submit(order(1))
        await until(lambda: slow.house.performer.attempts)
        slow.store.fails = True
        with pytest.raises(StoreFailed):
            await desk.cancel(id_of(1), "ann")
        assert slow.house.performer.attempts[0].closed
        slow.store.fails = False
        await done(desk)
        await until(lambda: slow.place.jobs[id_of(1)].state == "cancelled")


@leaping
async def test_a_list_shows_how_long_texts_begin() -> None:
    slow = Slow()
    async with slow.desk() as desk:
        await desk.submit(order(1, text="x" * 5000))
        [job] = (await desk.page(None, None, 5, None)).jobs
        assert job.request.text == "x" * len(job.request.text) and len(job.request.text) < 5000
        [whole] = await desk.get([id_of(1)])
        assert whole is not None and len(whole.request.text) == 5000


async def _connected(desk: Desk) -> list[bool]:
    """What a listener is told of the store, each time that it changes."""
    told = [notice.connected async for notice in desk.feed.listen(desk.now())]
    return [value for value, _ in itertools.groupby(told)]


@leaping
async def test_a_store_that_is_away_at_the_start_is_said() -> None:
    slow = Slow()
    slow.store.fails = True
    desk = Desk(slow.store, slow.house.performer, slow.house.receiver, RULES, slow.house.measures)
    with pytest.raises(StoreFailed):
        await desk.open()
    await desk.close()


@leaping
async def test_listeners_hear_everything_that_is_written_in_order(house: House) -> None:
    house.performer.script = lambda job: [Unavailable("lost")] if job.attempt == 1 else succeed(job)
    async with house.desk() as desk:
        hearing = [asyncio.create_task(_hear(desk)) for _ in range(3)]
        await asyncio.sleep(0)
        for number in range(8):
            await desk.submit(order(number))
        await desk.cancel(id_of(7), None)
        await done(desk)
        await asyncio.sleep(1)
        desk.feed.close()
        for heard in hearing:
            events = await heard
            for job_id in house.jobs():
                seqs = [seq for each, seq in events if each == job_id]
                assert seqs == [event.seq for event in house.events(job_id)]


@leaping
async def test_who_sends_too_often_is_told(house: House) -> None:
    async with house.desk() as desk:
        desk.charge("ann", 1)
        with pytest.raises(RateLimited) as refused:
            desk.charge("ann", 1)
        assert 0 < refused.value.retry_after_s <= 60
        desk.charge("bob", 1)
        desk.charge("ann", None)
    assert house.counted(measures.RENDERS, "refused") == 1


def _script(job: Job) -> list[Any]:
    """By the number of the job: some are slow, some lose their attempts, some fail."""
    kind = int(job.job_id, 16) % 5
    if kind == 1:
        return [2.0, Progress("tts", 50, ""), 2.0, result_of(job)]
    if kind == 2 and job.attempt == 1:
        return [0.5, Unavailable("lost")]
    if kind == 3:
        return [0.1, NothingToSpeak("nothing")]
    return [Progress("tts", 50, ""), result_of(job)]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("submit"), st.integers(1, 12)),
            st.tuples(st.just("cancel"), st.integers(1, 12)),
            st.tuples(st.just("wait"), st.sampled_from([0, 1, 30, 300])),
            st.tuples(st.just("ticks"), st.integers(1, 20)),
            st.tuples(st.sampled_from(["close and open", "take over"]), st.just(0)),
        ),
        max_size=25,
    )
)
def test_every_job_that_is_acknowledged_ends_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("desk") / "jobs.sqlite"
    leaping(_walk)(House(lambda: SqliteStore(path), _script), steps)


async def _walk(house: House, steps: list[tuple[str, int]]) -> None:
    walk = Walk(house, await house.open())
    for step, number in steps:
        await walk.step(step, number)
    answers = await asyncio.gather(*walk.calls, return_exceptions=True)
    await done(walk.desk)
    for desk in walk.desks:
        await desk.close()
    jobs = house.jobs()
    for answer in answers:
        assert isinstance(answer, Job | Deposed | asyncio.CancelledError | Conflict | NotFound), answer
        if isinstance(answer, Job):
            assert answer.job_id in jobs
            assert answer.state != "cancelled" or jobs[answer.job_id].state == "cancelled"
    house.check()
    ids = Counter(job_id for job_id, _ in house.performer.published)
    assert all(count == 1 or jobs[job_id].attempt > 1 for job_id, count in ids.items())
    keys = Counter(job.idempotency_key for job in jobs.values())
    assert max(keys.values(), default=1) == 1


class Walk:
    """Processes that follow each other, and the calls that were made to them."""

    def __init__(self, house: House, desk: Desk) -> None:
        self.house = house
        self.desk = desk
        self.desks = [desk]
        self.calls: list[asyncio.Task[Job]] = []
        self._numbers = itertools.count(100)

    async def step(self, step: str, number: int) -> None:
        if step == "submit":  # a call of its own each time; the key is one of few
            job_id = next(self._numbers) * 5 + number % 5
            self.calls.append(asyncio.create_task(self.desk.submit(order(job_id, idempotency_key=f"{number}"))))
            await asyncio.sleep(0)
        elif step == "cancel":
            started = [job.job_id for job in self.house.jobs().values() if job.idempotency_key == f"{number}"]
            self.calls += [asyncio.create_task(self.desk.cancel(job_id, "ann")) for job_id in started]
        elif step == "wait":
            await asyncio.sleep(number / 100)
        elif step == "ticks":
            for _ in range(number):
                await asyncio.sleep(0)
        else:
            if step == "close and open":
                await self.desks.pop().close()
            self.desk = await self.house.open()
            self.desks.append(self.desk)
