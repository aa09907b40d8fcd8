"""Nothing is seen before it is written, and nothing is lost but what nobody was promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.jobs.contract import Change, Deposed, Job, StoreFailed
from deployments.jobs.journal import Journal
from deployments.jobs.table import Table

from .conftest import id_of, job_of
from .loops import leaping, until
from .stores import MemoryStore, Place
from .test_table import result_of


class Room:
    """A journal between a table and a store, and what it told."""

    def __init__(self, place: Place) -> None:
        self.store = MemoryStore(place)
        self.place = place
        self.table = Table(3)
        self.dropped: list[str] = []
        self.told: list[list[Change]] = []
        self.journal = Journal(self.table, self.store, self._hear, lambda job: self.dropped.append(job.job_id))

    def _hear(self, changes: Sequence[Change]) -> None:
        """What is told is written by then."""
        self.told.append([*changes])
        for change in changes:
            assert self.place.jobs[change.job.job_id] == change.job
            assert self.place.events[change.job.job_id][-1] == change.job.last

    @property
    def events(self) -> dict[str, list[int]]:
        """Numbers of the events that were told, by job."""
        numbers: dict[str, list[int]] = {}
        for change in (change for changes in self.told for change in changes):
            numbers.setdefault(change.job.job_id, []).extend(event.seq for event in change.events)
        return numbers

    async def submit(self, job: Job) -> None:
        self.table.submit(job)
        await self.journal.settle()

    def submits(self, job: Job) -> asyncio.Task[None]:
        """The same, on its way."""
        return asyncio.create_task(self.submit(job))


@asynccontextmanager
async def opened(place: Place | None = None) -> AsyncIterator[Room]:
    """A room that leads; all that it has written must fit together."""
    room = Room(place or Place())
    room.journal.open([job for job in room.store.take_over() if not job.ended])
    try:
        yield room
    finally:
        room.store.gate.open()
        await room.journal.close()
    assert room.store.closed
    assert room.place.wrongs == []


async def came(room: Room) -> None:
    """Returns when the store is about to write."""
    await asyncio.to_thread(room.store.gate.came)


def ids(batch: Sequence[Change]) -> list[str]:
    return [change.job.job_id for change in batch]


@leaping
async def test_what_settles_is_written_and_told() -> None:
    async with opened() as room:
        await room.submit(job_of(1))
        assert ids(room.store.batches[0]) == [id_of(1)]
        assert room.told == room.store.batches
        known = room.journal.known(id_of(1))
        assert known is not None and known == room.place.jobs[id_of(1)]


@leaping
async def test_what_comes_together_is_written_together() -> None:
    async with opened() as room:
        await asyncio.gather(*(room.submit(job_of(number)) for number in range(50)))
        assert [ids(batch) for batch in room.store.batches] == [[id_of(number) for number in range(50)]]


@leaping
async def test_what_comes_during_a_write_is_in_the_next_one() -> None:
    async with opened() as room:
        room.store.gate.close()
        first = room.submits(job_of(1))
        await came(room)
        others = [room.submits(job_of(number)) for number in (2, 3)]
        settled = asyncio.create_task(room.journal.settle())
        await asyncio.sleep(0)
        assert room.journal.known(id_of(1)) is None and room.told == []
        room.store.gate.open()
        await asyncio.gather(first, *others, settled)
        assert [ids(batch) for batch in room.store.batches] == [[id_of(1)], [id_of(2), id_of(3)]]


@leaping
async def test_who_settles_without_a_change_waits_for_those_that_came_before() -> None:
    async with opened() as room:
        room.store.gate.close()
        first = room.submits(job_of(1))
        await came(room)
        settled = asyncio.create_task(room.journal.settle())
        room.store.gate.open()
        await settled
        assert first.done() and id_of(1) in room.place.jobs


@leaping
async def test_reads_come_after_the_writes_before_them() -> None:
    async with opened() as room:
        writing = room.submits(job_of(1))
        await asyncio.sleep(0)
        await room.submit(job_of(2))
        assert [job is not None for job in await room.journal.ask(room.store.get, [id_of(1), id_of(2)])] == [True, True]
        await writing


@leaping
async def test_who_waits_and_leaves_changes_nothing_for_the_others() -> None:
    async with opened() as room:
        room.store.gate.close()
        leaves, stays = room.submits(job_of(1)), room.submits(job_of(2))
        await came(room)
        leaves.cancel()
        await asyncio.sleep(0)
        room.store.gate.open()
        await stays
        assert leaves.cancelled()
        assert {*room.place.jobs} == {id_of(1), id_of(2)}


@leaping
async def test_a_new_job_that_cannot_be_written_is_dropped_and_its_submitter_told() -> None:
    async with opened() as room:
        await room.submit(job_of(1))
        room.store.failures = 1
        with pytest.raises(StoreFailed, match="full"):
            await room.submit(job_of(2))
        assert room.dropped == [id_of(2)] and not room.journal.connected
        assert room.table.get(id_of(2)) is None and id_of(2) not in room.table.queue
        await room.submit(job_of(3))
        assert {*room.place.jobs} == {id_of(1), id_of(3)} and room.journal.connected


@leaping
async def test_a_new_job_that_has_changed_since_is_dropped_as_a_whole() -> None:
    async with opened() as room:
        room.store.gate.close()
        room.store.failures = 1
        submitted = room.submits(job_of(1))
        await came(room)
        room.table.start(5.0)
        room.table.cancel(id_of(1), 6.0)
        room.store.gate.open()
        with pytest.raises(StoreFailed):
            await submitted
        await room.submit(job_of(2))
        assert {*room.place.jobs} == {id_of(2)} and room.dropped == [id_of(1)]


@leaping
async def test_everything_else_is_written_once_the_store_is_back() -> None:
    async with opened() as room:
        await room.submit(job_of(1))
        room.store.failures = 3
        room.table.start(5.0)
        with pytest.raises(StoreFailed):
            await room.journal.settle()
        room.table.advance(id_of(1), 1, "tts", 10, "")
        with pytest.raises(StoreFailed):
            await room.journal.settle()
        job = room.table.get(id_of(1))
        assert job is not None
        room.table.complete(id_of(1), 1, result_of(job), 7.0)
        room.journal.nudge()
        await until(lambda: len(room.store.batches) == 2)
        await room.journal.settle()
        assert [event.seq for event in room.place.events[id_of(1)]] == [1, 2, 3, 4]
        assert room.events == {id_of(1): [1, 2, 3, 4]}
        assert room.dropped == []


@leaping
async def test_a_callback_that_was_told_is_written_when_the_store_is_back() -> None:
    """Of a job that this leader has never seen at work: it ended under the one before."""
    place = Place()
    async with opened(place) as room:
        await room.submit(job_of(1, told=False))
        room.table.cancel(id_of(1), 6.0)
        await room.journal.settle()
    async with opened(place) as room:
        room.store.failures = 1
        room.table.tell(place.jobs[id_of(1)])
        with pytest.raises(StoreFailed):
            await room.journal.settle()
        await room.journal.settle()
        assert place.jobs[id_of(1)].told
        assert room.dropped == []


@leaping
async def test_it_is_told_when_the_store_goes_and_when_it_is_back() -> None:
    async with opened() as room:
        room.store.fails = True
        await until(lambda: room.told)
        assert room.told == [[]] and not room.journal.connected
        await asyncio.sleep(60)
        assert room.told == [[]]
        room.store.fails = False
        await until(lambda: room.journal.connected)
        assert room.told == [[], []]


@leaping
async def test_a_store_that_is_away_is_asked_ever_less_often() -> None:
    async with opened() as room:
        await room.submit(job_of(1))
        room.store.failures = 1000
        room.table.start(5.0)
        room.journal.nudge()
        await asyncio.sleep(100)
        assert 50 <= 1000 - room.store.failures <= 60  # every two seconds
        room.store.failures = 0
        await room.submit(job_of(2))


@leaping
async def test_a_deposed_leader_stops() -> None:
    async with opened() as room:
        await room.submit(job_of(1))
        MemoryStore(room.place).take_over()
        with pytest.raises(Deposed):
            await room.submit(job_of(2))
        assert room.journal.deposed
        await until(lambda: room.told[-1] == [])
        for _ in range(2):
            with pytest.raises(Deposed):
                await room.submit(job_of(3))
        assert {*room.place.jobs} == {id_of(1)} and room.dropped == []


@leaping
async def test_an_idle_leader_finds_out_that_it_is_deposed() -> None:
    async with opened() as room:
        MemoryStore(room.place).take_over()
        await asyncio.sleep(1.5)
        assert room.journal.deposed and room.told == [[]]


@leaping
async def test_who_comes_while_a_leader_finds_out_that_it_is_deposed_is_told_too() -> None:
    async with opened() as room:
        room.store.gate.close()
        first = room.submits(job_of(1))
        await came(room)
        MemoryStore(room.place).take_over()
        second = room.submits(job_of(2))
        await asyncio.sleep(0)
        room.store.gate.open()
        for submitted in (first, second):
            with pytest.raises(Deposed):
                await submitted


@leaping
async def test_who_waits_when_it_is_closed_is_told() -> None:
    room = Room(Place())
    room.journal.open(room.store.take_over())
    room.store.gate.close()
    first = room.submits(job_of(1))
    await came(room)
    second = room.submits(job_of(2))
    await asyncio.sleep(0)
    closing = asyncio.create_task(room.journal.close())
    for submitted in (first, second):
        with pytest.raises(Deposed):
            await submitted
    room.store.gate.open()
    await closing
    assert room.store.closed


@leaping
async def test_who_waits_when_it_is_closed_before_it_has_begun_is_told() -> None:
    room = Room(Place())
    room.journal.open([])
    submitted = room.submits(job_of(1))
    await room.journal.close()
    with pytest.raises(Deposed):
        await submitted
    with pytest.raises(Deposed):
        await room.submit(job_of(2))


@leaping
async def test_a_fault_of_our_own_leaves_nobody_waiting() -> None:
    """Serve replaces the process then: see Journal.writes."""
    room = Room(Place())
    room.journal.open(room.store.take_over())
    await room.submit(job_of(1))
    first = room.submits(job_of(2, text="\ud800"))  # cannot be written, nor can what comes with it
    second = room.submits(job_of(3))
    for submitted in (first, second, room.submits(job_of(4))):
        with pytest.raises(Deposed):
            await submitted
    assert not room.journal.writes
    await room.journal.close()


@leaping
async def test_it_closes_whatever_it_is_doing() -> None:
    """At each tick of a write: a cancel that meets the end of a wait must not be lost."""
    for ticks in range(12):
        room = Room(Place())
        room.journal.open(room.store.take_over())
        room.table.submit(job_of(1))
        room.journal.nudge()
        for _ in range(ticks):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await room.journal.close()
        assert not room.journal.writes


@leaping
async def test_jobs_that_ended_long_ago_are_not_kept_in_memory() -> None:
    async with opened() as room:
        for start in range(0, 1500, 500):
            for number in range(start, start + 500):
                room.table.submit(job_of(number))
                room.table.cancel(id_of(number), 6.0)
            await room.journal.settle()
        assert room.journal.known(id_of(0)) is None
        assert room.journal.known(id_of(1499)) == room.place.jobs[id_of(1499)]


@leaping
async def test_what_expires_is_not_kept_in_memory_either() -> None:
    async with opened() as room:
        for number, ended_s in ((1, 10.0), (2, 20.0)):
            room.table.submit(job_of(number))
            room.table.cancel(id_of(number), ended_s)
        await room.submit(job_of(3))
        assert await room.journal.expire(20.0) == 1
        assert [room.journal.known(id_of(number)) is None for number in (1, 2, 3)] == [True, False, False]


@settings(max_examples=100)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["submit", "start", "advance", "complete", "cancel", "tick"]), st.integers(0, 5)),
        max_size=40,
    ),
    faults=st.lists(st.booleans(), max_size=12),
)
def test_whatever_fails_in_between(steps: list[tuple[str, int]], faults: list[bool]) -> None:
    """What is told is what is written, in order, and a job is written, or its submitter is told that it is not."""
    leaping(_walk)(steps, faults)


async def _walk(steps: list[tuple[str, int]], faults: list[bool]) -> None:
    async with opened() as room:
        submitted: dict[str, asyncio.Task[None]] = {}
        for step, which in steps:
            if faults and step == "tick":
                room.store.failures = int(faults.pop())
            await _step(room, step, id_of(which), submitted)
        room.store.failures = 0
        outcomes = await asyncio.gather(*submitted.values(), return_exceptions=True)
        with suppress(StoreFailed):  # of a batch that was on its way
            await room.journal.settle()
        await room.journal.settle()
        for job_id, outcome in zip(submitted, outcomes, strict=True):
            assert (job_id in room.place.jobs) == (outcome is None)
            assert (job_id in room.dropped) == isinstance(outcome, StoreFailed)
        assert room.events == {
            job_id: [event.seq for event in events] for job_id, events in room.place.events.items() if events
        }
        assert [batch for batch in room.told if batch] == room.store.batches
        for job_id, job in room.place.jobs.items():
            assert job.ended or room.table.get(job_id) == job


async def _step(room: Room, step: str, job_id: str, submitted: dict[str, asyncio.Task[None]]) -> None:
    job = room.table.get(job_id)
    if step == "submit" and job_id not in submitted:
        submitted[job_id] = room.submits(replace(job_of(1), job_id=job_id))
        await asyncio.sleep(0)
    elif step == "start":
        room.table.start(5.0)
    elif job and step == "advance":
        room.table.advance(job_id, job.attempt, "tts", job.last.progress + 5, "")
    elif job and step == "complete":
        room.table.complete(job_id, job.attempt, result_of(job), 6.0)
    elif step == "cancel":
        room.table.cancel(job_id, 6.0)
    elif step == "tick":
        await asyncio.sleep(0.03)
    room.journal.nudge()
