"""Who runs when: never more than may, never twice, never what is over; and places always become free again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.errors import NothingToSpeak, StorageFailed, SynthesisFailed, Unavailable
from deployments.jobs.contract import Change, Deposed, Job, Progress, State
from deployments.jobs.dispatcher import Dispatcher
from deployments.jobs.table import Table

from .conftest import id_of, job_of
from .loops import leaping, until
from .performers import Performer, Script, Step, result_of, succeed
from .stores import Place

AT_ONCE = 2
RIDERS = 4 * AT_ONCE
STALL_S = 60.0


class Floor:
    """A dispatcher at work on a table; what changes is written a moment later, as by a journal."""

    def __init__(self, script: Script, max_attempts: int, shares_work: bool) -> None:
        self.table = Table(max_attempts)
        self.performer = Performer(script)
        self.dispatcher = Dispatcher(
            self.table, self.performer, AT_ONCE, STALL_S, self.nudge, self.confirm, shares_work
        )
        self.place = Place()
        self.writes = True
        """Whether the store is there."""
        self.leads = True

    def nudge(self) -> None:
        asyncio.get_running_loop().call_soon(self.write)

    async def confirm(self) -> None:
        if not self.leads:
            raise Deposed("another process leads the jobs now")

    def write(self) -> None:
        changes: Sequence[Change] = self.table.take_changes() if self.writes else ()
        for change in changes:
            self.place.put(change)
        self.dispatcher.act(changes)

    def submit(self, *jobs: Job) -> None:
        for job in jobs:
            self.table.submit(job)
            self.dispatcher.admit(job)

    def cancel(self, number: int) -> None:
        """As the desk does."""
        self.table.cancel(id_of(number), 100.0)
        self.dispatcher.cancel(id_of(number))
        self.nudge()

    def job(self, number: int) -> Job:
        """As it is written."""
        return self.place.jobs[id_of(number)]

    def states(self) -> list[State]:
        """Of all jobs that are written, in the order of their numbers."""
        return [job.state for _, job in sorted(self.place.jobs.items())]

    async def ended(self, *numbers: int) -> None:
        """Until the jobs have ended; all, if none is named."""
        ids = [id_of(number) for number in numbers]
        await until(lambda: not any(self.table.get(job_id) for job_id in ids) if ids else not len(self.table))
        await settle()


@asynccontextmanager
async def opened(script: Script = succeed, max_attempts: int = 3, shares_work: bool = True) -> AsyncIterator[Floor]:
    """A floor; whatever happens on it, its limits hold, and nothing is left behind."""
    floor = Floor(script, max_attempts, shares_work)
    try:
        yield floor
    finally:
        await floor.dispatcher.stop()
    await settle()
    assert floor.place.wrongs == []
    assert floor.performer.most_at_work <= AT_ONCE
    assert all(attempt.closed for attempt in floor.performer.attempts)
    attempts = [(attempt.job.job_id, attempt.job.attempt) for attempt in floor.performer.attempts]
    assert len({*attempts}) == len(attempts)


async def settle() -> None:
    """Until everything that follows at once has happened."""
    for _ in range(50):
        await asyncio.sleep(0)


def distinct(count: int, start: int = 0, **fields: Any) -> list[Job]:
    """Jobs that have nothing in common."""
    return [job_of(number, text=f"Text {number}.", **fields) for number in range(start, start + count)]


def held(gate: asyncio.Event) -> Script:
    """Attempts that work until the gate is open."""
    return lambda job: [Progress("tts", 10, ""), gate, result_of(job)]


@leaping
async def test_a_job_runs_and_completes() -> None:
    async with opened() as floor:
        floor.submit(job_of(1))
        await floor.ended()
        assert floor.job(1).state == "completed" and floor.job(1).attempt == 1
        assert floor.job(1).result == result_of(replace(floor.job(1), attempt=1))
        assert [event.stage for event in floor.place.events[id_of(1)]] == ["queue", "queue", "tts", "done"]
        assert floor.performer.published == [(id_of(1), result_of(floor.job(1)).ref)]


@leaping
async def test_as_many_run_as_may_and_the_others_follow_in_their_order() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as floor:
        floor.submit(*distinct(10))
        await settle()
        assert floor.performer.order == [0, 1]
        assert floor.states() == ["processing"] * 2 + ["pending"] * 8
        gate.set()
        await floor.ended()
        assert floor.performer.order == list(range(10))
        assert floor.states() == ["completed"] * 10


ENDS: dict[str, Script] = {
    "success": succeed,
    "bad input": lambda job: [NothingToSpeak("nothing")],
    "fault": lambda job: [SynthesisFailed("broken")],
    "unexpected": lambda job: [RuntimeError("a bug")],
    "last loss": lambda job: [Unavailable("lost")],
    "no result": lambda job: [Progress("tts", 10, ""), "end"],
    "stall": lambda job: [STALL_S + 1, result_of(job)],
}


@pytest.mark.parametrize("script", ENDS.values(), ids=ENDS)
@leaping
async def test_a_place_is_free_again_however_a_job_ends(script: Script) -> None:
    async with opened(script, max_attempts=1) as floor:
        floor.submit(*distinct(3 * AT_ONCE))
        await floor.ended()
        assert len(floor.performer.attempts) == 3 * AT_ONCE
        floor.performer.script = succeed
        floor.submit(*distinct(2, start=50))
        await floor.ended()
        assert floor.states()[-2:] == ["completed"] * 2


@pytest.mark.parametrize(
    ("step", "code", "status"),
    [
        (NothingToSpeak("There is nothing to say."), "nothing_to_speak", 422),
        (SynthesisFailed("/secret/path"), "synthesis_failed", 500),
        (RuntimeError("/secret/path"), "internal_error", 500),
        (KeyError("secret"), "internal_error", 500),
    ],
    ids=str,
)
@leaping
async def test_what_would_fail_again_is_not_tried_again(step: Exception, code: str, status: int) -> None:
    async with opened(lambda job: [step]) as floor:
        floor.submit(job_of(1))
        await floor.ended()
        error = floor.job(1).error
        assert error is not None
        assert (floor.job(1).state, error.code, error.status) == ("failed", code, status)
        assert "secret" not in error.message
        assert len(floor.performer.attempts) == 1


@pytest.mark.parametrize("steps", [[Unavailable("lost")], ["end"], [Progress("tts", 10, ""), Unavailable("lost")]])
@leaping
async def test_what_is_lost_is_tried_again_under_the_next_attempt(steps: list[Step]) -> None:
    async with opened(lambda job: steps) as floor:
        floor.submit(job_of(1))
        await floor.ended()
        assert [attempt.job.attempt for attempt in floor.performer.attempts] == [1, 2, 3]
        error = floor.job(1).error
        assert error is not None
        assert (floor.job(1).state, error.code, floor.job(1).losses) == ("failed", "attempts_exhausted", 3)
        assert floor.performer.published == []


@leaping
async def test_another_attempt_may_succeed() -> None:
    async with opened(lambda job: [Unavailable("lost")] if job.attempt < 3 else succeed(job)) as floor:
        floor.submit(job_of(1))
        await floor.ended()
        assert (floor.job(1).state, floor.job(1).attempt) == ("completed", 3)
        assert floor.performer.published == [(id_of(1), result_of(floor.job(1)).ref)]


@leaping
async def test_others_run_while_a_lost_job_waits_for_its_next_attempt() -> None:
    async with opened(lambda job: [Unavailable("lost")] if job.attempt == 1 else succeed(job)) as floor:
        floor.submit(*distinct(AT_ONCE))
        await settle()
        assert floor.states() == ["pending"] * AT_ONCE
        floor.performer.script = succeed
        floor.submit(*distinct(1, start=50))
        await floor.ended()
        assert floor.performer.order[AT_ONCE] == 50
        assert floor.states() == ["completed"] * (AT_ONCE + 1)


@leaping
async def test_a_job_that_is_cancelled_while_it_waits_for_its_next_attempt_never_runs_again() -> None:
    async with opened(lambda job: [Unavailable("lost")]) as floor:
        floor.submit(job_of(1))
        await settle()
        assert floor.states() == ["pending"]
        floor.cancel(1)
        await asyncio.sleep(100)
        assert floor.states() == ["cancelled"] and len(floor.performer.attempts) == 1


@leaping
async def test_an_attempt_that_reports_nothing_is_given_up() -> None:
    async with opened(lambda job: [Progress("tts", 10, ""), STALL_S * 2, result_of(job)]) as floor:
        floor.submit(job_of(1))
        await floor.ended()
        error = floor.job(1).error
        assert error is not None
        assert (error.code, floor.performer.attempts[0].end) == ("timed_out", "given up")


@leaping
async def test_an_attempt_that_never_said_a_word_may_be_dead_and_is_made_again() -> None:
    async with opened(lambda job: [STALL_S * 2] if job.attempt == 1 else succeed(job)) as floor:
        floor.submit(job_of(1))
        await floor.ended()
        assert [attempt.end for attempt in floor.performer.attempts] == ["given up", "result"]
        assert (floor.job(1).state, floor.job(1).losses) == ("completed", 1)


@leaping
async def test_an_attempt_that_reports_in_time_may_take_long() -> None:
    beats: list[Step] = [STALL_S * 0.9, Progress("tts", 10, "")]
    async with opened(lambda job: [*beats * 5, result_of(job)]) as floor:
        floor.submit(job_of(1))
        await until(lambda: not len(floor.table))
        await settle()
        assert floor.states() == ["completed"]


@leaping
async def test_cancel_gives_the_work_up_and_frees_the_place() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as floor:
        floor.submit(*distinct(AT_ONCE + 1))
        await settle()
        floor.cancel(0)
        await settle()
        assert floor.performer.attempts[0].end == "given up" and floor.performer.attempts[0].closed
        assert floor.performer.order == [0, 1, 2]
        gate.set()
        await floor.ended()
        assert floor.states() == ["cancelled", "completed", "completed"]
        assert {job_id for job_id, _ in floor.performer.published} == {id_of(1), id_of(2)}


@leaping
async def test_a_place_is_free_when_the_work_is_really_given_up() -> None:
    """Also when that takes time, and the cancellation is written meanwhile."""
    gate = asyncio.Event()
    async with opened(held(gate)) as floor:
        floor.performer.cleaning_s = 5.0
        floor.submit(*distinct(AT_ONCE + 1))
        await settle()
        floor.cancel(0)
        await asyncio.sleep(4.0)
        assert floor.performer.order == [0, 1] and not floor.performer.attempts[0].closed
        await asyncio.sleep(2.0)
        assert floor.performer.attempts[0].closed and floor.performer.order == [0, 1, 2]
        gate.set()
        await floor.ended()


@leaping
async def test_what_waits_is_cancelled_without_ever_running() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as floor:
        floor.submit(*distinct(AT_ONCE + 2))
        await settle()
        floor.cancel(AT_ONCE)
        gate.set()
        await floor.ended()
        assert floor.performer.order == [0, 1, AT_ONCE + 1]


@leaping
async def test_a_job_that_is_cancelled_before_its_attempt_is_written_never_runs() -> None:
    async with opened() as floor:
        floor.writes = False
        floor.submit(*distinct(AT_ONCE + 1))
        await settle()
        assert floor.performer.attempts == []  # nothing runs before it is written
        floor.cancel(0)
        floor.writes = True
        floor.nudge()
        await floor.ended()
        assert floor.performer.order == [1, 2]
        assert floor.states() == ["cancelled", "completed", "completed"]


@pytest.mark.parametrize("ticks", range(8))
@leaping
async def test_when_cancel_meets_the_end_one_of_them_wins(ticks: int) -> None:
    async with opened() as floor:
        floor.submit(*distinct(1))
        await until(lambda: floor.performer.attempts)
        for _ in range(ticks):
            await asyncio.sleep(0)
        floor.cancel(0)
        await floor.ended()
        await until(lambda: floor.performer.attempts[0].closed)
        assert floor.states()[0] in ("cancelled", "completed")
        floor.submit(*distinct(4, start=10))  # the place is free
        await floor.ended()
        assert floor.states()[1:] == ["completed"] * 4


@pytest.mark.parametrize("ticks", range(8))
@leaping
async def test_a_cancelled_attempt_stops_at_whatever_tick_it_reports(ticks: int) -> None:
    """One that would go on for ever if the cancellation were lost."""
    async with opened(lambda job: [step for _ in range(1000) for step in (0.001, Progress("tts", 10, ""))]) as floor:
        floor.submit(*distinct(1))
        await asyncio.sleep(0.05)
        for _ in range(ticks):
            await asyncio.sleep(0)
        floor.cancel(0)
        events = len(floor.place.events[id_of(0)])
        await settle()
        assert floor.performer.attempts[0].end == "given up" and floor.performer.attempts[0].closed
        assert len(floor.place.events[id_of(0)]) <= events + 2


@leaping
async def test_what_an_attempt_made_is_published_under_the_fence_only() -> None:
    gate = asyncio.Event()
    async with opened(lambda job: [gate, result_of(job)]) as floor:
        floor.submit(job_of(1))
        await settle()
        floor.table.lose(id_of(1), 1, 5.0)  # whoever decides it: the attempt does not count any more
        gate.set()
        await until(lambda: floor.performer.attempts[0].closed)
        await settle()
        assert floor.performer.published == [] and floor.states() == ["pending"]


@leaping
async def test_a_leader_that_was_deposed_meanwhile_publishes_nothing() -> None:
    async with opened(lambda job: [1.0, result_of(job)]) as floor:
        floor.submit(job_of(1))
        await settle()
        floor.leads = floor.writes = False
        await until(lambda: floor.performer.attempts[0].closed)
        await settle()
        assert floor.performer.published == [] and floor.states() == ["processing"]


@leaping
async def test_a_lost_publication_is_tried_again_and_a_refused_one_is_not() -> None:
    async with opened() as floor:
        floor.performer.faults = [Unavailable("away"), StorageFailed("full")]
        floor.submit(job_of(1))
        await floor.ended()
        error = floor.job(1).error
        assert error is not None
        assert (error.code, floor.job(1).attempt) == ("storage_failed", 2)
        assert floor.performer.published == []


@leaping
async def test_a_job_is_completed_after_its_files_are_published() -> None:
    async with opened() as floor:
        floor.performer.publishes_at = asyncio.Event()
        floor.submit(job_of(1))
        await asyncio.sleep(10)
        assert floor.states() == ["processing"]
        floor.performer.publishes_at.set()
        await floor.ended()
        assert floor.states() == ["completed"]


@leaping
async def test_a_job_that_is_cancelled_while_it_is_published_stays_cancelled() -> None:
    async with opened() as floor:
        floor.performer.publishes_at = asyncio.Event()
        floor.submit(job_of(1))
        await asyncio.sleep(10)
        floor.cancel(1)
        floor.performer.publishes_at.set()
        await floor.ended()
        assert floor.states() == ["cancelled"] and floor.performer.published == []


@leaping
async def test_equal_work_rides_along_and_is_bounded() -> None:
    gate, others = asyncio.Event(), asyncio.Event()
    async with opened(lambda job: [gate if job.request == job_of(1).request else others, result_of(job)]) as floor:
        floor.performer.in_cache = {job_of(1).request}  # riders wait for the one that computes
        floor.submit(*distinct(AT_ONCE - 1), *(job_of(number) for number in range(10, 60)), *distinct(5, start=100))
        await asyncio.sleep(10)
        assert len(floor.performer.attempts) == AT_ONCE + RIDERS
        assert floor.states().count("processing") == AT_ONCE + RIDERS
        gate.set()
        await floor.ended(*range(10, 60))  # the rest of them follow, whatever the places are busy with
        assert floor.states().count("completed") == 50
        others.set()
        await floor.ended()


@leaping
async def test_a_rider_starts_out_of_turn() -> None:
    gate = asyncio.Event()
    async with opened(lambda job: [gate, result_of(job)]) as floor:
        floor.performer.in_cache = {job_of(1).request}
        floor.submit(job_of(1), *distinct(AT_ONCE + 1, start=10), job_of(2))
        await settle()
        assert floor.performer.order == [1, 10, 2]
        gate.set()
        await floor.ended()


@pytest.mark.parametrize("use", ["bypass", "refresh"])
@leaping
async def test_who_wants_it_made_anew_does_not_ride(use: Any) -> None:
    gate = asyncio.Event()
    jobs = [replace(job, request=replace(job_of(1).request, cache=use)) for job in distinct(AT_ONCE + 3)]
    async with opened(lambda job: [gate, result_of(job)]) as floor:
        floor.performer.in_cache = {jobs[0].request}
        floor.submit(*jobs)
        await asyncio.sleep(10)
        assert len(floor.performer.attempts) == AT_ONCE and floor.performer.questions == []
        gate.set()
        await floor.ended()


@leaping
async def test_without_a_cache_nothing_is_shared() -> None:
    gate = asyncio.Event()
    async with opened(held(gate), shares_work=False) as floor:
        floor.performer.in_cache = {job_of(1).request}
        floor.submit(*(job_of(number) for number in range(AT_ONCE + 3)))
        await asyncio.sleep(10)
        assert len(floor.performer.attempts) == AT_ONCE and floor.performer.questions == []
        assert not await floor.dispatcher.is_free(job_of(1).request)
        gate.set()
        await floor.ended()


@leaping
async def test_what_is_cached_starts_out_of_turn_after_one_question() -> None:
    gate = asyncio.Event()
    async with opened(
        lambda job: succeed(job) if job.request in floor.performer.in_cache else held(gate)(job)
    ) as floor:
        jobs = distinct(40, start=100)
        floor.performer.in_cache = {job.request for job in jobs[::2]}
        floor.submit(*distinct(AT_ONCE), *jobs)
        await floor.ended(*range(100, 140, 2))
        first, *later = floor.performer.questions
        assert first == [job.request for job in jobs]
        assert {request for question in later for request in question} < floor.performer.in_cache  # too many to ride
        assert len(floor.table) == AT_ONCE + 20
        gate.set()
        await floor.ended()
        assert floor.states() == ["completed"] * (AT_ONCE + 40)


@leaping
async def test_many_are_looked_up_a_hundred_at_a_time() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as floor:
        floor.submit(*distinct(AT_ONCE + 250))
        await asyncio.sleep(10)
        assert [len(question) for question in floor.performer.questions] == [100, 100, 50]
        gate.set()
        await floor.ended()


@leaping
async def test_what_leaves_the_queue_while_the_cache_is_asked_is_left_alone() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as floor:
        floor.performer.answers_at = asyncio.Event()
        jobs = distinct(2, start=10)
        floor.performer.in_cache = {job.request for job in jobs}
        floor.submit(*distinct(AT_ONCE), *jobs)
        await settle()
        floor.cancel(10)
        floor.performer.answers_at.set()
        await settle()
        assert floor.performer.order == [0, 1, 11]
        gate.set()
        await floor.ended()
        assert floor.states() == ["completed", "completed", "cancelled", "completed"]


@pytest.mark.parametrize("fault", [Unavailable("away"), SynthesisFailed("broken"), RuntimeError("a bug")], ids=str)
@leaping
async def test_a_cache_that_fails_holds_nobody_up(fault: Exception) -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as floor:
        floor.performer.fault = fault
        floor.submit(*distinct(AT_ONCE + 250))
        await settle()
        floor.performer.fault = None
        jobs = distinct(1, start=1000)
        floor.performer.in_cache = {jobs[0].request}
        floor.submit(*jobs)
        await asyncio.sleep(10)
        assert floor.performer.order == [0, 1, 1000]  # those that come later are looked up as ever
        gate.set()
        await floor.ended()
        assert floor.states() == ["completed"] * (AT_ONCE + 251)


@leaping
async def test_riders_free_their_places_and_leave_nothing_behind() -> None:
    async with opened() as floor:
        floor.performer.in_cache = {job_of(1).request}
        for start in range(0, 300, 30):
            floor.submit(*(job_of(number) for number in range(start, start + 30)))
            for number in range(start, start + 30, 7):
                floor.cancel(number)
            await floor.ended()
        assert {*floor.states()} == {"completed", "cancelled"}
        assert not floor.dispatcher._at_work and not floor.dispatcher._riding and not floor.dispatcher._computing


@leaping
async def test_a_question_of_a_full_queue_counts_equal_work_and_what_is_cached() -> None:
    gate = asyncio.Event()
    async with opened(lambda job: [gate, result_of(job)]) as floor:
        at_work, cached, other = (job_of(number, text=f"{number}") for number in range(3))
        floor.performer.in_cache = {cached.request}
        floor.submit(at_work)
        await settle()
        asked = (at_work, cached, other, replace(cached, request=replace(cached.request, cache="bypass")))
        assert [await floor.dispatcher.is_free(job.request) for job in asked] == [True, True, False, False]
        floor.performer.fault = RuntimeError("a bug")
        assert not await floor.dispatcher.is_free(cached.request)
        gate.set()
        await floor.ended()


@leaping
async def test_no_work_is_free_when_no_more_may_ride() -> None:
    """Or a full queue would grow without end by what is asked for again and again."""
    gate = asyncio.Event()
    async with opened(lambda job: [gate, result_of(job)]) as floor:
        floor.performer.in_cache = {job_of(1).request}
        floor.submit(*(job_of(number) for number in range(1 + RIDERS)))
        await settle()
        assert await floor.dispatcher.is_free(job_of(1).request)
        floor.submit(*(job_of(number) for number in range(50, 60)))
        await settle()
        assert not await floor.dispatcher.is_free(job_of(1).request)
        gate.set()
        await floor.ended()


@leaping
async def test_who_is_stopped_starts_nothing_more() -> None:
    gate = asyncio.Event()
    async with opened(held(gate)) as floor:
        floor.submit(*distinct(AT_ONCE + 5))
        await settle()
        await floor.dispatcher.stop()
        await asyncio.sleep(100)
        assert floor.performer.order == [0, 1]
        assert floor.states() == ["processing"] * AT_ONCE + ["pending"] * 5


@leaping
async def test_who_is_stopped_does_not_run_what_is_written_meanwhile() -> None:
    async with opened() as floor:
        floor.writes = False
        floor.submit(*distinct(AT_ONCE))
        await floor.dispatcher.stop()
        floor.writes = True
        floor.write()
        await settle()
        assert floor.states() == ["processing"] * AT_ONCE and floor.performer.attempts == []


@leaping
async def test_what_is_written_late_does_not_bring_an_attempt_back() -> None:
    gate = asyncio.Event()
    ends: dict[int, Step] = {1: Unavailable("lost"), 2: NothingToSpeak("nothing")}
    async with opened(lambda job: [1.0, Progress("tts", 10, ""), gate, ends[job.attempt]]) as floor:
        floor.submit(job_of(1))
        await settle()
        floor.writes = False
        await asyncio.sleep(2.0)
        late = floor.table.take_changes()
        assert [change.job.state for change in late] == ["processing"]
        gate.set()
        await settle()
        for change in late:  # the store was slow
            floor.place.put(change)
        floor.dispatcher.act(late)
        await settle()
        assert len(floor.performer.attempts) == 1
        floor.writes = True
        floor.nudge()
        await floor.ended()
        assert [attempt.job.attempt for attempt in floor.performer.attempts] == [1, 2]


@leaping
async def test_who_is_stopped_does_not_come_back_to_what_was_lost() -> None:
    async with opened(lambda job: [Unavailable("lost")]) as floor:
        floor.submit(job_of(1))
        await settle()
        assert floor.states() == ["pending"]
        await floor.dispatcher.stop()
        await asyncio.sleep(100)
        assert len(floor.performer.attempts) == 1


faults = st.sampled_from(["fine", "slow", "lost", "ends", "bad", "bug", "stalls"])


def _script(plan: dict[tuple[str, int], str]) -> Script:
    steps: dict[str, Callable[[Job], Sequence[Step]]] = {
        "fine": succeed,
        "slow": lambda job: [3.0, Progress("tts", 30, ""), 3.0, result_of(job)],
        "lost": lambda job: [1.0, Unavailable("lost")],
        "ends": lambda job: [Progress("tts", 10, ""), "end"],
        "bad": lambda job: [NothingToSpeak("nothing")],
        "bug": lambda job: [0.5, ValueError("a bug")],
        "stalls": lambda job: [1000.0],
    }
    return lambda job: steps[plan.get((job.job_id, job.attempt), "fine")](job)


@settings(max_examples=80)
@given(
    plan=st.dictionaries(st.tuples(st.integers(0, 14).map(id_of), st.integers(1, 3)), faults, max_size=20),
    steps=st.lists(
        st.tuples(st.sampled_from(["submit", "submit", "cancel", "wait", "store"]), st.integers(0, 14)), max_size=40
    ),
    cleaning_s=st.sampled_from([0.0, 2.0]),
)
def test_whatever_happens_every_job_ends_once(
    plan: dict[tuple[str, int], str], steps: list[tuple[str, int]], cleaning_s: float
) -> None:
    leaping(_walk)(plan, steps, cleaning_s)


async def _walk(plan: dict[tuple[str, int], str], steps: list[tuple[str, int]], cleaning_s: float) -> None:
    async with opened(_script(plan)) as floor:
        floor.performer.cleaning_s = cleaning_s
        seen: set[int] = set()
        for step, number in steps:
            if step == "submit" and number not in seen:
                seen.add(number)
                floor.submit(job_of(number, text=f"Text {number}."))
            elif step == "cancel":
                floor.cancel(number)
            elif step == "wait":
                await asyncio.sleep(number / 4)
            elif step == "store":
                floor.writes = not floor.writes
                floor.nudge()
        floor.writes = True
        floor.nudge()
        await floor.ended()
        assert {*floor.place.jobs} == {id_of(number) for number in seen}
        for job_id, job in floor.place.jobs.items():
            attempts = floor.performer.of(job_id)
            assert [attempt.job.attempt for attempt in attempts] == list(range(1, len(attempts) + 1))
            assert len(attempts) <= 3
            if job.state == "completed":
                assert floor.performer.links[job_id] == result_of(job).ref
