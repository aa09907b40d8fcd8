"""Answers given before, and equal requests as one render."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from deployments.core.errors import BadInput, Unavailable
from deployments.core.types import RenderRequest
from serve_app.answers import Answers
from serve_app.results import RenderResult, new_render_id

HOUR_S = 3600


def answer(text: str = "Hello.") -> RenderResult:
    return RenderResult(new_render_id(), RenderRequest(text, "voice"), 100, "ogg", (), None, (), (), "en_US", {})


class Server:
    """Counts renders; each waits until it may go on."""

    def __init__(self) -> None:
        self.started: list[RenderResult] = []
        self.cancelled = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.failures: list[Exception] = []

    def render(self) -> Coroutine[Any, Any, RenderResult]:
        async def work() -> RenderResult:
            self.started.append(result := answer())
            self.begun.set()
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            if self.failures:
                raise self.failures.pop(0)
            return result

        return work()


@pytest.fixture
def answers() -> Answers:
    return Answers(1_000_000, HOUR_S)


def test_an_answer_is_recalled_until_it_is_dropped(answers: Answers) -> None:
    first = answer()
    answers.keep("key", first)
    assert answers.recall("key") is first and answers.recall("other") is None
    stats = answers.stats()
    assert (stats.entries, stats.accesses, stats.hits) == (1, 2, 1)
    answers.drop("key")
    assert answers.recall("key") is None


def test_what_is_kept_is_bounded() -> None:
    small = Answers(answer().size_bytes * 3, HOUR_S)
    for number in range(10):
        small.keep(str(number), answer())
    assert [number for number in range(10) if small.recall(str(number))] == [7, 8, 9]


async def test_equal_requests_are_one_render(answers: Answers) -> None:
    server = Server()
    asks = [asyncio.create_task(answers.share("key", server.render)) for _ in range(200)]
    await server.begun.wait()
    server.go.set()
    given = await asyncio.gather(*asks)
    assert len(server.started) == 1
    assert {result.render_id for result, _ in given} == {server.started[0].render_id}
    assert [ours for _, ours in given].count(True) == 1


async def test_different_requests_are_not(answers: Answers) -> None:
    server = Server()
    server.go.set()
    await asyncio.gather(answers.share("one", server.render), answers.share("two", server.render))
    assert len(server.started) == 2


async def test_a_render_goes_on_while_anybody_waits(answers: Answers) -> None:
    server = Server()
    first, second = (asyncio.create_task(answers.share("key", server.render)) for _ in range(2))
    await server.begun.wait()
    first.cancel()
    await asyncio.wait([first])
    server.go.set()
    assert (await second)[0] is server.started[0] and server.cancelled == 0


async def test_a_render_that_nobody_waits_for_is_given_up(answers: Answers) -> None:
    server = Server()
    asks = [asyncio.create_task(answers.share("key", server.render)) for _ in range(2)]
    await server.begun.wait()
    for ask in asks:
        ask.cancel()
    await asyncio.wait(asks)
    # At once, before the render has noticed: who comes now must not join it.
    server.go.set()
    result, ours = await answers.share("key", server.render)
    assert ours and server.cancelled == 1 and result is server.started[1]


async def test_what_is_wrong_with_the_input_is_said_to_all(answers: Answers) -> None:
    server = Server()
    server.failures = [BadInput("no")]
    asks = [asyncio.create_task(answers.share("key", server.render)) for _ in range(3)]
    await server.begun.wait()
    server.go.set()
    assert [type(failure) for failure in await asyncio.gather(*asks, return_exceptions=True)] == [BadInput] * 3
    assert len(server.started) == 1


async def test_another_failure_is_only_the_leaders(answers: Answers) -> None:
    server = Server()
    server.failures = [Unavailable("a replica was lost"), Unavailable("and another")]
    asks = [asyncio.create_task(answers.share("key", server.render)) for _ in range(4)]
    await server.begun.wait()
    server.go.set()
    given = await asyncio.gather(*asks, return_exceptions=True)
    assert [isinstance(each, Unavailable) for each in given].count(True) == 2
    assert len(server.started) == 3


async def test_what_fails_again_and_again_is_not_tried_by_each(answers: Answers) -> None:
    server = Server()
    server.failures = [Unavailable("never")] * 100
    asks = [asyncio.create_task(answers.share("key", server.render)) for _ in range(50)]
    await server.begun.wait()
    server.go.set()
    given = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(each) for each in given] == [Unavailable] * 50 and len(server.started) == 3


def test_all_forms_of_an_answer_are_dropped_together(answers: Answers) -> None:
    for key in ("one natural basic", "one exact azure", "two natural basic"):
        answers.keep(key, answer())
    answers.drop("one")
    assert [bool(answers.recall(key)) for key in ("one natural basic", "one exact azure", "two natural basic")] == [
        False,
        False,
        True,
    ]
