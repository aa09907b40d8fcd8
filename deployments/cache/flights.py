"""Single flight: of all who want a key, one makes it and the others wait. A leader who falls silent is replaced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deployments.core.errors import AvatarError

from .contract import LEASE_S, Found, Lead, Refused


def _unanswered() -> asyncio.Future[Found | Lead | Refused]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class _Asker:
    """One ask. A token may ask twice for the same key: what counts is which of the asks it is."""

    token: str
    answer: asyncio.Future[Found | Lead | Refused] = field(default_factory=_unanswered)

    def tell(self, answer: Found | Lead | Refused) -> bool:
        """Whether it still waited."""
        if self.answer.done():
            return False
        self.answer.set_result(answer)
        return True


@dataclass(eq=False)
class _Flight:
    leader: _Asker
    lease_ends: float
    waiters: dict[_Asker, None] = field(default_factory=dict)
    """First come, first served."""


class Flights:
    """Who leads which key, and who waits for it. For one event loop; nothing remains of a key that is done."""

    def __init__(self, lease_s: float = LEASE_S, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            lease_s: seconds without renewal after which a leader counts as dead.
            clock: seconds.
        """
        self._lease_s = lease_s
        self._clock = clock
        self._flights: dict[str, _Flight] = {}

    def __len__(self) -> int:
        """Keys in flight."""
        return len(self._flights)

    def is_led(self, key: str) -> bool:
        """Whether somebody makes it."""
        return key in self._flights

    def lead(self, key: str, token: str) -> None:
        """Makes `token` the leader of a key.

        Raises:
            ValueError: somebody leads it already.
        """
        if key in self._flights:
            raise ValueError(f"{key} is led already")
        self._flights[key] = _Flight(_Asker(token), self._lease_end())

    async def wait(self, key: str, token: str) -> Found | Lead | Refused:
        """Waits for the key's leader; without one, `token` leads.

        Raises:
            asyncio.CancelledError: the caller was cancelled, or `token` abandoned the key.
        """
        flight = self._flights.get(key)
        if flight is None:
            self.lead(key, token)
            return Lead()
        asker = _Asker(token)
        flight.waiters[asker] = None
        try:
            return await asker.answer
        except asyncio.CancelledError:
            self._leave(key, flight, asker)
            raise

    def land(self, key: str, found: Found) -> None:
        """Hands the value to all who wait, whoever led."""
        self._end(key, found)

    def abandon(self, key: str, token: str, error: AvatarError | None = None) -> None:
        """Gives up leading; without the lead, waiting, for all asks of the token.

        Args:
            key: the key.
            token: the asker.
            error: told to all who wait; None: the first of them leads.
        """
        flight = self._flights.get(key)
        if flight is None:
            return
        if flight.leader.token != token:
            _withdraw(flight, token)
        elif error is None:
            self._pass_on(key, flight)
        else:
            self._end(key, Refused(error))

    def renew(self, token: str, keys: Sequence[str]) -> None:
        """A fresh lease for those of the keys that `token` leads."""
        for key in keys:
            flight = self._flights.get(key)
            if flight is not None and flight.leader.token == token:
                flight.lease_ends = self._lease_end()

    def expire(self) -> None:
        """Replaces leaders whose lease is over."""
        now = self._clock()
        for key, flight in list(self._flights.items()):
            if flight.lease_ends <= now:
                self._pass_on(key, flight)

    def _lease_end(self) -> float:
        return self._clock() + self._lease_s

    def _end(self, key: str, answer: Found | Refused) -> None:
        flight = self._flights.pop(key, None)
        for asker in flight.waiters if flight else ():
            asker.tell(answer)

    def _pass_on(self, key: str, flight: _Flight) -> None:
        for asker in list(flight.waiters):
            del flight.waiters[asker]
            if asker.tell(Lead()):
                flight.leader, flight.lease_ends = asker, self._lease_end()
                return
        del self._flights[key]

    def _leave(self, key: str, flight: _Flight, asker: _Asker) -> None:
        flight.waiters.pop(asker, None)
        # Told to lead in the tick in which it was cancelled: it never heard of it.
        if flight.leader is asker and self._flights.get(key) is flight:
            self._pass_on(key, flight)


def _withdraw(flight: _Flight, token: str) -> None:
    for asker in [asker for asker in flight.waiters if asker.token == token]:
        del flight.waiters[asker]
        asker.answer.cancel()
