"""The ingress' side, over a line that may break at any moment: nothing comes twice, nothing is missed."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.errors import (
    AvatarError,
    Conflict,
    NotFound,
    QueueFull,
    RateLimited,
    TooManyJobs,
    Unavailable,
)
from deployments.jobs.client import Client
from deployments.jobs.contract import Change, Deposed, Event, Job, Progress, StoreFailed, Submission
from deployments.jobs.desk import Desk
from deployments.jobs.feed import Feed, Notice
from deployments.jobs.line import Update, View

from .conftest import change_of, id_of, job_of
from .loops import leaping, until
from .performers import Script, Step, result_of, succeed
from .stores import MemoryStore, Place
from .test_desk import RULES, House, held, order

Fault: TypeAlias = Literal["", "lost", "unanswered", "given up"]
"""It does not arrive; it is done, but nobody hears of it; it is broken off there as nobody waits any more."""


class Wire:
    """A line to a desk in this process: what goes over it is copied, may take its time, and may get lost."""

    def __init__(self, desk: Desk | None) -> None:
        self.desk = desk
        """None: nobody leads."""
        self.faults: list[Fault] = []
        """Of the calls to come."""
        self.delay_s = 0.0
        self.asked: list[tuple[str, Sequence[Any]]] = []
        self.drops = 0
        """So many notices get lost without anybody noticing."""
        self.flows = asyncio.Event()
        """While it is not set, nothing is heard."""
        self.flows.set()
        self.breaks_with: Exception = Unavailable("the line is cut")
        self._ears: set[asyncio.Queue[Notice | None]] = set()

    def calls(self, method: str) -> list[Any]:
        """What was asked by a method: its first arguments."""
        return [arguments[0] if arguments else None for name, arguments in self.asked if name == method]

    async def ask(self, method: str, *arguments: Any) -> Any:
        self.asked.append((method, arguments))
        fault = self.faults.pop(0) if self.faults else ""
        await asyncio.sleep(self.delay_s)
        if self.desk is None or fault == "lost":
            raise Unavailable("nobody answers")
        call = asyncio.ensure_future(getattr(self, f"_{method}")(self.desk, *_copied(arguments)))
        if fault == "given up":
            await asyncio.wait([call], timeout=self.delay_s)
            call.cancel()
        try:
            answer = await call
        except asyncio.CancelledError:
            raise Unavailable("it took too long") from None
        await asyncio.sleep(self.delay_s)
        if fault == "unanswered":
            raise Unavailable("the answer is lost")
        return _copied(answer)

    async def _submit(self, desk: Desk, submissions: Sequence[Submission]) -> list[Job | AvatarError]:
        async def one(submission: Submission) -> Job | AvatarError:
            try:
                return await desk.submit(submission)
            except AvatarError as error:
                return error

        return await asyncio.gather(*map(one, submissions))

    async def _get(self, desk: Desk, job_ids: Sequence[str]) -> list[View | None]:
        jobs, places = await desk.get(job_ids), desk.positions(job_ids)
        return [View(job, places.get(job.job_id)) if job else None for job in jobs]

    async def _catch_up(self, desk: Desk, job_id: str, after_seq: int) -> tuple[Job | None, list[Event]]:
        job = (await desk.get([job_id]))[0]
        return job, await desk.events(job_id, after_seq) if job else []

    async def _cancel(self, desk: Desk, job_id: str, owner: str | None) -> Job:
        return await desk.cancel(job_id, owner)

    async def _charge(self, desk: Desk, owner: str, requests_per_minute: float) -> None:
        desk.charge(owner, requests_per_minute)

    async def _page(self, desk: Desk, *arguments: Any) -> Any:
        page = await desk.page(*arguments)
        places = desk.positions([job.job_id for job in page.jobs])
        return [View(job, places.get(job.job_id)) for job in page.jobs], page.cursor

    async def _counts(self, desk: Desk) -> Any:
        return await desk.counts()

    async def _metrics(self, desk: Desk) -> Any:
        return "text/plain", b"avatar_jobs 0"

    async def listen(self) -> AsyncGenerator[Notice, None]:
        if self.desk is None:
            raise self.breaks_with
        ear: asyncio.Queue[Notice | None] = asyncio.Queue()
        self._ears.add(ear)
        carrying = asyncio.create_task(self._carry(self.desk, ear))
        try:
            while (notice := await ear.get()) is not None:
                yield notice
            raise self.breaks_with
        finally:
            self._ears.discard(ear)
            carrying.cancel()

    async def _carry(self, desk: Desk, ear: asyncio.Queue[Notice | None]) -> None:
        async with aclosing(desk.feed.listen(desk.now())) as notices:
            async for notice in notices:
                await asyncio.sleep(self.delay_s)
                await self.flows.wait()
                if self.drops and notice.steps:
                    self.drops -= 1
                    continue
                ear.put_nowait(_copied(notice))
        ear.put_nowait(None)

    def cut(self) -> None:
        """Whoever listens hears nothing more; what is on its way is lost."""
        for ear in self._ears:
            while not ear.empty():
                ear.get_nowait()
            ear.put_nowait(None)


def _copied(value: Any) -> Any:
    """As it arrives on the other side."""
    return pickle.loads(pickle.dumps(value))


class Setting:
    """A client, a line, and a desk behind it on a store in memory."""

    def __init__(self, script: Script) -> None:
        self.place = Place()
        self.store = MemoryStore(self.place)
        self.house = House(self.new_store, script)
        self.wire = Wire(None)
        self.desks: list[Desk] = []
        self.client = Client(self.wire)

    def new_store(self) -> MemoryStore:
        self.store = MemoryStore(self.place)
        return self.store

    @property
    def states(self) -> dict[int, str]:
        """Of all jobs, by number."""
        return {int(job_id, 16): job.state for job_id, job in self.place.jobs.items()}

    async def take_over(self) -> Desk:
        """A further desk leads; the line does not know yet."""
        self.desks.append(await self.house.open(replace(RULES, max_queued=500)))
        return self.desks[-1]

    async def lead(self) -> None:
        """A further desk leads; the line leads to it."""
        self.wire.desk = await self.take_over()

    async def leave(self) -> None:
        """Nobody leads."""
        self.wire.desk = None
        await self.close()

    async def close(self) -> None:
        for desk in self.desks:
            await desk.close()
        self.desks.clear()


@asynccontextmanager
async def opened(script: Script = succeed, delay_s: float = 0.0) -> AsyncIterator[Setting]:
    setting = Setting(script)
    setting.wire.delay_s = delay_s
    await setting.lead()
    await until(lambda: setting.client.connected)
    try:
        yield setting
    finally:
        setting.store.gate.open()
        await setting.close()
    assert setting.place.wrongs == []
    assert not setting.client._watchers  # whoever watched has left


async def heard(client: Client, job_id: str, after_seq: int = 0) -> list[Update]:
    """All that a watcher is told."""
    return [update async for update in client.watch(job_id, after_seq)]


def seqs(updates: Sequence[Update]) -> list[int]:
    return [event.seq for update in updates for event in update.events]


@leaping
async def test_a_job_is_submitted_watched_and_looked_at() -> None:
    async with opened() as setting:
        client = setting.client
        job = await client.submit(order(1))
        updates = await heard(client, job.job_id)
        assert seqs(updates) == [1, 2, 3, 4]
        assert [update.job is not None for update in updates] == [False] * (len(updates) - 1) + [True]
        ended = updates[-1].job
        assert ended is not None and ended.state == "completed"
        assert await client.get([job.job_id]) == [View(ended, None)]
        assert await client.page("ann", "completed", 5, None) == ([View(ended, None)], None)
        assert (await client.counts())["completed"] == 1
        assert (await client.metrics())[0] == "text/plain"


@leaping
async def test_places_in_the_queue() -> None:
    async with opened(held(asyncio.Event())) as setting:
        await asyncio.gather(*(setting.client.submit(order(number)) for number in range(4)))
        views = await setting.client.get([id_of(number) for number in (3, 0, 2)])
        assert [(view.job.job_id, view.position) for view in views] == [(id_of(3), 2), (id_of(0), None), (id_of(2), 1)]


@leaping
async def test_what_is_unknown_is_not_found() -> None:
    async with opened() as setting:
        client = setting.client
        await client.submit(order(1))
        for asked in (
            client.get([id_of(1), id_of(2)]),
            heard(client, id_of(2)),
            client.end_of(id_of(2)),
            client.cancel(id_of(2), None),
            client.cancel(id_of(1), "bob"),
        ):
            with pytest.raises(NotFound):
                await asked


@leaping
async def test_what_comes_together_goes_together() -> None:
    async with opened(delay_s=0.1) as setting:
        jobs = await asyncio.gather(*(setting.client.submit(order(number)) for number in range(200)))
        assert [job.job_id for job in jobs] == [id_of(number) for number in range(200)]
        sizes = [len(submissions) for submissions in setting.wire.calls("submit")]
        assert sum(sizes) == 200 and max(sizes) <= 64 and len(sizes) <= 8
        await setting.client.submit(order(300))  # and one alone goes alone, at once
        assert len(setting.wire.calls("submit")[-1]) == 1


@leaping
async def test_of_what_goes_together_each_gets_its_own_answer() -> None:
    async with opened(held(asyncio.Event())) as setting:
        submissions = [order(0), order(1, limit=1), order(2, owner="bob", limit=1), order(3, owner="bob", limit=1)]
        answers = await asyncio.gather(*map(setting.client.submit, submissions), return_exceptions=True)
        assert list(map(type, answers)) == [Job, TooManyJobs, Job, TooManyJobs]
        error = answers[1]
        assert isinstance(error, TooManyJobs) and error.retry_after_s and error.hint


@leaping
async def test_who_leaves_does_not_take_the_others_along() -> None:
    async with opened(delay_s=0.1) as setting:
        calls = [asyncio.create_task(setting.client.submit(order(number))) for number in range(3)]
        await asyncio.sleep(0.05)
        calls[1].cancel()
        assert [(await calls[number]).job_id for number in (0, 2)] == [id_of(0), id_of(2)]
        assert len(setting.states) == 3  # it is on its way; the one who leaves may abandon it


@pytest.mark.parametrize(
    "faults",
    [["lost"], ["unanswered"], ["given up"], ["unanswered", "lost", "given up", "unanswered"], ["given up"] * 3],
    ids=str,
)
@pytest.mark.parametrize("key", [None, "k"])
@leaping
async def test_what_is_sent_again_is_not_done_again(faults: list[Fault], key: str | None) -> None:
    async with opened(delay_s=0.01) as setting:
        setting.wire.faults = faults
        jobs = await asyncio.gather(
            *(setting.client.submit(order(number, idempotency_key=key and f"{key}{number}")) for number in range(5))
        )
        assert [job.job_id for job in jobs] == [id_of(number) for number in range(5)]
        await until(lambda: setting.states == dict.fromkeys(range(5), "completed"))
        assert sorted(setting.house.performer.order) == list(range(5))
        first, *later = setting.wire.calls("submit")
        assert not any(each.again for each in first) and all(each.again for call in later for each in call)


@leaping
async def test_a_job_that_hangs_in_the_store_is_not_taken_in_twice() -> None:
    """The caller gives up while the store writes something else, and asks again."""
    async with opened() as setting:
        setting.store.gate.close()
        other = asyncio.create_task(setting.client.submit(order(1)))
        await asyncio.to_thread(setting.store.gate.came)
        setting.wire.faults = ["given up", "given up"]
        sent = asyncio.create_task(setting.client.submit(order(2)))
        for _ in range(100):
            await asyncio.sleep(0)
        setting.store.gate.open()
        assert [(await each).job_id for each in (sent, other)] == [id_of(2), id_of(1)]
        await until(lambda: setting.states == {1: "completed", 2: "completed"})
        assert sorted(setting.house.performer.order) == [1, 2]


@leaping
async def test_who_asks_waits_for_the_next_leader() -> None:
    async with opened() as setting:
        await setting.leave()
        asked = [
            asyncio.create_task(asked)
            for asked in (
                setting.client.submit(order(1)),
                setting.client.counts(),
                setting.client.page(None, None, 5, None),
            )
        ]
        await asyncio.sleep(10)
        assert not any(task.done() for task in asked)
        await setting.lead()
        await asyncio.gather(*asked)
        await until(lambda: setting.states == {1: "completed"})


@leaping
async def test_who_submits_to_a_deposed_leader_reaches_its_successor() -> None:
    async with opened() as setting:
        [old] = setting.desks
        new = await setting.take_over()
        sent = [asyncio.create_task(setting.client.submit(order(number))) for number in range(3)]
        await asyncio.sleep(5)
        assert old.deposed and not any(task.done() for task in sent)
        setting.wire.desk = new
        assert [(await task).job_id for task in sent] == [id_of(number) for number in range(3)]
        await until(lambda: setting.states == dict.fromkeys(range(3), "completed"))


@leaping
async def test_nobody_waits_for_ever() -> None:
    async with opened() as setting:
        await setting.leave()
        started_s = asyncio.get_running_loop().time()
        calls = (setting.client.submit(order(1)), setting.client.counts(), heard(setting.client, id_of(1)))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable] * 3
        assert 30 <= asyncio.get_running_loop().time() - started_s <= 32
        assert len(setting.wire.asked) < 120
        await setting.lead()


@leaping
async def test_a_leader_that_cannot_write_is_not_asked_again() -> None:
    async with opened() as setting:
        setting.store.fails = True
        with pytest.raises(StoreFailed):
            await setting.client.submit(order(1))
        with pytest.raises(StoreFailed):
            await setting.client.get([id_of(1)])
        assert len(setting.wire.calls("submit")) == len(setting.wire.calls("get")) == 1
        setting.store.fails = False
        await until(lambda: setting.client.connected)
        await setting.client.submit(order(1))


@pytest.mark.parametrize("fault", ["lost", "unanswered", "given up"])
@leaping
async def test_who_cancels_through_a_bad_line_is_no_conflict_with_oneself(fault: Fault) -> None:
    async with opened(held(asyncio.Event()), delay_s=0.1) as setting:
        await setting.client.submit(order(1))
        setting.wire.faults = [fault]
        assert (await setting.client.cancel(id_of(1), "ann")).state == "cancelled"
        with pytest.raises(Conflict):
            await setting.client.cancel(id_of(1), "ann")


@leaping
async def test_what_has_completed_meanwhile_is_a_conflict_through_a_bad_line_too() -> None:
    async with opened() as setting:
        await setting.client.finish(order(1))
        setting.wire.faults = ["unanswered"]
        with pytest.raises(Conflict):
            await setting.client.cancel(id_of(1), "ann")


@leaping
async def test_what_is_wrong_is_said_at_once() -> None:
    async with opened(held(asyncio.Event())) as setting:
        await asyncio.gather(*(setting.client.submit(order(number, owner="")) for number in range(502)))
        with pytest.raises(QueueFull):
            await setting.client.submit(order(999))
        await setting.client.charge("ann", None)
        assert setting.wire.calls("charge") == []
        await setting.client.charge("ann", 1.0)
        with pytest.raises(RateLimited):
            await setting.client.charge("ann", 1.0)


@leaping
async def test_a_watcher_that_comes_back_hears_the_rest() -> None:
    async with opened(held(gate := asyncio.Event())) as setting:
        client = setting.client
        await client.submit(order(1))
        await until(lambda: len(setting.place.events[id_of(1)]) == 3)
        watching = asyncio.create_task(heard(client, id_of(1), after_seq=2))
        await asyncio.sleep(1)
        gate.set()
        assert seqs(await watching) == [3, 4]
        for after_seq, rest in ((0, [1, 2, 3, 4]), (3, [4]), (4, []), (99, [])):
            updates = await heard(client, id_of(1), after_seq)
            assert seqs(updates) == rest and updates[-1].job is not None


@leaping
async def test_many_watch_one_job() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as setting:
        await setting.client.submit(order(1))
        watching = []
        for _ in range(50):
            watching.append(asyncio.create_task(heard(setting.client, id_of(1))))
            await asyncio.sleep(0.001)
        gate.set()
        assert [seqs(await task) for task in watching] == [[1, 2, 3, 4]] * 50


@leaping
async def test_a_watcher_that_leaves_is_forgotten() -> None:
    async with opened(held(asyncio.Event())) as setting:
        await setting.client.submit(order(1))
        async with aclosing(setting.client.watch(id_of(1), 0)) as updates:
            await anext(updates)
        assert not setting.client._watchers


@leaping
async def test_attempts_are_told_apart() -> None:
    async with opened(lambda job: [Unavailable("lost")] if job.attempt == 1 else succeed(job)) as setting:
        await setting.client.submit(order(1))
        updates = await heard(setting.client, id_of(1))
        assert seqs(updates) == [1, 2, 3, 4, 5, 6]
        assert {event.seq: update.attempt for update in updates for event in update.events}[5] == 2


@leaping
async def test_who_listens_knows_how_things_stand() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as setting:
        client = setting.client
        await asyncio.gather(*(client.submit(order(number)) for number in range(4)))
        await until(lambda: client.unfinished == 4)
        setting.store.fails = True
        await until(lambda: not client.connected)
        setting.store.fails = False
        await until(lambda: client.connected)
        desk, setting.wire.desk = setting.wire.desk, None
        setting.wire.cut()
        await until(lambda: not client.connected)
        setting.wire.desk = desk
        await until(lambda: client.connected)
        gate.set()
        await until(lambda: client.unfinished == 0)


@pytest.mark.parametrize("error", [Unavailable("gone"), Deposed("another"), RuntimeError("a bug of the line")], ids=str)
@leaping
async def test_a_line_that_breaks_is_taken_up_again(error: Exception) -> None:
    async with opened(held(gate := asyncio.Event())) as setting:
        setting.wire.breaks_with = error
        for _ in range(3):
            setting.wire.cut()
            await until(lambda: not setting.client.connected)
            await until(lambda: setting.client.connected)
        job = asyncio.create_task(setting.client.finish(order(1)))
        await until(lambda: setting.client.unfinished == 1)
        gate.set()
        assert (await job).state == "completed"


@leaping
async def test_finish_waits_for_the_end() -> None:
    async with opened() as setting:
        assert (await setting.client.finish(order(1))).state == "completed"
        assert (await setting.client.end_of(id_of(1))).state == "completed"


@leaping
async def test_finish_hears_of_an_end_that_was_missed() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as setting:
        ends = [
            asyncio.create_task(setting.client.finish(order(1))),
            asyncio.create_task(setting.client.end_of(id_of(1))),
        ]
        ends.pop().cancel()
        await until(lambda: setting.states == {1: "processing"})
        ends.append(asyncio.create_task(setting.client.end_of(id_of(1))))
        await asyncio.sleep(1)
        setting.wire.flows.clear()
        gate.set()
        await until(lambda: setting.states == {1: "completed"})
        await asyncio.sleep(1)
        assert not any(end.done() for end in ends)
        setting.wire.cut()
        setting.wire.flows.set()
        assert [(await end).state for end in ends] == ["completed"] * 2


@leaping
async def test_finish_with_a_key_waits_for_the_job_that_has_it() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as setting:
        first = asyncio.create_task(setting.client.finish(order(1, idempotency_key="k")))
        await until(lambda: setting.states == {1: "processing"})
        second = asyncio.create_task(setting.client.finish(order(2, idempotency_key="k")))
        third = asyncio.create_task(setting.client.finish(order(3, idempotency_key="k")))
        await asyncio.sleep(1)
        third.cancel()  # it is not theirs to cancel
        await asyncio.sleep(10)
        gate.set()
        assert {(await each).job_id for each in (first, second)} == {id_of(1)}
        assert setting.states == {1: "completed"}


@leaping
async def test_who_leaves_finish_has_the_job_cancelled() -> None:
    async with opened(held(asyncio.Event())) as setting:
        finishing = asyncio.create_task(setting.client.finish(order(1)))
        await until(lambda: setting.states == {1: "processing"})
        finishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await finishing
        await until(lambda: setting.states == {1: "cancelled"})
        assert setting.house.performer.attempts[0].end == "given up"


@leaping
async def test_who_leaves_finish_may_come_back_with_the_same_key() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as setting:
        accepted: list[Job] = []
        for number in (1, 2):
            finishing = asyncio.create_task(
                setting.client.finish(order(number, idempotency_key="k"), on_accepted=accepted.append)
            )
            await asyncio.sleep(1)
            finishing.cancel()
            await asyncio.sleep(10)
        gate.set()
        assert (await setting.client.finish(order(3, idempotency_key="k"))).state == "completed"
        assert [job.job_id for job in accepted] == [id_of(1)] * 2
        assert setting.states == {1: "completed"}


@pytest.mark.parametrize("faults", [[], ["lost"], ["unanswered"], ["given up"], ["lost", "unanswered"]], ids=str)
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.15, 0.3])
@leaping
async def test_who_leaves_finish_has_the_job_cancelled_though_it_is_still_on_its_way(
    faults: list[Fault], after_s: float
) -> None:
    async with opened(held(asyncio.Event()), delay_s=0.1) as setting:
        setting.wire.faults = [*faults]
        finishing = asyncio.create_task(setting.client.finish(order(1)))
        await asyncio.sleep(after_s)
        finishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await finishing
        await asyncio.sleep(20)
        assert setting.states == {1: "cancelled"}
        assert not setting.house.performer.at_work


@leaping
async def test_what_is_abandoned_while_nobody_leads_is_cancelled_later() -> None:
    async with opened(held(asyncio.Event())) as setting:
        await setting.leave()
        finishing = asyncio.create_task(setting.client.finish(order(1)))
        await asyncio.sleep(5)
        finishing.cancel()
        await asyncio.sleep(5)
        await setting.lead()
        await asyncio.sleep(20)
        assert setting.states == {1: "cancelled"}
        assert not setting.house.performer.attempts or setting.house.performer.attempts[0].closed


@leaping
async def test_to_abandon_what_has_ended_or_never_was_harms_nobody() -> None:
    async with opened() as setting:
        job = await setting.client.finish(order(1))
        setting.client.abandon(job)
        setting.client.abandon(job_of(9))
        await asyncio.sleep(100)
        assert setting.states == {1: "completed"}
        with pytest.raises(Conflict):
            await setting.client.cancel(job.job_id, "ann")


@leaping
async def test_a_listener_that_is_far_behind_is_let_go_and_catches_up() -> None:
    steps: list[Step] = [step for number in range(60) for step in (0.1, Progress("tts", number, ""))]
    async with opened(lambda job: [*steps, result_of(job)]) as setting:
        desk = setting.wire.desk
        assert desk
        await setting.client.submit(order(1))
        watching = asyncio.create_task(heard(setting.client, id_of(1)))
        await asyncio.sleep(1)
        setting.wire.flows.clear()
        await asyncio.sleep(2)
        for _ in range(1100):
            desk.feed.publish((), 1, True)
        assert not desk.feed._listeners  # nothing more is kept for it
        setting.wire.flows.set()
        assert seqs(await watching) == list(range(1, 64))


@leaping
async def test_a_gap_is_noticed_and_closed() -> None:
    steps: list[Step] = [step for number in range(20) for step in (0.1, Progress("tts", number, ""))]
    async with opened(lambda job: [*steps, result_of(job)]) as setting:
        await setting.client.submit(order(1))
        watching = asyncio.create_task(heard(setting.client, id_of(1)))
        await asyncio.sleep(0.5)
        setting.wire.drops = 3
        assert seqs(await watching) == list(range(1, 24))
        assert setting.wire.drops == 0 and len(setting.wire.calls("catch_up")) == 2


def change(number: int, *numbers: int) -> Change:
    return change_of(job_of(number, "processing"), *numbers)


@leaping
async def test_a_feed_tells_all_of_everything_in_order() -> None:
    feed = Feed()
    first = Notice((), 7, True)
    told: list[list[int]] = []

    async def listen() -> None:
        seqs: list[int] = []
        told.append(seqs)
        async for notice in feed.listen(first):
            seqs += [event.seq for step in notice.steps for event in step.events]

    listeners = [asyncio.create_task(listen()) for _ in range(3)]
    await asyncio.sleep(0)
    for seq in range(1, 500):
        feed.publish([change(1, seq)], 1, True)
        if seq % 7 == 0:
            await asyncio.sleep(0.001)
    feed.close()
    await asyncio.gather(*listeners)
    assert told == [list(range(1, 500))] * 3
    assert [notice async for notice in feed.listen(first)] == []


@settings(max_examples=60)
@given(
    moments=st.lists(
        st.tuples(
            st.sampled_from(["cut", "wait", "hold", "flow", "watch", "lose an answer", "restart"]), st.integers(0, 30)
        ),
        max_size=30,
    ),
    delay_s=st.sampled_from([0.0, 0.005, 0.03]),
)
def test_through_all_cuts_every_event_is_heard_once_and_in_order(
    moments: list[tuple[str, int]], delay_s: float
) -> None:
    leaping(_cuts)(moments, delay_s)


def _chatty(job: Job) -> list[Step]:
    """Reports in small steps, and loses its first attempt."""
    steps: list[Step] = [step for number in range(15) for step in (0.02, Progress("tts", number * job.attempt, ""))]
    return [*steps, Unavailable("lost")] if job.attempt == 1 else [*steps, result_of(job)]


async def _cuts(moments: list[tuple[str, int]], delay_s: float) -> None:
    async with opened(_chatty, delay_s) as setting:
        await setting.client.submit(order(1))
        finished = asyncio.create_task(setting.client.finish(order(2)))
        watching = [(0, asyncio.create_task(heard(setting.client, id_of(1))))]
        for moment, number in moments:
            if moment == "cut":
                setting.wire.cut()
            elif moment == "wait":
                await asyncio.sleep(number / 100)
            elif moment == "watch":
                watching.append((number, asyncio.create_task(heard(setting.client, id_of(1), number))))
            elif moment == "lose an answer":
                setting.wire.faults += ["unanswered"]
            elif moment == "restart" and len(setting.desks) < 3:
                await setting.lead()
            else:
                (setting.wire.flows.set if moment == "flow" else setting.wire.flows.clear)()
        setting.wire.cut()
        setting.wire.flows.set()
        everything = [await task for _, task in watching]
        last = setting.place.jobs[id_of(1)].last.seq
        for (after_seq, _), updates in zip(watching, everything, strict=True):
            assert seqs(updates) == list(range(after_seq + 1, last + 1))
            assert [update.job is not None for update in updates] == [False] * (len(updates) - 1) + [True]
        assert (await finished).ended


def test_what_travels_may_be_copied() -> None:
    for error in (StoreFailed("away"), Deposed("gone"), QueueFull("full", retry_after_s=7)):
        copy = _copied(error)
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
