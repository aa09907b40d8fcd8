"""Who leads and who waits, also when leaders die and waiters are cancelled."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.cache.contract import Found, Lead, Refused
from deployments.cache.flights import Flights
from deployments.core.errors import NothingToSpeak

from .stores import Clock

LEASE_S = 5.0
FOUND = Found("value", "digest", 1)
Ask = asyncio.Task[Found | Lead | Refused]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flights(clock: Clock) -> Flights:
    return Flights(LEASE_S, clock)


async def settle() -> None:
    """Until every task has got what it was told; a cancelled waiter that was to lead tells the next one."""
    for _ in range(12):
        await asyncio.sleep(0)


async def ask(flights: Flights, *tokens: str) -> list[Ask]:
    """One after the other, each waiting before the next comes."""
    tasks = []
    for token in tokens:
        tasks.append(asyncio.create_task(flights.wait("key", token)))
        await asyncio.sleep(0)
    return tasks


def answers(tasks: list[Ask]) -> list[object]:
    """None where one still waits, "cancelled" where it does not."""
    return [("cancelled" if task.cancelled() else task.result()) if task.done() else None for task in tasks]


async def test_the_first_leads_and_all_get_what_it_finds(flights: Flights) -> None:
    tasks = await ask(flights, "a", "b", "c")
    assert answers(tasks) == [Lead(), None, None]
    assert flights.is_led("key")
    flights.land("key", FOUND)
    await settle()
    assert answers(tasks) == [Lead(), FOUND, FOUND]
    assert not flights.is_led("key")
    assert len(flights) == 0


async def test_two_cannot_lead(flights: Flights) -> None:
    flights.lead("key", "a")
    with pytest.raises(ValueError, match="led already"):
        flights.lead("key", "b")


async def test_when_the_leader_gives_up_the_first_who_waits_leads(flights: Flights) -> None:
    tasks = await ask(flights, "a", "b", "c")
    flights.abandon("key", "a")
    await settle()
    assert answers(tasks) == [Lead(), Lead(), None]
    flights.abandon("key", "b")
    await settle()
    flights.abandon("key", "c")
    assert answers(tasks) == [Lead(), Lead(), Lead()]
    assert len(flights) == 0


async def test_an_error_is_told_to_all(flights: Flights) -> None:
    error = NothingToSpeak("nothing")
    tasks = await ask(flights, "a", "b", "c")
    flights.abandon("key", "a", error)
    await settle()
    assert answers(tasks) == [Lead(), Refused(error), Refused(error)]
    assert len(flights) == 0


async def test_who_only_waits_cannot_refuse_the_others(flights: Flights) -> None:
    tasks = await ask(flights, "a", "b", "c")
    flights.abandon("key", "b", NothingToSpeak("nothing"))
    await settle()
    assert answers(tasks) == [Lead(), "cancelled", None]
    flights.abandon("key", "a")
    await settle()
    assert answers(tasks)[2] == Lead()


async def test_a_lease_that_ends_makes_the_next_one_lead(flights: Flights, clock: Clock) -> None:
    tasks = await ask(flights, "a", "b", "c")
    clock.now += LEASE_S - 0.1
    flights.renew("a", ["key", "unknown"])
    clock.now += LEASE_S - 0.1
    flights.expire()
    await settle()
    assert answers(tasks) == [Lead(), None, None]
    flights.renew("b", ["key"])  # a follower has nothing to renew
    clock.now += 0.1
    flights.expire()
    flights.expire()  # the new lease is a fresh one
    await settle()
    assert answers(tasks) == [Lead(), Lead(), None]
    flights.land("key", FOUND)  # of the first, which was only slow
    await settle()
    assert answers(tasks) == [Lead(), Lead(), FOUND]


async def test_a_lease_that_ends_without_followers_leaves_nothing(flights: Flights, clock: Clock) -> None:
    flights.lead("key", "a")
    clock.now += LEASE_S
    flights.expire()
    assert len(flights) == 0


async def test_who_is_cancelled_leaves_the_queue(flights: Flights) -> None:
    tasks = await ask(flights, "a", "b", "c")
    tasks[1].cancel()
    await settle()
    flights.abandon("key", "a")
    await settle()
    assert answers(tasks) == [Lead(), "cancelled", Lead()]


async def test_who_leaves_is_forgotten_while_the_leader_works(flights: Flights) -> None:
    class Token(str):
        """One that says whether somebody still refers to it."""

    flights.lead("key", "a")
    token = Token("b")
    alive = weakref.ref(token)
    [task] = await ask(flights, token)
    task.cancel()
    await settle()
    del token, task
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("cancelled_first", [False, True])
async def test_who_is_cancelled_in_the_tick_of_its_call_does_not_lead(flights: Flights, cancelled_first: bool) -> None:
    tasks = await ask(flights, "a", "b", "c")
    if cancelled_first:
        tasks[1].cancel()
    flights.abandon("key", "a")
    tasks[1].cancel()
    await settle()
    assert answers(tasks) == [Lead(), "cancelled", Lead()]
    flights.abandon("key", "c")
    assert len(flights) == 0


async def test_a_ghost_does_not_give_up_the_lead_of_another_ask_of_its_token(flights: Flights) -> None:
    tasks = await ask(flights, "a", "b")
    flights.abandon("key", "a")
    tasks[1].cancel()
    flights.land("key", FOUND)
    flights.lead("key", "b")
    await settle()
    assert answers(tasks) == [Lead(), "cancelled"]
    assert flights.is_led("key")


async def test_a_token_may_wait_for_itself(flights: Flights) -> None:
    """A sentence that stands twice in a text: the second column gets what the first one makes."""
    tasks = await ask(flights, "a", "a", "b")
    assert answers(tasks) == [Lead(), None, None]
    flights.renew("a", ["key"])
    flights.land("key", FOUND)
    await settle()
    assert answers(tasks) == [Lead(), FOUND, FOUND]


async def test_a_token_may_follow_itself_as_leader(flights: Flights) -> None:
    tasks = await ask(flights, "a", "a", "b")
    flights.abandon("key", "a")
    await settle()
    assert answers(tasks) == [Lead(), Lead(), None]
    flights.abandon("key", "a")
    await settle()
    assert answers(tasks) == [Lead(), Lead(), Lead()]


@dataclass(eq=False)
class Asker:
    """A render in the schedule below."""

    token: str
    task: Ask
    gone: bool = False
    """Whatever it is told, it does nothing more: finished, gave up, was cancelled or died."""

    @property
    def leads(self) -> bool:
        told = self.task.done() and not self.task.cancelled()
        return not self.gone and told and isinstance(self.task.result(), Lead)

    @property
    def waits(self) -> bool:
        return not self.gone and not self.task.done()


class Schedule:
    """Askers of one key that do anything at any time. A living leader renews its lease."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.flights = Flights(LEASE_S, self.clock)
        self.askers: list[Asker] = []

    async def step(self, what: str, which: int) -> None:
        """One thing happens; nobody is told before a "settle" or a "tick"."""
        if what == "ask":
            token = "abc"[which % 3]
            self.askers.append(Asker(token, asyncio.create_task(self.flights.wait("key", token))))
        elif what == "settle":
            await settle()
        elif what == "tick":
            await self.tick(LEASE_S / 2)
        else:
            self.act(what, which)

    def act(self, what: str, which: int) -> None:
        leaders = [asker for asker in self.askers if asker.leads]
        waiters = [asker for asker in self.askers if asker.waits]
        assert len(leaders) <= 1
        if what == "cancel" and waiters:
            asker = waiters[which % len(waiters)]
            asker.gone = asker.task.cancel()
        elif what == "die" and leaders + waiters:
            (leaders + waiters)[which % len(leaders + waiters)].gone = True
        elif what == "withdraw" and waiters:
            self.withdraw(waiters[which % len(waiters)].token)
        elif leaders:
            leaders[0].gone = True
            self.end(what, leaders[0].token)

    def withdraw(self, token: str) -> None:
        """A render gives up altogether: all that it asked."""
        for asker in self.askers:
            asker.gone |= asker.token == token
        self.flights.abandon("key", token)

    def end(self, what: str, token: str) -> None:
        if what == "land":
            self.flights.land("key", FOUND)
        elif what == "refuse":
            self.flights.abandon("key", token, NothingToSpeak("nothing"))
        elif what == "abandon":
            self.flights.abandon("key", token)

    async def tick(self, seconds: float) -> None:
        await settle()
        for asker in self.askers:
            if asker.leads:
                self.flights.renew(asker.token, ["key"])
        self.clock.now += seconds
        self.flights.expire()
        await settle()

    async def end_all(self) -> None:
        """Every leader gives up: all who wait get their turn."""
        for _ in self.askers:
            await settle()
            self.act("abandon", 0)
            for _ in range(2):  # the lease of a dead one ends, that of a living one does not
                await self.tick(LEASE_S / 2)
        assert all(asker.task.done() for asker in self.askers)
        self.clock.now += LEASE_S
        self.flights.expire()
        assert len(self.flights) == 0


_ACTS = ["ask"] * 5 + ["settle", "tick", "land", "refuse", "abandon", "cancel", "cancel", "die", "withdraw"]


@given(st.lists(st.tuples(st.sampled_from(_ACTS), st.integers(0, 5)), max_size=40))
@settings(deadline=None, max_examples=200)
def test_nobody_waits_for_ever_and_never_do_two_lead(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        schedule = Schedule()
        for what, which in steps:
            await schedule.step(what, which)
        await schedule.end_all()

    asyncio.run(run())
