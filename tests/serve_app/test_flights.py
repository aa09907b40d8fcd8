"""Equal requests at the same time as one render."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from deployments.core.errors import BadInput, StillRunning, Unavailable
from serve_app.flights import Flight, Flights
from serve_app.results import RenderResult, new_render_id
from tests.serve_app.test_answers import answer


class Server:
    """Counts renders; each waits until it may go on."""

    def __init__(self) -> None:
        self.started: list[RenderResult] = []
        self.flights: list[Flight] = []
        self.cancelled = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.failures: list[Exception] = []

    def render(self, flight: Flight) -> Coroutine[Any, Any, RenderResult]:
        self.flights.append(flight)

        async def work() -> RenderResult:
            self.started.append(result := replace(answer(), render_id=flight.render_id))
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

    async def ask(self, flights: Flights, key: str = "key", timeout_s: float = 60) -> tuple[RenderResult, bool]:
        return await flights.share(key, new_render_id, self.render, timeout_s)


@pytest.fixture
def flights() -> Flights:
    return Flights()


async def test_equal_requests_are_one_render(flights: Flights) -> None:
    server = Server()
    asks = [asyncio.create_task(server.ask(flights)) for _ in range(200)]
    await server.begun.wait()
    server.go.set()
    given = await asyncio.gather(*asks)
    assert len(server.started) == 1
    assert {result.render_id for result, _ in given} == {server.started[0].render_id}
    assert [ours for _, ours in given].count(True) == 1


async def test_different_requests_are_not(flights: Flights) -> None:
    server = Server()
    server.go.set()
    await asyncio.gather(server.ask(flights, "one"), server.ask(flights, "two"))
    assert len(server.started) == 2


async def test_a_render_goes_on_while_anybody_waits(flights: Flights) -> None:
    server = Server()
    first, second = (asyncio.create_task(server.ask(flights)) for _ in range(2))
    await server.begun.wait()
    first.cancel()
    await asyncio.wait([first])
    server.go.set()
    assert (await second)[0] is server.started[0] and server.cancelled == 0


async def test_a_render_that_nobody_waits_for_is_given_up(flights: Flights) -> None:
    server = Server()
    asks = [asyncio.create_task(server.ask(flights)) for _ in range(2)]
    await server.begun.wait()
    for ask in asks:
        ask.cancel()
    await asyncio.wait(asks)
    # At once, before the render has noticed: who comes now must not join it.
    server.go.set()
    result, ours = await server.ask(flights)
    assert ours and server.cancelled == 1 and result is server.started[1]


async def test_what_is_wrong_with_the_input_is_said_to_all(flights: Flights) -> None:
    server = Server()
    server.failures = [BadInput("no")]
    asks = [asyncio.create_task(server.ask(flights)) for _ in range(3)]
    await server.begun.wait()
    server.go.set()
    assert [type(failure) for failure in await asyncio.gather(*asks, return_exceptions=True)] == [BadInput] * 3
    assert len(server.started) == 1


async def test_another_failure_is_only_the_leaders(flights: Flights) -> None:
    server = Server()
    server.failures = [Unavailable("a replica was lost"), Unavailable("and another")]
    asks = [asyncio.create_task(server.ask(flights)) for _ in range(4)]
    await server.begun.wait()
    server.go.set()
    given = await asyncio.gather(*asks, return_exceptions=True)
    assert [isinstance(each, Unavailable) for each in given].count(True) == 2
    assert len(server.started) == 3


async def test_what_fails_again_and_again_is_not_tried_by_each(flights: Flights) -> None:
    server = Server()
    server.failures = [Unavailable("never")] * 100
    asks = [asyncio.create_task(server.ask(flights)) for _ in range(50)]
    await server.begun.wait()
    server.go.set()
    given = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(each) for each in given] == [Unavailable] * 50 and len(server.started) == 3


async def test_who_waited_long_enough_is_told_the_id_and_the_render_goes_on(flights: Flights) -> None:
    server = Server()
    with pytest.raises(StillRunning) as first:
        await server.ask(flights, timeout_s=0.01)
    later = asyncio.create_task(server.ask(flights))  # joins it
    await asyncio.sleep(0)
    with pytest.raises(StillRunning) as second:
        await server.ask(flights, timeout_s=0.01)
    assert first.value.render_id == second.value.render_id == server.started[0].render_id
    server.go.set()
    assert (await later)[0] is server.started[0] and len(server.started) == 1 and server.cancelled == 0


async def test_a_flight_that_ended_with_nobody_waiting_is_forgotten(flights: Flights) -> None:
    server = Server()
    with pytest.raises(StillRunning):
        await server.ask(flights, timeout_s=0.01)
    server.go.set()
    await asyncio.sleep(0.01)  # it ends by itself
    assert (await server.ask(flights))[0] is server.started[1], "an old flight is no answer"


async def test_the_id_is_that_of_the_job_that_does_the_work(flights: Flights) -> None:
    server = Server()
    asks = asyncio.create_task(server.ask(flights, timeout_s=0.05))
    await server.begun.wait()
    server.flights[0].render_id = "that of an older job"
    with pytest.raises(StillRunning) as error:
        await asks
    assert error.value.render_id == "that of an older job"
