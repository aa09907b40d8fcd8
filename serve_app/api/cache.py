"""/cache: how full it is, and emptying it."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from deployments.cache.contract import LevelStats, Removed

from ..operations import CacheStats
from ..studio import Studio
from .access import Access, Caller
from .error_schemas import errors


class CacheLevel(BaseModel):
    """Numbers of a level."""

    total_entries: int
    total_size_mb: float
    utilization_percent: float | None = Field(description="Of its size limit; null for a bucket, which has none.")
    total_accesses: int = Field(description="Lookups since it started.")
    hit_rate_percent: float
    faults: dict[str, int] = Field(description="What was treated as a miss: lost, timeout, corrupt and so on.")

    @classmethod
    def of(cls, level: LevelStats) -> CacheLevel:
        """The same for HTTP."""
        return cls(
            total_entries=level.entries,
            total_size_mb=round(level.size_bytes / 1e6, 3),
            utilization_percent=_percent(level.size_bytes, level.limit_bytes) if level.limit_bytes else None,
            total_accesses=level.accesses,
            hit_rate_percent=_percent(level.hits, level.accesses),
            faults=level.faults,
        )


class CacheReport(CacheLevel):
    """The cache as a whole: what is in it is what is in level 2, where everything goes."""

    enabled: bool
    levels: dict[str, CacheLevel] = Field(
        description="answers: in the ingress replicas; level_1: in the object store; level_2: in files."
    )

    @classmethod
    def of_all(cls, stats: CacheStats, enabled: bool) -> CacheReport:
        """A lookup that any level answers is a hit."""
        levels = {name: getattr(stats, name) for name in ("answers", "level_1", "level_2")}
        # What misses the answers is asked of level 1 by key, what misses there of level 2.
        whole = LevelStats(
            stats.level_2.entries,
            stats.level_2.size_bytes,
            stats.level_2.limit_bytes,
            stats.answers.hits + stats.level_1.accesses,
            stats.answers.hits + stats.level_1.hits + stats.level_2.hits,
        )
        return cls(
            **CacheLevel.of(replace(whole, faults=(stats.level_1 + stats.level_2).faults)).model_dump(),
            enabled=enabled,
            levels={name: CacheLevel.of(level) for name, level in levels.items()},
        )


class CacheRemoval(BaseModel):
    """What was taken out of level 2."""

    removed_entries: int
    removed_size_mb: float

    @classmethod
    def of(cls, removed: Removed) -> CacheRemoval:
        """The same for HTTP."""
        return cls(removed_entries=removed.entries, removed_size_mb=round(removed.size_bytes / 1e6, 3))


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 1) if whole else 0.0


def router(studio: Studio, access: Access) -> APIRouter:
    """
    Args:
        studio: knows the cache.
        access: who may ask.
    """
    routes = APIRouter(tags=["operations"])
    admin = Depends(access.admin)

    @routes.get("/cache/stats", responses=errors(401, 403))
    async def cache_stats(_caller: Caller = admin) -> CacheReport:
        """How full the cache is and how often it helps, by level."""
        return CacheReport.of_all(await studio.cache.stats(), studio.caches)

    @routes.delete("/cache/clear", responses=errors(401, 403))
    async def clear_cache(_caller: Caller = admin) -> CacheRemoval:
        """Empties every level. Finished renders stay: they are results, not cache."""
        return CacheRemoval.of(await studio.cache.clear())

    @routes.post("/cache/cleanup", responses=errors(401, 403))
    async def clean_cache(_caller: Caller = admin) -> CacheRemoval:
        """Removes what has expired or is beyond the size limit, now instead of within the hour."""
        return CacheRemoval.of(await studio.cache.cleanup())

    return routes
