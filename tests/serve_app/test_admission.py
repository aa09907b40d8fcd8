"""How much is computed and held at a time."""

from __future__ import annotations

import asyncio

import pytest

from serve_app.admission import Admission, Budget


async def render(admission: Admission, go: asyncio.Event, at_work: list[int]) -> None:
    async with admission.turn():
        at_work.append(1)
        await go.wait()


async def test_the_rest_waits_for_a_turn() -> None:
    admission, go, at_work = Admission(2), asyncio.Event(), list[int]()
    renders = [asyncio.create_task(render(admission, go, at_work)) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert (len(at_work), admission.at_work, admission.waiting) == (2, 2, 3)
    go.set()
    await asyncio.wait(renders)
    assert (len(at_work), admission.at_work, admission.waiting) == (5, 0, 0)


async def test_who_leaves_the_queue_makes_room() -> None:
    admission, go, at_work = Admission(1), asyncio.Event(), list[int]()
    first, second = (asyncio.create_task(render(admission, go, at_work)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    third = asyncio.create_task(render(admission, go, at_work))
    go.set()
    await asyncio.gather(first, third)
    assert len(at_work) == 2


async def test_a_turn_ends_with_a_failure_too() -> None:
    admission = Admission(1)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            async with admission.turn():
                raise ValueError("no")


async def _hold(budget: Budget, amount: float, go: asyncio.Event, held: list[float]) -> None:
    async with budget.take(amount):
        held.append(amount)
        await go.wait()


async def test_no_more_is_held_than_allowed() -> None:
    budget, go, held = Budget(10), asyncio.Event(), list[float]()
    tasks = [asyncio.create_task(_hold(budget, amount, go, held)) for amount in (6, 4, 0.1, 100, 5)]
    await asyncio.sleep(0.01)
    assert held == [6, 4] and budget.taken == 10
    go.set()
    await asyncio.wait(tasks)
    assert held == [6, 4, 0.1, 100, 5], "first come, first served"
    assert budget.taken == 0


async def test_who_wants_more_has_it_alone_whatever_was_held_before() -> None:
    budget = Budget(1)
    for amount in (0.1, 0.2, 0.3):  # their sums are no round numbers
        async with budget.take(amount), budget.take(amount):
            pass
    async with asyncio.timeout(5), budget.take(50):
        assert budget.taken == 50


async def test_who_leaves_the_line_holds_nothing() -> None:
    budget, go, held = Budget(1), asyncio.Event(), list[float]()
    tasks = [asyncio.create_task(_hold(budget, 1, go, held)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    go.set()
    await asyncio.gather(tasks[0], tasks[2])
    assert held == [1, 1] and budget.taken == 0
