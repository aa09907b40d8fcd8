"""What the cache promises: who asks for a key gets the value, the task to make it, or a place to wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deployments.core.errors import AvatarError
from deployments.core.keys import Kind


class LifeTimes(BaseModel):
    """How long values are kept, in hours."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    speech: float = Field(default=168, gt=0)
    """Everything that has no pictures in it."""
    video: float = Field(default=24, gt=0)

    def seconds(self, kind: Kind) -> float:
        """The time of a kind in seconds."""
        hours: float = getattr(self, kind)
        return hours * 3600


class CacheOptions(BaseModel):
    """Settings of the room."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    enabled: bool = True
    """false: everything is computed, each time."""
    cache_dir: str | None = None
    """Level 2: a folder or s3://bucket/prefix; DATA_DIR/cache by default."""
    max_cache_size_mb: float = Field(default=5000, gt=0)
    """Of level 2 in a folder, in 10^6 bytes. A bucket has lifecycle rules of its own."""
    cache_ttl_hours: LifeTimes = LifeTimes()
    compress: bool = True
    """zstd in level 2, where it helps."""
    memory_mb: float = Field(default=256, gt=0)
    """Of level 1, all shards together, in 10^6 bytes: a part of Ray's object store."""
    shards: int = Field(default=1, ge=1, le=64)
    """Processes that own the objects of level 1."""
    answers_mb: float = Field(default=32, gt=0)
    """Of finished answers in each ingress replica, in 10^6 bytes."""

    @field_validator("cache_ttl_hours", mode="before")
    @classmethod
    def _plain_number(cls, hours: object) -> object:
        # A plain number was the life of a video before speech was cached.
        return {"video": hours} if isinstance(hours, int | float | str) and not isinstance(hours, bool) else hours


@dataclass(frozen=True)
class Found:
    """The value is here."""

    held: Any
    """The value itself where it is small, else a list of one reference to it."""
    digest: str
    level: Literal[1, 2]


@dataclass(frozen=True)
class Lead:
    """Nobody has it and nobody makes it: now you do. Renew until you finish or abandon it."""


@dataclass(frozen=True)
class Follow:
    """Somebody makes it, or it is being read from level 2: wait with `follow`."""


@dataclass(frozen=True)
class Refused:
    """Whoever made it was told that the input is bad, and so would you be."""

    error: AvatarError


Outcome: TypeAlias = Found | Lead | Follow | Refused


@dataclass(frozen=True)
class LevelStats:
    """Numbers of one level since its start."""

    entries: int = 0
    size_bytes: int = 0
    limit_bytes: int | None = None
    """None: without limit."""
    accesses: int = 0
    hits: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    """What went wrong and was treated as a miss: reason -> times."""

    def __add__(self, other: LevelStats) -> LevelStats:
        bounded = self.limit_bytes is not None and other.limit_bytes is not None
        reasons = sorted({*self.faults, *other.faults})
        return LevelStats(
            self.entries + other.entries,
            self.size_bytes + other.size_bytes,
            (self.limit_bytes or 0) + (other.limit_bytes or 0) if bounded else None,
            self.accesses + other.accesses,
            self.hits + other.hits,
            {reason: self.faults.get(reason, 0) + other.faults.get(reason, 0) for reason in reasons},
        )


@dataclass(frozen=True)
class Removed:
    """What a clean-up took away."""

    entries: int = 0
    size_bytes: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.entries + other.entries, self.size_bytes + other.size_bytes)


@dataclass(frozen=True)
class Stored:
    """A value of level 2."""

    value: Any
    digest: str
    age_s: float = 0.0
    """Seconds since it was made: in level 1 it lives for the rest of its time."""


class Store(Protocol):
    """Level 2. Blocking; one file in stores/ holds one. Never raises: a fault is a miss, logged and counted."""

    def get(self, key: str) -> Stored | None:
        """The value, unless it is missing, expired or damaged (then it is removed)."""

    def put(self, key: str, value: Any, digest: str) -> None:
        """Keeps a value, replacing what is there; whole or not at all."""

    def delete(self, key: str) -> None:
        """Removes a value."""

    def clear(self) -> Removed:
        """Removes every value."""

    def cleanup(self) -> Removed:
        """Removes what has expired, what is beyond the size limit, and what a crash left half-written."""

    def stats(self) -> LevelStats:
        """Its numbers; may be some seconds old."""


class Shard(Protocol):
    """Level 1: values by key, and who makes what. Equal work in flight is made once.

    A token names the asker: one for each render.
    """

    async def begin(self, keys: Sequence[str], token: str, peek: Sequence[str] = ()) -> dict[str, Outcome | None]:
        """Looks keys up in both levels. Fast: what takes longer (a slow level 2) is answered with Follow.

        Args:
            keys: the asker wants these and will make those that it leads.
            token: the asker.
            peek: only looked up, never led or followed: None unless found.
        """

    async def follow(self, key: str, token: str) -> Found | Lead | Refused:
        """Waits for whoever leads; when that one fails, dies or is cancelled, one of those who wait leads instead."""

    async def finish(self, key: str, token: str, value: Any, digest: str) -> None:
        """Keeps a value in both levels and hands it to those who wait; `token` need not lead."""

    async def abandon(self, key: str, token: str, error: AvatarError | None = None) -> None:
        """Gives up leading or waiting.

        Args:
            key: the key.
            token: the asker.
            error: what is wrong with the input, told to all who wait; None: one of them leads.
        """

    async def renew(self, token: str, keys: Sequence[str]) -> None:
        """Says that `token` still works on these. Who does not for LEASE_S has given up."""

    async def forget(self, key: str, reason: str) -> None:
        """Drops a value of level 1 that could not be read; counted under the reason."""

    async def delete(self, key: str) -> None:
        """Removes a value from both levels."""

    async def stats(self) -> tuple[LevelStats, LevelStats]:
        """Numbers of level 1 and level 2."""

    async def clear(self) -> Removed:
        """Empties both levels; what is counted is level 2."""

    async def cleanup(self) -> Removed:
        """Cleans both levels up; what is counted is level 2."""


LEASE_S = 5.0
"""Seconds without renewal after which a leader counts as dead: long against a busy event loop, short for a user."""
