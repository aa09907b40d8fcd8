"""The state machine under everything that may come at any time: late, twice, and of an attempt that is over."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from deployments.core.types import Priority
from deployments.jobs.contract import ENDED, Change, Event, Failure, Job, Result, State, result_ref
from deployments.jobs.table import Table

from .conftest import id_of, job_of
from .stores import ARROWS, Place, wrongs_between

LOSSES = 3
"""max_attempts."""
FAILURE = Failure("nothing_to_speak", "There is nothing to say.", None, 422)


def result_of(job: Job) -> Result:
    return Result(result_ref(job.job_id, job.attempt), 1000, False)


def fresh() -> Table:
    return Table(LOSSES)


def started(table: Table, number: int = 1, **fields: Any) -> Job:
    """A job whose first attempt has begun."""
    table.submit(job_of(number, **fields))
    job = table.start_this(id_of(number), 10.0)
    assert job is not None
    return job


def replayed(batches: Iterable[list[Change]]) -> dict[str, tuple[Event, ...]]:
    """The events of each job, from what was taken."""
    events: dict[str, tuple[Event, ...]] = {}
    for change in itertools.chain.from_iterable(batches):
        events[change.job.job_id] = (*events.get(change.job.job_id, ()), *change.events)
    return events


def test_the_life_of_a_job() -> None:
    table = fresh()
    job = started(table)
    assert (job.state, job.attempt, job.started_s) == ("processing", 1, 10.0)
    assert table.advance(job.job_id, 1, "tts", 40, "Speaking.")
    assert table.complete(job.job_id, 1, result_of(job), 12.0)
    assert table.get(job.job_id) is None and len(table) == 0 and table.owned("ann") == 0
    [change] = table.take_changes()
    assert (change.job.state, change.job.ended_s, change.job.result) == ("completed", 12.0, result_of(job))
    assert [(event.seq, event.stage, event.status, event.progress) for event in change.events] == [
        (1, "queue", "pending", 0),
        (2, "queue", "processing", 0),
        (3, "tts", "processing", 40),
        (4, "done", "completed", 100),
    ]
    assert change.job.last == change.events[-1]
    assert table.take_changes() == []


def test_what_fails_keeps_its_reason_and_its_progress() -> None:
    table = fresh()
    job = started(table)
    table.advance(job.job_id, 1, "tts", 40, "Speaking.")
    assert table.fail(job.job_id, 1, FAILURE, 12.0)
    [change] = table.take_changes()
    assert (change.job.state, change.job.error, change.job.result) == ("failed", FAILURE, None)
    assert change.events[-1] == Event(4, "done", "failed", 40, FAILURE.message)


def test_a_lost_job_begins_anew_and_fails_in_the_end() -> None:
    table = fresh()
    table.submit(job_of(1))
    for attempt in range(1, LOSSES + 1):
        job = table.start(10.0 + attempt)
        assert job is not None
        assert (job.attempt, job.losses, job.started_s) == (attempt, attempt - 1, 11.0)
        assert table.lose(job.job_id, attempt, 20.0) == (attempt < LOSSES)
        assert table.start(20.0) is None  # not before it is put into the queue
        table.enqueue(job.job_id)
        table.enqueue(job.job_id)
        assert len(table.queue) == (attempt < LOSSES)
    [change] = table.take_changes()
    assert change.job.error is not None
    assert (change.job.state, change.job.losses, change.job.error.code) == ("failed", LOSSES, "attempts_exhausted")


def test_a_lost_job_comes_before_the_others_of_its_owner() -> None:
    table = fresh()
    job = started(table, 1)
    table.submit(job_of(2))
    table.lose(job.job_id, 1, 11.0)
    table.enqueue(job.job_id)
    assert [table.queue.position(id_of(number)) for number in (1, 2)] == [1, 2]


@pytest.mark.parametrize("first", ["cancel", "complete"])
def test_when_cancel_meets_completion_one_of_them_wins(first: str) -> None:
    table = fresh()
    job = started(table)
    calls: dict[str, Callable[[], object]] = {
        "cancel": lambda: table.cancel(job.job_id, 12.0),
        "complete": lambda: table.complete(job.job_id, 1, result_of(job), 12.0),
    }
    second = ({*calls} - {first}).pop()
    assert calls[first]()
    assert not calls[second]()
    assert not table.lose(job.job_id, 1, 13.0) and not table.fail(job.job_id, 1, FAILURE, 13.0)
    [change] = table.take_changes()
    assert [event.status for event in change.events if event.status in ENDED] == [change.job.state]
    assert change.job.state == ("cancelled" if first == "cancel" else "completed")


def test_who_is_cancelled_while_it_waits_for_the_next_attempt_does_not_come_back() -> None:
    table = fresh()
    job = started(table)
    table.lose(job.job_id, 1, 11.0)
    cancelled = table.cancel(job.job_id, 12.0)
    assert cancelled is not None and cancelled.state == "cancelled"
    table.enqueue(job.job_id)
    assert table.start(13.0) is None


@pytest.mark.parametrize("progress", [-5, 0, 39, 100, 400])
def test_progress_stays_within_its_bounds_and_never_falls(progress: int) -> None:
    table = fresh()
    job = started(table)
    table.advance(job.job_id, 1, "tts", 40, "")
    table.advance(job.job_id, 1, "tts", progress, "")
    table.lose(job.job_id, 1, 11.0)
    table.enqueue(job.job_id)
    table.start(12.0)
    table.advance(job.job_id, 2, "tts", 1, "")
    [change] = table.take_changes()
    assert [event.progress for event in change.events[3:]] == [min(100, max(40, progress))] * 4


def test_what_is_told_is_written_without_an_event() -> None:
    table = fresh()
    job = started(table, told=False)
    table.complete(job.job_id, 1, result_of(job), 11.0)
    [change] = table.take_changes()
    table.tell(change.job)
    assert table.take_changes() == [Change(replace(change.job, told=True))]
    assert len(table) == 0


def test_a_job_that_could_not_be_written_leaves_nothing() -> None:
    table = fresh()
    table.submit(job_of(1))
    started(table, 2)
    table.take_changes()
    table.advance(id_of(2), 1, "tts", 10, "")
    for number in (1, 2, 3):
        table.drop(id_of(number))
    assert (len(table), len(table.queue), table.owned("ann"), table.take_changes()) == (0, 0, 0, [])


def test_a_job_that_takes_the_server_down_again_and_again_fails_in_the_end() -> None:
    """Restarts are no losses of its own, but there is an end to them."""
    job, attempts = job_of(1, "processing", attempt=1, last=Event(2, "queue", "processing", 0, "")), 1
    while True:
        table = fresh()
        table.load([job], 50.0)
        begun = table.start(51.0)
        if begun is None:
            break
        assert (begun.attempt, begun.losses) == (attempts + 1, 0)
        job, attempts = begun, begun.attempt
        assert attempts < 100
    [change] = table.take_changes()
    assert change.job.error is not None
    assert (change.job.state, change.job.error.code) == ("failed", "attempts_exhausted")
    assert attempts > LOSSES and len(table) == 0 and table.owned("ann") == 0


def test_owned_counts_what_has_not_ended() -> None:
    table = fresh()
    for number, owner in enumerate(["ann", "bob", "ann"]):
        started(table, number, owner=owner)
    table.cancel(id_of(0), 11.0)
    table.lose(id_of(2), 1, 11.0)
    assert [table.owned(owner) for owner in ("ann", "bob", "cy")] == [1, 1, 0]


left_behind = st.builds(
    lambda number, owner, priority, state, losses: job_of(
        number,
        state,
        owner=owner,
        priority=priority,
        losses=losses,
        attempt=losses + (state == "processing"),
        last=Event(7, "tts", state, 30, ""),
    ),
    st.integers(1, 30),
    st.sampled_from(["ann", "bob"]),
    st.sampled_from(get_args(Priority)),
    st.sampled_from(["pending", "processing"]),
    st.integers(0, LOSSES - 1),
)


@settings(max_examples=60)
@given(jobs=st.lists(left_behind, unique_by=lambda job: job.job_id, max_size=12))
def test_who_takes_over_goes_on_where_the_other_stopped(jobs: list[Job]) -> None:
    jobs = sorted(jobs, key=lambda job: job.created_s)
    table = fresh()
    table.load(jobs, 50.0)
    changed = {change.job.job_id: change for change in table.take_changes()}
    lost = [job for job in jobs if job.state == "processing"]
    assert changed.keys() == {job.job_id for job in lost}
    for job in lost:
        change = changed[job.job_id]
        assert (change.job.attempt, change.job.losses) == (job.attempt, job.losses), "it is not the job's fault"
        assert change.job.state == "pending"
        assert [event.seq for event in change.events] == [8]
    waiting = [job for job in jobs if job.job_id not in changed or changed[job.job_id].job.state == "pending"]
    assert len(table) == len(table.queue) == len(waiting)
    assert sum(table.owned(owner) for owner in ("ann", "bob")) == len(waiting)
    order = [begun for _ in waiting if (begun := table.start(51.0))]
    assert len(order) == len(waiting)
    _assert_first_come_first_served(order, {job.job_id for job in lost})


def _assert_first_come_first_served(order: list[Job], lost: set[str]) -> None:
    """Of an owner's jobs of one class those that were at work come first, and the older before the younger."""
    lines: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    for job in order:
        lines.setdefault((job.owner, job.priority), []).append((job.job_id not in lost, job.created_s))
    for places in lines.values():
        assert places == sorted(places)


@dataclass
class Known:
    """A job as the model has it."""

    job: Job
    events: list[Event] = field(default_factory=list)
    is_new: bool = True
    """Nothing of it is written."""

    def holds(self, attempt: int) -> bool:
        return self.job.state == "processing" and self.job.attempt == attempt


attempts = st.sampled_from([0, 0, 0, -1, 1, -2])
"""Against the attempt that the job is at: mostly none."""


class TableMachine(RuleBasedStateMachine):
    """The model knows each job and all of its events; a store gets them in batches, some of which fail."""

    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.table = fresh()
        self.known: dict[str, Known] = {}
        self.place = Place()
        self.taken: list[Change] | None = None
        """What is being written."""
        self.now_s = 100.0

    @initialize(target=jobs)
    def submit_one(self) -> str:
        return self.submitted("ann", "normal")

    @rule(target=jobs, owner=st.sampled_from(["", "ann"]), priority=st.sampled_from(get_args(Priority)))
    def submit(self, owner: str, priority: Priority) -> str:
        return self.submitted(owner, priority)

    def submitted(self, owner: str, priority: Priority) -> str:
        job = job_of(len(self.known), owner=owner, priority=priority)
        self.known[job.job_id] = Known(job)
        self.table.submit(job)
        self.expect(job, "pending")
        return job.job_id

    def expect(self, job: Job, state: State, **fields: Any) -> None:
        """The job has one more event, and is what the model says."""
        known = self.known[job.job_id]
        now = self.table.get(job.job_id)
        if state in ENDED:
            assert now is None
            now = next(change.job for change in self.changes() if change.job.job_id == job.job_id)
        assert now is not None
        assert now == replace(job, state=state, last=now.last, **fields)
        assert list(wrongs_between(known.events[-1] if known.events else None, now.last)) == []
        known.events.append(now.last)
        known.job = now

    def changes(self) -> list[Change]:
        """What would be written next."""
        changes = self.table.take_changes()
        self.table.put_back(changes)
        return changes

    @rule()
    def start(self) -> None:
        waits = len(self.table.queue)
        job = self.table.start(self.tick())
        assert (job is None) == (waits == 0)
        if job:
            self.expect_start(job)

    @rule(job_id=jobs)
    def start_this(self, job_id: str) -> None:
        waits = job_id in self.table.queue
        job = self.table.start_this(job_id, self.tick())
        assert (job is not None) == waits
        if job:
            assert job.job_id == job_id
            self.expect_start(job)

    def expect_start(self, job: Job) -> None:
        before = self.known[job.job_id].job
        assert before.state == "pending"
        began_s = self.now_s if before.started_s is None else before.started_s
        self.expect(before, "processing", attempt=before.attempt + 1, started_s=began_s)

    @rule(job_id=jobs, stale=attempts, progress=st.integers(-10, 120))
    def advance(self, job_id: str, stale: int, progress: int) -> None:
        known = self.known[job_id]
        attempt, before = known.job.attempt + stale, known.job
        done = self.table.advance(job_id, attempt, "tts", progress, "…")
        assert done == known.holds(attempt)
        if done:
            self.expect(before, "processing")

    @rule(job_id=jobs, stale=attempts)
    def complete(self, job_id: str, stale: int) -> None:
        known = self.known[job_id]
        attempt, before, result = known.job.attempt + stale, known.job, result_of(known.job)
        done = self.table.complete(job_id, attempt, result, self.tick())
        assert done == known.holds(attempt)
        if done:
            self.expect(before, "completed", result=result, ended_s=self.now_s)

    @rule(job_id=jobs, stale=attempts)
    def fail(self, job_id: str, stale: int) -> None:
        known = self.known[job_id]
        attempt, before = known.job.attempt + stale, known.job
        done = self.table.fail(job_id, attempt, FAILURE, self.tick())
        assert done == known.holds(attempt)
        if done:
            self.expect(before, "failed", error=FAILURE, ended_s=self.now_s)

    @rule(job_id=jobs, stale=attempts)
    def lose(self, job_id: str, stale: int) -> None:
        known = self.known[job_id]
        attempt, before = known.job.attempt + stale, known.job
        holds, losses = known.holds(attempt), before.losses + 1
        assert self.table.lose(job_id, attempt, self.tick()) == (holds and losses < LOSSES)
        if holds and losses < LOSSES:
            self.expect(before, "pending", losses=losses)
            assert job_id not in self.table.queue
        elif holds:
            ended = next(change.job for change in self.changes() if change.job.job_id == job_id)
            self.expect(before, "failed", losses=losses, ended_s=self.now_s, error=ended.error)

    @rule(job_id=jobs)
    def enqueue(self, job_id: str) -> None:
        self.table.enqueue(job_id)
        assert (job_id in self.table.queue) == (self.known[job_id].job.state == "pending")

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        before = self.known[job_id].job
        cancelled = self.table.cancel(job_id, self.tick())
        assert (cancelled is None) == before.ended
        if cancelled:
            self.expect(before, "cancelled", ended_s=self.now_s)

    @precondition(lambda self: self.taken is None)
    @rule()
    def take(self) -> None:
        self.taken = self.table.take_changes()

    @precondition(lambda self: self.taken is not None)
    @rule()
    def write(self) -> None:
        for change in self.taken or ():
            self.place.put(change)
            self.known[change.job.job_id].is_new = False
        self.taken = None

    @precondition(lambda self: self.taken is not None)
    @rule(drops=st.booleans())
    def cannot_write(self, drops: bool) -> None:
        """As the journal does it, new jobs are dropped; what is kept must be whole either way."""
        new = [change.job for change in self.taken or () if self.known[change.job.job_id].is_new]
        if drops:
            for job in new:
                self.table.drop(job.job_id)
                self.forget(job)
        self.table.put_back([change for change in self.taken or () if not drops or change.job not in new])
        self.taken = None

    def forget(self, job: Job) -> None:
        """Whatever comes for it from now on is refused, as for one that has ended."""
        known = self.known[job.job_id]
        known.job, known.events = replace(known.job, state="cancelled"), []

    def tick(self) -> float:
        self.now_s += 1
        return self.now_s

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        open_jobs = {job_id: known.job for job_id, known in self.known.items() if not known.job.ended}
        assert len(self.table) == len(open_jobs)
        for job_id, known in self.known.items():
            assert self.table.get(job_id) == open_jobs.get(job_id)
            assert known.job.losses <= LOSSES
            assert sum(event.status in ENDED for event in known.events) == (known.job.ended and bool(known.events))
            assert job_id not in self.table.queue or known.job.state == "pending"
        for owner in ("", "ann"):
            assert self.table.owned(owner) == sum(job.owner == owner for job in open_jobs.values())

    def teardown(self) -> None:
        """What was written, and what is still to be written, is all that ever happened."""
        self.table.put_back(self.taken or ())
        for change in self.table.take_changes():
            self.place.put(change)
        assert self.place.wrongs == []
        for job_id, known in self.known.items():
            assert self.place.events.get(job_id, []) == known.events
            assert not known.events or self.place.jobs[job_id] == known.job


TestTable = TableMachine.TestCase
TestTable.settings = settings(deadline=None, max_examples=150, stateful_step_count=50)


@settings(max_examples=60)
@given(
    steps=st.lists(st.sampled_from(["start", "advance", "lose", "enqueue", "take", "fail to write", "write"])),
)
def test_however_it_is_split_the_same_is_written(steps: list[str]) -> None:
    """Two tables live through the same; one is written at once, the other as it comes."""
    at_once, in_parts = fresh(), fresh()
    batches: list[list[Change]] = []
    taken: list[Change] = []
    for table in (at_once, in_parts):
        table.submit(job_of(1))
    for step in steps:
        if step == "take":
            taken += [] if taken else in_parts.take_changes()
        elif step == "fail to write":
            in_parts.put_back(taken)
            taken = []
        elif step == "write":
            batches.append(taken)
            taken = []
        else:
            for table in (at_once, in_parts):
                _step(table, step)
    in_parts.put_back(taken)
    batches.append(in_parts.take_changes())
    whole = at_once.take_changes()
    assert replayed(batches) == replayed([whole])
    last = {change.job.job_id: change.job for batch in batches for change in batch}
    assert last == {change.job.job_id: change.job for change in whole}


def _step(table: Table, step: str) -> None:
    job = table.get(id_of(1))
    if step == "start":
        table.start(5.0)
    elif job and step == "advance":
        table.advance(job.job_id, job.attempt, "tts", job.last.progress + 3, "")
    elif job and step == "lose":
        table.lose(job.job_id, job.attempt, 6.0)
    elif job and step == "enqueue":
        table.enqueue(job.job_id)


def test_the_arrows_are_those_of_the_contract() -> None:
    """So that the checks above check something."""
    assert {*ARROWS} | ENDED == {*get_args(State)}
    first = Event(1, "queue", "pending", 0, "")
    assert list(wrongs_between(None, first)) == []
    assert len(list(wrongs_between(first, Event(3, "tts", "completed", -1, "")))) == 3
    assert len(list(wrongs_between(replace(first, status="completed"), replace(first, seq=2)))) == 1
