"""Whose turn it is, against a model that only knows turns; and that nobody waits for ever."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deployments.core.types import Priority
from deployments.jobs.contract import Job
from deployments.jobs.queue import WEIGHTS, Queue

from .conftest import id_of, job_of

CLASSES: tuple[Priority, ...] = get_args(Priority)
SUM = sum(WEIGHTS.values())
LONGEST_WAIT = 57
"""Pops in which a class that has jobs may be passed over, whatever comes and goes: tried out for all credits."""


def filled(jobs: Iterable[Job]) -> Queue:
    queue = Queue()
    for job in jobs:
        queue.add(job)
    return queue


def popped(queue: Queue) -> Iterator[Job]:
    """All that is in it, in its order."""
    while job := queue.pop():
        yield job


def numbers(queue: Queue) -> list[int]:
    return [int(job.job_id, 16) for job in popped(queue)]


def test_an_empty_queue() -> None:
    queue = Queue()
    assert (queue.pop(), queue.remove(id_of(1)), queue.position(id_of(1))) == (None, None, None)
    assert len(queue) == 0 and id_of(1) not in queue


def test_under_full_load_each_class_gets_its_share() -> None:
    rounds = 100
    queue = filled(
        job_of(index * rounds * SUM + number, priority=priority)
        for index, priority in enumerate(CLASSES)
        for number in range(rounds * SUM)
    )
    order = [job.priority for _ in range(rounds * SUM) if (job := queue.pop())]
    for start in range(0, len(order), SUM):
        assert Counter(order[start : start + SUM]) == WEIGHTS
    assert longest_run(order, "high") <= 5  # smooth: the others come in between


def longest_run(order: list[Priority], priority: Priority) -> int:
    """How often a class comes in a row at most."""
    longest = run = 0
    for each in order:
        run = run + 1 if each == priority else 0
        longest = max(longest, run)
    return longest


@pytest.mark.parametrize(("one", "other"), [("high", "normal"), ("high", "low"), ("normal", "low")])
def test_two_classes_share_as_their_weights_say(one: Priority, other: Priority) -> None:
    queue = filled(job_of(number, priority=(one, other)[number % 2]) for number in range(2000))
    turns = 20 * (WEIGHTS[one] + WEIGHTS[other])
    taken = Counter(job.priority for _ in range(turns) if (job := queue.pop()))
    assert taken == {one: 20 * WEIGHTS[one], other: 20 * WEIGHTS[other]}


@pytest.mark.parametrize("priority", CLASSES)
def test_a_class_alone_waits_for_nobody(priority: Priority) -> None:
    assert numbers(filled(job_of(number, priority=priority) for number in range(50))) == list(range(50))


def test_a_class_that_comes_back_has_no_debts() -> None:
    queue = filled([*(job_of(number, priority="high") for number in range(5)), job_of(5, priority="normal")])
    assert numbers(queue) == [0, 1, 5, 2, 3, 4]  # normal was early: it would have to wait now
    for number, priority in enumerate(("low", "normal"), 10):
        queue.add(job_of(number, priority=priority))
    assert numbers(queue) == [11, 10]


def test_a_class_that_comes_back_has_no_savings() -> None:
    queue = filled([job_of(0, priority="low"), *(job_of(number, priority="high") for number in range(1, 8))])
    for _ in range(7):
        queue.pop()
    queue.remove(id_of(0))  # it has waited long, in vain
    for number, priority in enumerate(("low", "high", "normal"), 20):
        queue.add(job_of(number, priority=priority))
    assert numbers(queue) == [21, 22, 20]


def test_owners_take_turns() -> None:
    queue = filled(job_of(number, owner="ann") for number in range(4))
    for number in (10, 11):
        queue.add(job_of(number, owner="bob"))
    queue.add(job_of(20, owner="cy"))
    assert numbers(queue) == [0, 10, 20, 1, 11, 2, 3]


def test_who_sends_many_does_not_hold_up_who_sends_one() -> None:
    queue = filled(job_of(number, owner="ann") for number in range(500))
    queue.pop()
    queue.add(job_of(1000, owner="bob"))
    assert queue.position(id_of(1000)) == 2
    assert numbers(queue)[:3] == [1, 1000, 2]


def test_a_new_owner_comes_behind_those_that_wait() -> None:
    queue = filled([job_of(0, owner="ann"), job_of(1, owner="bob")])
    queue.pop()
    queue.add(job_of(2, owner="ann"))
    assert numbers(queue) == [1, 2]


def test_what_has_waited_already_comes_first_of_its_owner() -> None:
    queue = filled([job_of(1, owner="ann"), job_of(2, owner="bob"), job_of(3, owner="bob")])
    queue.add(job_of(0, owner="bob"), first=True)
    assert queue.position(id_of(0)) == 2
    assert numbers(queue) == [1, 0, 2, 3]


def test_higher_classes_count_as_ahead() -> None:
    queue = filled(job_of(number, priority=CLASSES[number % 3]) for number in range(9))
    assert [queue.position(id_of(number)) for number in (0, 3, 6, 1, 4, 7, 2, 5, 8)] == list(range(1, 10))


def test_what_is_removed_is_not_there() -> None:
    queue = filled(job_of(number) for number in range(3))
    assert queue.remove(id_of(1)) == job_of(1)
    assert (queue.remove(id_of(1)), queue.position(id_of(1))) == (None, None)
    assert id_of(1) not in queue and len(queue) == 2
    assert numbers(queue) == [0, 2]


OWNERS = st.sampled_from(["", "ann", "bob"])


@settings(max_examples=40)
@given(
    owners=st.lists(OWNERS, min_size=1, max_size=25),
    pops=st.integers(0, 10),
    firsts=st.lists(OWNERS, max_size=3),
    priority=st.sampled_from(CLASSES),
)
def test_the_position_is_the_number_of_pops_to_come(
    owners: list[str], pops: int, firsts: list[str], priority: Priority
) -> None:
    queue = filled(job_of(number, owner=owner, priority=priority) for number, owner in enumerate(owners))
    for _ in range(pops):
        queue.pop()
    for number, owner in enumerate(firsts, 100):
        queue.add(job_of(number, owner=owner, priority=priority), first=True)
    foretold = {number: queue.position(id_of(number)) for number in (*range(25), *range(100, 103))}
    order = numbers(queue)
    assert {number: place for number, place in foretold.items() if place} == {
        number: place for place, number in enumerate(order, 1)
    }


def test_no_class_waits_for_ever_whatever_comes_and_goes() -> None:
    for seed in range(5):
        chance = random.Random(seed)
        queue, waited, number = filled([job_of(0, priority="low")]), 0, 0
        for _ in range(1000):
            for priority in chance.sample(CLASSES[:2], chance.randint(0, 2)):
                number += 1
                queue.add(job_of(number, priority=priority))
                if chance.random() < 0.3:
                    queue.remove(id_of(chance.randint(1, number)))
            job = queue.pop()
            assert job is not None
            waited += 1
            if job.priority == "low":
                waited = 0
                queue.add(job)
            assert waited <= LONGEST_WAIT


class QueueMachine(RuleBasedStateMachine):
    """The model: for each class the owners in the order of their turns, each with the numbers of their jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue()
        self.turns: dict[Priority, list[tuple[str, list[int]]]] = {priority: [] for priority in CLASSES}
        self.gone: list[int] = []
        self.number = 0
        self.passed_over: Counter[Priority] = Counter()

    @rule(owner=OWNERS, priority=st.sampled_from(CLASSES), first=st.booleans(), count=st.integers(1, 5))
    def add(self, owner: str, priority: Priority, first: bool, count: int) -> None:
        for _ in range(count):
            self.number += 1
            self.queue.add(job_of(self.number, owner=owner, priority=priority), first=first)
            jobs = next((jobs for name, jobs in self.turns[priority] if name == owner), None)
            if jobs is None:
                self.turns[priority].append((owner, jobs := []))
            jobs.insert(0 if first else len(jobs), self.number)

    @rule(count=st.integers(1, 5))
    def pop(self, count: int) -> None:
        for _ in range(count):
            job = self.queue.pop()
            if job is None:
                assert not any(self.turns.values())
                return
            owner, jobs = self.turns[job.priority].pop(0)
            assert job == job_of(jobs[0], owner=owner, priority=job.priority)
            self.gone.append(jobs.pop(0))
            if jobs:
                self.turns[job.priority].append((owner, jobs))
            self.note(job.priority)

    def note(self, priority: Priority) -> None:
        """Nobody is passed over for long."""
        self.passed_over.update(each for each in CLASSES if self.turns[each])
        self.passed_over[priority] = 0
        assert max(self.passed_over.values()) <= LONGEST_WAIT

    @precondition(lambda self: any(self.turns.values()))
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        priority = data.draw(st.sampled_from([each for each in CLASSES if self.turns[each]]))
        owner, jobs = data.draw(st.sampled_from(self.turns[priority]))
        number = data.draw(st.sampled_from(jobs))
        assert self.queue.remove(id_of(number)) == job_of(number, owner=owner, priority=priority)
        jobs.remove(number)
        self.gone.append(number)
        self.turns[priority] = [(name, rest) for name, rest in self.turns[priority] if rest]
        if not self.turns[priority]:
            self.passed_over[priority] = 0

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        waiting = {number for turns in self.turns.values() for _, jobs in turns for number in jobs}
        assert len(self.queue) == len(waiting)
        assert all(id_of(number) in self.queue for number in waiting)
        places = self.queue.positions(map(id_of, [*waiting, *self.gone]))
        assert places.keys() == {id_of(number) for number in waiting}
        assert sorted(places.values()) == list(range(1, len(waiting) + 1))  # each place once
        assert all(self.queue.position(job_id) == place for job_id, place in places.items())


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(deadline=None, max_examples=25, stateful_step_count=25)
