"""Level 1 on Ray: shards that own the objects, and the way to them.

An object lives as long as the process that put it (ray.put; the owner cannot be chosen): so shards of their own do it,
as deployment actors of the Renderer. Serve starts them with it, replaces one that died, ends them with it, and names
them by the version of the code: a shard never meets a caller of another release.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, TypeVar

import ray
from ray import serve
from ray.exceptions import RayError, TaskCancelledError
from ray.serve.config import DeploymentActorConfig
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentResponse

from deployments.core.errors import AvatarError, Unavailable
from deployments.core.measures import CACHE_REQUESTS
from deployments.meter import meter

from .contract import CacheOptions, Follow, Found, Lead, LevelStats, Outcome, Refused, Removed
from .shelf import Shelf
from .stores.files import FileStore

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger("ray.serve")

_INLINE_BYTES = 64 * 1024
"""Smaller values travel in the answer: cheaper than an object. Ray itself inlines below 100 KB."""
_ASK_S = 2.0
"""Limit of a question: takes 2 ms, and up to READ_WAIT_S with a slow level 2. A shard beyond it counts as missing.
Generous: on a machine that has too much to do already, a miss would make more of it."""
_KEEP_S = 30.0
"""Limit of everything that no user waits for; finish waits for a copy of up to tens of megabytes."""
_FOLLOW_S = 10.0
"""After this long a follower asks anew: a shard that hangs is noticed then."""
_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
"""A missing shard is left alone for this long, twice as long each time: Serve replaces a dead one within seconds, but
not one that hangs."""
_INSIST_S = 10.0
"""What an operator asks for is asked again for this long."""


_RESULTS: dict[tuple[type, int | None], tuple[tuple[str, str], ...]] = {
    (Found, 1): (("1", "hit"),),
    (Found, 2): (("1", "miss"), ("2", "hit")),
    (Lead, None): (("1", "miss"), ("2", "miss")),
    (Follow, None): (("1", "shared"),),
}
"""What an answer says of each level. A peek without an answer is asked again, and counted then."""


class CacheShard(Shelf):
    """The actor: a shelf whose larger values are objects that it owns."""

    def __init__(self, options: CacheOptions, url: str) -> None:
        """
        Args:
            options: of the whole cache.
            url: of level 2.
        """
        super().__init__(
            round(options.memory_mb * 1e6 / options.shards), options.cache_ttl_hours, FileStore.of(options, url), _hold
        )


def _hold(value: Any, size_bytes: int) -> Any:
    return value if size_bytes < _INLINE_BYTES else [ray.put(value)]


def shard_configs(options: CacheOptions, url: str) -> list[DeploymentActorConfig]:
    """The shards, as Serve's deployment option `deployment_actors` takes them; none when the cache is off."""
    return [
        DeploymentActorConfig(
            name=_name(index),
            actor_class=ray.remote(CacheShard),
            init_kwargs={"options": options, "url": url},
            # On different nodes where there are several. It copies a few megabytes a second: the little CPU that it
            # asks for keeps it off the head of a cluster, which offers none.
            actor_options={"num_cpus": 0.01, "scheduling_strategy": "SPREAD"},
        )
        for index in range(options.shards if options.enabled else 0)
    ]


def _name(index: int) -> str:
    return f"cache-{index}"


class RemoteShard:
    """A shard as the Renderer sees it. Never raises: a shard that is dead, slow or not there yet is a miss."""

    def __init__(self, index: int) -> None:
        """
        Args:
            index: which one.
        """
        self._index = index
        self._actor: Any = None
        self._missing_until = -float("inf")
        self._pause_s = _PAUSE_S
        self.faults: dict[str, int] = {}
        """Reason -> times that a question had no answer."""

    async def begin(self, keys: Sequence[str], token: str, peek: Sequence[str] = ()) -> dict[str, Outcome | None]:
        """See Shard."""
        nothing: dict[str, Outcome | None] = {**dict.fromkeys(peek, None), **dict.fromkeys(keys, Lead())}
        answers = await self._ask(nothing, _ASK_S, "begin", list(keys), token, list(peek))
        for outcome in answers.values():
            for level, result in _RESULTS.get((type(outcome), getattr(outcome, "level", None)), ()):
                meter().add(CACHE_REQUESTS, level=level, result=result)
        return answers

    async def follow(self, key: str, token: str) -> Found | Lead | Refused:
        """See Shard."""
        while True:
            outcome: Outcome | None = await self._ask(None, _FOLLOW_S, "follow", key, token)
            if isinstance(outcome, Found | Lead | Refused):
                return outcome
            outcome = (await self.begin([key], token))[key]
            if isinstance(outcome, Found | Lead | Refused):
                return outcome

    async def finish(self, key: str, token: str, value: Any, digest: str) -> None:
        """See Shard; a response of a stage goes on by reference."""
        if isinstance(value, DeploymentResponse):
            value = await value._to_object_ref()
        else:  # tens of megabytes, which a call would copy on the event loop
            value = await asyncio.to_thread(ray.put, value)
        await self._ask(None, _KEEP_S, "finish", key, token, value, digest)

    async def abandon(self, key: str, token: str, error: AvatarError | None = None) -> None:
        """See Shard."""
        await self._ask(None, _KEEP_S, "abandon", key, token, error)

    async def renew(self, token: str, keys: Sequence[str]) -> None:
        """See Shard."""
        await self._ask(None, _KEEP_S, "renew", token, list(keys))

    async def forget(self, key: str, reason: str) -> None:
        """See Shard."""
        await self._ask(None, _ASK_S, "forget", key, reason)

    async def delete(self, key: str) -> None:
        """See Shard."""
        await self._ask(None, _KEEP_S, "delete", key)

    async def stats(self) -> tuple[LevelStats, LevelStats]:
        """See Shard; with the questions that had no answer, as far as this caller asked them.

        Raises:
            Unavailable: the shard does not answer.
        """
        first, second = await self._insist("stats")
        return first + LevelStats(limit_bytes=0, faults=dict(self.faults)), second

    async def clear(self) -> Removed:
        """See Shard.

        Raises:
            Unavailable: the shard does not answer.
        """
        removed: Removed = await self._insist("clear")
        return removed

    async def cleanup(self) -> Removed:
        """See Shard.

        Raises:
            Unavailable: the shard does not answer.
        """
        removed: Removed = await self._insist("cleanup")
        return removed

    async def _insist(self, method: str) -> Any:
        """For what must not be passed over in silence."""
        nothing: Any = None
        give_up_at = time.monotonic() + _INSIST_S
        while time.monotonic() < give_up_at:
            self._missing_until = -float("inf")
            if (answer := await self._ask(nothing, _INSIST_S, method)) is not None:
                return answer
            await asyncio.sleep(_PAUSE_S / 2)
        raise Unavailable(f"cache shard {self._index} does not answer", hint="Try again in a few seconds.")

    async def _ask(self, otherwise: AnswerT, limit_s: float, method: str, *arguments: Any) -> AnswerT:
        if time.monotonic() < self._missing_until:
            return self._miss("missing", otherwise)
        try:
            answer: AnswerT = await asyncio.wait_for(self._call(method, *arguments), limit_s)
        except TimeoutError:
            if method == "follow":  # whoever leads takes longer: no fault
                return otherwise
            logger.warning("cache shard %d: no answer to %s in %g s", self._index, method, limit_s)
            return self._pause("timeout", otherwise)
        except TaskCancelledError:
            # Ray cancels the calls of a request with it, and these may be told first. A follower may also have been
            # sent away, because another part of the same render gave the key up: it asks again.
            if method == "follow":
                return otherwise
            raise asyncio.CancelledError from None
        except (RayError, RayServeException, ValueError) as error:
            self._actor = None
            logger.warning("cache shard %d: %s", self._index, type(error).__name__)
            return self._pause("lost", otherwise)
        self._pause_s = _PAUSE_S
        return answer

    async def _call(self, method: str, *arguments: Any) -> Any:
        self._actor = self._actor or await asyncio.to_thread(serve.get_deployment_actor, _name(self._index))
        call = getattr(self._actor, method).remote(*arguments)
        try:
            return await call
        except asyncio.CancelledError:
            ray.cancel(call)  # of a coroutine: it ends at its next await
            raise

    def _pause(self, reason: str, otherwise: AnswerT) -> AnswerT:
        self._missing_until = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return self._miss(reason, otherwise)

    def _miss(self, reason: str, otherwise: AnswerT) -> AnswerT:
        meter().add(CACHE_REQUESTS, level="1", result=reason)
        self.faults[reason] = self.faults.get(reason, 0) + 1
        return otherwise
