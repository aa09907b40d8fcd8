"""What every store promises, asked of each."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.types import RenderRequest
from deployments.jobs.contract import ENDED, Change, Deposed, Event, Job, Page, State, Store
from deployments.jobs.record import read_cursor

from .conftest import Fresh, Opener, change_of, id_of, job_of

STATES: tuple[State, ...] = get_args(State)
OWNERS = ("", "ann", "bob.2-x_Y")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
UNKNOWN = id_of(999)


def write(store: Store, *jobs: Job) -> None:
    store.write([Change(job) for job in jobs])


def pages(store: Store, owner: str | None = None, state: State | None = None, limit: int = 2) -> Iterator[Page]:
    """All pages of a list."""
    cursor = None
    while True:
        page = store.page(owner, state, limit, cursor)
        yield page
        if (cursor := page.cursor) is None:
            return


def listed(store: Store, owner: str | None = None, state: State | None = None, limit: int = 2) -> list[Job]:
    return [job for page in pages(store, owner, state, limit) for job in page.jobs]


def test_an_empty_store(opener: Opener) -> None:
    store = opener()
    assert store.get([]) == []
    assert store.get([UNKNOWN]) == [None]
    assert store.events(UNKNOWN, 0) == []
    assert store.find("ann", "k") is None
    assert store.page(None, None, 1, None) == Page((), None)
    assert store.counts() == dict.fromkeys(STATES, 0)
    assert store.expire(1e12) == 0
    assert store.take_over() == []


def test_jobs_come_back_in_the_order_asked_for(store: Store) -> None:
    one, two = job_of(1), job_of(2, "processing", attempt=1, started_s=2.5)
    write(store, one, two)
    assert store.get([id_of(2), UNKNOWN, id_of(1), id_of(2)]) == [two, None, one, two]


def test_jobs_survive_the_process(opener: Opener) -> None:
    first = opener()
    first.take_over()
    first.write([change_of(job_of(1, idempotency_key="k"), 1)])
    first.close()
    second = opener()
    assert second.find("ann", "k") == change_of(job_of(1, idempotency_key="k"), 1).job
    assert len(second.events(id_of(1), 0)) == 1


def test_a_closed_store_opens_again(store: Store) -> None:
    write(store, job_of(1))
    store.close()
    store.close()
    write(store, job_of(2))
    assert len(listed(store)) == 2


def test_threads_may_use_it_in_turn(store: Store) -> None:
    def work(number: int) -> None:
        write(store, job_of(number))

    for number in range(3):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        thread.join()
    assert len(listed(store)) == 3


def test_who_takes_over_gets_what_has_not_ended_or_is_to_be_told(opener: Opener) -> None:
    first = opener()
    first.take_over()
    told = [job_of(number, state, told=True) for number, state in enumerate(ENDED)]
    untold = [job_of(10 + number, state) for number, state in enumerate(sorted(ENDED))]
    active = [job_of(20, "processing", attempt=1), job_of(21), job_of(22, told=True)]
    write(first, *active, *told, *untold)
    assert opener().take_over() == [*untold, *active]


def test_who_takes_over_gets_the_oldest_first(store: Store) -> None:
    tied = [job_of(number, created_s=7.0) for number in (4, 5, 6)]
    jobs = [job_of(9, created_s=1.0), *tied, job_of(2, created_s=1.7e9), job_of(1, created_s=1.7e9 + 0.001)]
    write(store, *reversed(jobs))
    assert store.take_over() == jobs
    write(store, replace(tied[1], state="completed", ended_s=8.0, told=True))
    jobs.remove(tied[1])
    assert store.take_over() == jobs


def test_a_deposed_leader_writes_nothing_and_reads_on(opener: Opener) -> None:
    first, second = opener(), opener()
    first.take_over()
    write(first, job_of(1))
    assert second.take_over() == [job_of(1)]
    for _ in range(2):
        with pytest.raises(Deposed):
            first.write([change_of(job_of(1, "completed"), 1), change_of(job_of(2), 1)])
    assert first.get([id_of(1), id_of(2)]) == second.get([id_of(1), id_of(2)]) == [job_of(1), None]
    assert second.events(id_of(1), 0) == []
    write(second, job_of(3))
    first.take_over()
    write(first, job_of(4))
    with pytest.raises(Deposed):
        write(second, job_of(5))
    assert [job.job_id for job in listed(second)] == [id_of(4), id_of(3), id_of(1)]


def test_who_never_took_over_writes_nothing(opener: Opener) -> None:
    with pytest.raises(Deposed):
        write(opener(), job_of(1))
    assert listed(opener()) == []


def test_what_cannot_be_written_takes_the_whole_batch_with_it(store: Store) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        write(store, job_of(1), job_of(2, text="\ud800"))
    assert listed(store) == []
    write(store, job_of(1))


def test_an_empty_batch_is_one(store: Store) -> None:
    store.write([])
    assert listed(store) == []


def test_the_same_batch_twice_is_as_good_as_once(store: Store) -> None:
    batch = [change_of(job_of(1, idempotency_key="k"), 1, 2), change_of(job_of(2, "completed"), 1)]
    for _ in range(2):
        store.write(batch)
        assert listed(store) == [batch[1].job, batch[0].job]
        assert store.counts() == {**dict.fromkeys(STATES, 0), "pending": 1, "completed": 1}
        assert store.events(id_of(1), 0) == list(batch[0].events)
        assert store.find("ann", "k") == batch[0].job
    assert store.expire(100.0) == 1


def test_a_large_batch(store: Store) -> None:
    batch = [change_of(job_of(number), 1, 2) for number in range(3000)]
    store.write(batch)
    jobs = [change.job for change in batch]
    assert store.get([job.job_id for job in jobs]) == jobs
    assert store.take_over() == jobs
    assert listed(store, limit=700) == jobs[::-1]


def test_events_come_in_order_after_a_number(store: Store) -> None:
    store.write([change_of(job_of(1), 1, 2, 3), change_of(job_of(2), 1)])
    store.write([change_of(job_of(1, "processing"), *range(4, 13))])
    assert [event.seq for event in store.events(id_of(1), 0)] == list(range(1, 13))
    assert [event.seq for event in store.events(id_of(1), 9)] == [10, 11, 12]
    assert store.events(id_of(1), 12) == store.events(id_of(1), 99) == []
    assert store.events(id_of(2), 0) == [Event(1, "tts", "pending", 1, "step 1")]


def test_a_key_finds_the_job_of_its_owner(store: Store) -> None:
    jobs = [
        job_of(1, idempotency_key="k"),
        job_of(2, owner="bob", idempotency_key="k"),
        job_of(3, owner="", idempotency_key="k"),
        job_of(4, idempotency_key="ключ: 🔑\n\0"),
        job_of(5, idempotency_key=""),
        job_of(6),
    ]
    write(store, *jobs)
    write(store, replace(jobs[1], state="processing"))
    assert store.find("ann", "k") == jobs[0]
    assert store.find("bob", "k") == replace(jobs[1], state="processing")
    assert store.find("", "k") == jobs[2]
    assert store.find("ann", "ключ: 🔑\n\0") == jobs[3]
    assert store.find("ann", "") == jobs[4]
    assert store.find("ann", "other") is store.find("other", "k") is store.find("bob", "") is None


def test_a_key_is_free_again_when_its_job_has_expired(store: Store) -> None:
    write(store, job_of(1, "completed", idempotency_key="k"))
    assert store.expire(100.0) == 1
    assert store.find("ann", "k") is None
    write(store, job_of(2, idempotency_key="k"))
    assert store.find("ann", "k") == job_of(2, idempotency_key="k")


def test_a_key_that_a_later_job_took_stays_with_it(store: Store) -> None:
    later = job_of(2, idempotency_key="k")
    write(store, job_of(1, "completed", idempotency_key="k"))
    write(store, later)
    store.expire(100.0)
    assert store.find("ann", "k") == later


def test_pages_by_owner_and_state(store: Store) -> None:
    jobs = [
        job_of(number, STATES[number % 3], owner=OWNERS[number // 3 % 3], created_s=1.7e9 + number)
        for number in range(27)
    ]
    write(store, *jobs)
    newest = jobs[::-1]
    assert listed(store) == newest
    for owner in OWNERS:
        assert listed(store, owner) == [job for job in newest if job.owner == owner]
        for state in STATES:
            wanted = [job for job in newest if (job.owner, job.state) == (owner, state)]
            assert listed(store, owner, state) == wanted
    for state in STATES:
        assert listed(store, None, state) == [job for job in newest if job.state == state]
    assert listed(store, "nobody") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100])
def test_jobs_of_the_same_moment_have_an_order(store: Store, limit: int) -> None:
    jobs = [job_of(number, created_s=1e9) for number in (3, 1, 2, 15, 16, 160)]
    write(store, *jobs)
    parts = list(pages(store, limit=limit))
    assert [job.job_id for page in parts for job in page.jobs] == [id_of(n) for n in (160, 16, 15, 3, 2, 1)]
    assert all(len(page.jobs) == limit for page in parts[:-1]) and parts[-1].jobs


def test_a_cursor_outlives_its_job(store: Store) -> None:
    write(store, *(job_of(number, created_s=float(number // 2)) for number in range(6)))
    cursor = store.page(None, "pending", 2, None).cursor
    write(store, job_of(4, "completed", created_s=2.0, ended_s=2.0), job_of(9, created_s=9.0))
    rest = [job_of(number, created_s=float(number // 2)) for number in (3, 2, 1, 0)]
    assert store.page(None, "pending", 9, cursor) == Page(tuple(rest), None)
    store.expire(100.0)
    assert store.get([id_of(4)]) == [None]
    assert store.page(None, None, 9, cursor) == Page(tuple(rest), None)


@pytest.mark.parametrize("cursor", ["", "nonsense", "0" * 47, "🙂", "(" + "f" * 47, "F" * 48, "f" * 48 + "\n"])
def test_what_is_no_cursor_gives_the_first_page(store: Store, cursor: str) -> None:
    assert read_cursor(cursor) is None
    write(store, job_of(1), job_of(2))
    assert store.page(None, None, 1, cursor) == store.page(None, None, 1, None)


def test_counts_follow_the_state(store: Store) -> None:
    write(store, job_of(1), job_of(2), job_of(3, "cancelled"))
    assert store.counts() == {"pending": 2, "processing": 0, "completed": 0, "failed": 0, "cancelled": 1}
    write(store, job_of(1, "processing"))
    write(store, job_of(1, "failed"), job_of(2, "completed"))
    assert store.counts() == {"pending": 0, "processing": 0, "completed": 1, "failed": 1, "cancelled": 1}
    assert listed(store, None, "pending") == listed(store, "ann", "processing") == []


def test_what_has_ended_expires_without_a_trace(opener: Opener) -> None:
    store = opener()
    store.take_over()
    old = [job_of(number, state, idempotency_key=f"{number}") for number, state in enumerate(sorted(ENDED))]
    left = [
        job_of(10, "completed", ended_s=5.0, idempotency_key="10"),
        job_of(11),
        job_of(12, "processing", ended_s=1.0),
    ]
    store.write([change_of(job, 1, 2) for job in (*old, *left)])
    kept = [change_of(job, 1, 2).job for job in left]
    assert store.expire(5.0) == 3
    assert store.expire(5.0) == 0
    assert store.get([job.job_id for job in old]) == [None] * 3
    assert listed(store) == listed(store, "ann") == kept[::-1]
    assert store.counts() == {"pending": 1, "processing": 1, "completed": 1, "failed": 0, "cancelled": 0}
    for job in old:
        assert store.events(job.job_id, 0) == []
        assert store.find("ann", job.idempotency_key or "") is None
    assert len(store.events(id_of(10), 0)) == 2
    assert opener().take_over() == kept


def test_many_expire_at_once(store: Store) -> None:
    store.write([change_of(job_of(number, "completed", ended_s=float(number)), 1) for number in range(2500)])
    removed = 0
    while part := store.expire(2200.0):  # new jobs come between the parts
        assert part < 2200
        removed += part
    assert removed == 2200
    assert store.counts()["completed"] == len(store.take_over()) == 300


@pytest.mark.parametrize("letter", ["a", "é", "中", "🙂", "\0", "\u202e", '"\\', "\N{COMBINING ACUTE ACCENT}"])
def test_the_longest_texts_come_back(store: Store, letter: str) -> None:
    text = (letter * 5000)[:5000]
    write(store, job_of(1, text=text, callback_url=text))
    (found,) = store.get([id_of(1)])
    assert found is not None
    assert found.request.text == found.callback_url == text


class Model:
    """The contract, in dictionaries."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.events: dict[str, dict[int, Event]] = {}

    def live(self) -> list[Job]:
        return [job for job in self._newest() if not job.ended or not job.told][::-1]

    def write(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self.jobs[change.job.job_id] = change.job
            self.events.setdefault(change.job.job_id, {}).update({event.seq: event for event in change.events})

    def listed(self, owner: str | None, state: State | None) -> list[Job]:
        return [job for job in self._newest() if owner in (None, job.owner) and state in (None, job.state)]

    def expire(self, ended_before_s: float) -> int:
        old = [job.job_id for job in self.jobs.values() if job.ended and (job.ended_s or 0.0) < ended_before_s]
        for job_id in old:
            del self.jobs[job_id], self.events[job_id]
        return len(old)

    def _newest(self) -> list[Job]:
        return sorted(self.jobs.values(), key=lambda job: (job.created_s, job.job_id), reverse=True)


MOMENTS = st.sampled_from([0.0, 1.0, 1.5, 1.7e9, 1.7e9 + 1e-6])
"""Few, so that they meet."""


@st.composite
def changes(draw: st.DrawFn, number: int) -> Change:
    """Of a job whose owner, key and creation depend on its number alone: those never change."""
    state = draw(st.sampled_from(STATES))
    job = Job(
        id_of(number),
        OWNERS[number % 3],
        RenderRequest(draw(TEXT), "v"),
        "low",
        "f",
        created_s=[0.0, 1.7e9, 1.7e9 + 1e-6][number // 2 % 3],
        idempotency_key=[None, "k", "ä"][number // 3 % 3],
        state=state,
        ended_s=draw(MOMENTS) if state in ENDED else None,
        told=draw(st.booleans()),
    )
    events = st.builds(Event, st.integers(1, 5), TEXT, st.just(state), st.integers(0, 100), TEXT)
    return Change(job, tuple(draw(st.lists(events, max_size=3, unique_by=lambda event: event.seq))))


batches = st.lists(st.integers(0, 8), max_size=5, unique=True).flatmap(
    lambda numbers: st.tuples(*(changes(number) for number in numbers))
)
steps = st.one_of(
    batches,
    batches,  # twice as often
    MOMENTS,
    st.none(),
)
"""A batch is written; what ended before a moment expires; somebody takes over."""


@settings(max_examples=30)
@given(
    walk=st.lists(
        st.tuples(steps, st.integers(1, 4), st.sampled_from([None, *OWNERS]), st.sampled_from([None, *STATES]))
    )
)
def test_a_store_does_as_dictionaries_do(fresh: Fresh, walk: list[tuple[Any, int, str | None, State | None]]) -> None:
    model = Model()
    with fresh() as opener:
        store = opener()
        store.take_over()
        for step, limit, owner, state in walk:
            if step is None:
                store = opener()
                assert store.take_over() == model.live()
            elif isinstance(step, float):
                assert store.expire(step) == model.expire(step)
            else:
                model.write(step)
                store.write(step)
            assert listed(store, owner, state, limit) == model.listed(owner, state)
            _compare(store, model, limit)


def _compare(store: Store, model: Model, seq: int) -> None:
    assert store.counts() == {state: len(model.listed(None, state)) for state in STATES}
    job_ids = [id_of(number) for number in range(9)]
    assert store.get(job_ids) == [model.jobs.get(job_id) for job_id in job_ids]
    for job_id in job_ids:
        events = model.events.get(job_id, {})
        assert store.events(job_id, seq) == [events[each] for each in sorted(events) if each > seq]
    by_key = {(job.owner, job.idempotency_key): job for job in model.jobs.values()}
    for owner in OWNERS:
        for key in ("k", "ä"):
            assert store.find(owner, key) == by_key.get((owner, key))
