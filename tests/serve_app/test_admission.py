"""How many renders are computed at a time."""

from __future__ import annotations

import asyncio

import pytest

from serve_app.admission import Admission


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
