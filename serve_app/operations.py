"""What operators see of the whole server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from deployments.cache.contract import LevelStats, Removed


@dataclass(frozen=True)
class CacheStats:
    """Numbers of the whole server, by level."""

    answers: LevelStats
    """Finished answers, all ingress replicas together."""
    level_1: LevelStats
    """Values in the object store."""
    level_2: LevelStats
    """Values in files."""


class CacheControl(Protocol):
    """The cache of the whole server."""

    async def stats(self) -> CacheStats:
        """Its numbers."""

    async def forget(self, prefix: str) -> None:
        """Drops the finished answers whose keys begin so, wherever they were given."""

    async def clear(self) -> Removed:
        """Empties every level."""

    async def cleanup(self) -> Removed:
        """Removes what has expired or is beyond the size limit."""


@dataclass(frozen=True)
class StageState:
    """One deployment."""

    status: str
    """Serve's own word: HEALTHY, UPDATING, UNHEALTHY and so on."""
    replicas: dict[str, int]
    """State -> number: RUNNING, STARTING, STOPPING."""
    running: int
    """Calls at work in all replicas."""
    waiting: int
    """Calls that wait in a replica for their turn."""

    @property
    def is_ready(self) -> bool:
        """Whether it has a replica that is loaded and warm, or is to have none until somebody asks for it."""
        return self.replicas.get("RUNNING", 0) > 0 or (self.status == "HEALTHY" and not any(self.replicas.values()))


class Cluster(Protocol):
    """What runs where."""

    async def stages(self) -> dict[str, StageState]:
        """Every deployment by name.

        Raises:
            Unavailable: Serve's controller does not answer.
        """
