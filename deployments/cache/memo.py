"""The cache as one render sees it: runs a stage, unless its value is there already or somebody is making it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from deployments.core import keys
from deployments.core.errors import BadInput
from deployments.core.keys import Node
from deployments.core.tasks import detached
from deployments.core.types import CacheUse

from .contract import LEASE_S, Follow, Found, Lead, Outcome, Refused, Shard
from .made import Made, Tally, done, start

logger = logging.getLogger("ray.serve")

ResultT = TypeVar("ResultT")

_RENEW_S = LEASE_S / 5
"""Four renewals may get lost or come late."""
_OPEN_S = 5.0
"""Limit for reading an object that is in the object store: a network's worth of time, not a model's."""
_KEEP_AFTER_S = 0.05
"""The render that waits for a value goes on with it first: what follows speech takes 0.03."""
_ATTEMPTS = 3
"""Lookups of one key whose object turns out to be lost, before it is made without asking further."""


class Memo:
    """The cache as one render sees it."""

    def __init__(self, shards: Sequence[Shard], use: CacheUse) -> None:
        """
        Args:
            shards: level 1; empty: everything is computed.
            use: whether values are read and kept.
        """
        self._shards = shards if use != "bypass" else ()
        self._reads = use == "use"
        self._token = secrets.token_hex(8)
        self._peeked: dict[str, Found] = {}
        self._led: set[str] = set()
        self._renewer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.tallies: dict[str, Tally] = {}
        """Stage -> its calls."""

    async def peek(self, node: Node, inputs: Sequence[Any]) -> set[Any]:
        """Which of these are in the cache: one question for all, remembered for `run`.

        Args:
            node: the stage.
            inputs: hashable; the only input of the stage, for each call.
        """
        if not (self._shards and self._reads):
            return set()
        asked = {keys.key(node, [keys.digest(each)]): each for each in inputs}
        found = {key: outcome for key, outcome in (await self._peek(asked)).items() if isinstance(outcome, Found)}
        self._peeked.update(found)
        return {asked[key] for key in found}

    async def known(self, wanted: Iterable[str]) -> dict[str, str]:
        """Which of these keys have a value in the cache, and the digests of the values."""
        if not (self._shards and self._reads):
            return {}
        answers = await self._peek(wanted)
        return {key: outcome.digest for key, outcome in answers.items() if isinstance(outcome, Found)}

    async def _peek(self, wanted: Iterable[str]) -> dict[str, Outcome | None]:
        """One question to each shard."""
        parts = self._by_shard(wanted)
        answers = await asyncio.gather(*(shard.begin((), self._token, peek=part) for shard, part in parts))
        return {key: outcome for answer in answers for key, outcome in answer.items()}

    async def run(self, node: Node, work: Callable[..., Awaitable[ResultT]], *inputs: Any) -> Made[ResultT]:
        """The value of a stage.

        Args:
            node: what is run.
            work: starts it; called with what the stage takes for each input.
            inputs: plain values, or what `run` returned.

        Raises:
            BadInput: somebody else was told so for the same input.
        """
        tally = self.tallies.setdefault(node.stage, Tally())
        tally.calls += 1
        tally.started = min(tally.started, time.monotonic())
        made = await self._run(node, work, tally, inputs)
        if made.future.done():
            tally.note_end()
        else:  # the first callback of the future: whoever awaits it finds the time noted
            made.future.add_done_callback(lambda _: tally.note_end())
        return made

    async def _run(self, node: Node, work: Callable[..., Any], tally: Tally, inputs: Sequence[Any]) -> Made[Any]:
        if not self._shards:
            return start(work, inputs)
        new = [value for value in inputs if isinstance(value, Made) and value.is_new]
        if new:
            # What is made of a new value is new itself: no lookup, the call goes out before the input is there.
            made = start(work, inputs)
            claim = self._spawn(self._claim_when_known(node, inputs))
            for value in new:
                value.claims.append(claim)
            self._spawn(self._keep(made, claim))
            return made
        key = await _key(node, inputs)
        if self._reads and (found := await self._find(key)):
            tally.cached += 1
            return found
        made = start(work, inputs)
        self._spawn(self._keep(made, done(key)))
        return made

    async def _find(self, key: str) -> Made[Any] | None:
        """The value, or None when this render is to make it."""
        for _ in range(_ATTEMPTS):
            outcome = self._peeked.pop(key, None) or await self._claim(key)
            if isinstance(outcome, Refused):
                raise outcome.error
            if not isinstance(outcome, Found):
                return None
            if made := await self._open(key, outcome):
                return made
        return None

    async def _claim(self, key: str) -> Outcome | None:
        """The value, or the lead, after waiting for whoever has it."""
        shard = self._shard(key)
        try:
            outcome = (await shard.begin([key], self._token))[key]
            if isinstance(outcome, Follow):
                outcome = await shard.follow(key, self._token)
        except asyncio.CancelledError:
            self._spawn(shard.abandon(key, self._token))
            raise
        self._note_lead(key, outcome)
        return outcome

    async def _claim_when_known(self, node: Node, inputs: Sequence[Any]) -> str | None:
        """Leads the key of a value that is being made of new ones; None when somebody else has it."""
        key = await _key(node, inputs)
        if not self._reads:
            return key
        outcome = (await self._shard(key).begin([key], self._token))[key]
        self._note_lead(key, outcome)
        return key if isinstance(outcome, Lead) else None

    async def _open(self, key: str, found: Found) -> Made[Any] | None:
        """Reads the object, so that a lost one is noticed here; the next stage gets the reference."""
        if not isinstance(found.held, list):
            return Made(found.held, done(found.held), found.digest)
        reference = found.held[0]
        try:
            value = await asyncio.wait_for(reference, _OPEN_S)
        except Exception as error:  # whatever a store of objects can say: it is a miss
            logger.warning("%s: its object is lost: %s", key, type(error).__name__)
            await self._shard(key).forget(key, "timeout" if isinstance(error, TimeoutError) else "lost")
            return None
        return Made(reference, done(value), found.digest)

    async def _keep(self, made: Made[Any], claim: asyncio.Future[str | None]) -> None:
        """Stores a value once it is there, after the keys of what is made of it are led: equal work finds those."""
        key: str | None = None
        try:
            key = await claim
            await made
            await asyncio.sleep(_KEEP_AFTER_S)
            digest = await made.digest()
            await asyncio.gather(*made.claims, return_exceptions=True)
            if key:
                await self._shard(key).finish(key, self._token, _stored(made), digest)
        except (Exception, asyncio.CancelledError) as error:
            if key in self._led and key:
                await self._shard(key).abandon(key, self._token, _about_input(error))
        finally:
            self._led.discard(key or "")

    def _note_lead(self, key: str, outcome: Outcome | None) -> None:
        """Led keys are renewed until they are kept or given up."""
        if isinstance(outcome, Lead):
            self._led.add(key)
            if self._renewer is None or self._renewer.done():
                self._renewer = detached(self._renew())

    async def _renew(self) -> None:
        await asyncio.sleep(_RENEW_S)
        while self._led:
            await asyncio.gather(*(shard.renew(self._token, part) for shard, part in self._by_shard(self._led)))
            await asyncio.sleep(_RENEW_S)

    async def drop(self, node: Node, *inputs: Any) -> None:
        """Removes a value from every level: what it was made of has been replaced."""
        if self._shards:
            key = await _key(node, inputs)
            await self._shard(key).delete(key)

    async def settled(self) -> None:
        """Returns once everything that was made is kept."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        task = detached(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.debug("in the background of a render: %r", error)

    def _shard(self, key: str) -> Shard:
        return self._shards[int(key[-8:], 16) % len(self._shards)]

    def _by_shard(self, asked: Iterable[str]) -> list[tuple[Shard, list[str]]]:
        parts: dict[int, list[str]] = {}
        for key in asked:
            parts.setdefault(int(key[-8:], 16) % len(self._shards), []).append(key)
        return [(self._shards[place], part) for place, part in parts.items()]


async def _key(node: Node, inputs: Sequence[Any]) -> str:
    return keys.key(node, [await each.digest() if isinstance(each, Made) else keys.digest(each) for each in inputs])


def _stored(made: Made[Any]) -> Any:
    """What goes to a shard: the reference where there is one, so that the value travels only once."""
    return made.future.result() if isinstance(made.handle, asyncio.Future) else made.handle


def _about_input(error: BaseException) -> BadInput | None:
    """The error, when everybody with the same input would meet it. From another replica it comes as Ray's subclass."""
    original = getattr(error, "cause", error)
    return original if isinstance(original, BadInput) else None
