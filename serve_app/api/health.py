"""/health: whether the server can render, and everything that an operator asks first."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from deployments.core.errors import AvatarError
from deployments.jobs.contract import State

from ..machine import Cpu, Device, Disk, Gpus, Memory, facts
from ..settings import Settings
from ..studio import Studio
from .access import Access, Caller
from .cache import CacheReport
from .error_schemas import ErrorBody, errors


class Health(BaseModel):
    """Whether the server can render."""

    status: Literal["healthy", "degraded"] = Field(description="degraded: the jobs, or their store, do not answer.")
    valkey_connected: bool | None = Field(description="null: no Valkey is used.")
    pending_jobs: int = Field(description="Jobs of the whole server at work or waiting.")


class Readiness(BaseModel):
    """Whether every stage has a replica that is loaded and warm."""

    ready: bool
    waiting_for: list[str] = Field(description="Deployments without one.")


class StageHealth(BaseModel):
    """One deployment."""

    status: str = Field(description="Serve's own word, such as HEALTHY, UPDATING, UNHEALTHY.")
    replicas: dict[str, int] = Field(description="By state: RUNNING, STARTING, STOPPING.")
    running: int = Field(description="Calls at work.")
    queued: int = Field(description="Calls that wait in a replica.")


class DetailedHealth(Health):
    """Everything that an operator asks first."""

    device: Device = Field(description="Of the machine that answers.")
    cpu: Cpu
    memory: Memory
    disk: Disk = Field(description="Where DATA_DIR lies.")
    cache: CacheReport | None = Field(description="null: it does not answer.")
    stages: dict[str, StageHealth]
    jobs: dict[State, int] = Field(description="How many are kept, by state.")
    active_jobs: int
    versions: dict[str, str]


def router(studio: Studio, access: Access, settings: Settings) -> APIRouter:
    """
    Args:
        studio: knows how everything is.
        access: who may see details.
        settings: where data lies, and whether there is a Valkey.
    """
    routes = APIRouter(tags=["operations"])
    user = Depends(access.user)
    gpus = Gpus()

    @routes.get("/health", responses=errors())
    async def health() -> Health:
        """Answers from memory: as often as a load balancer likes."""
        return Health(**_health(studio, settings))

    @routes.get(
        "/health/ready", responses={**errors(), 503: {"model": Readiness | ErrorBody, "description": "Not yet."}}
    )
    async def ready(response: Response) -> Readiness:
        """200 once every stage has a replica that is loaded and warm, else 503: for a start-up or readiness probe."""
        stages = await studio.cluster.stages()
        missing = [name for name, stage in stages.items() if not stage.is_ready]
        waiting_for = missing if studio.jobs.connected or "Jobs" in missing else [*missing, "Jobs"]
        response.status_code = 503 if waiting_for else 200
        return Readiness(ready=not waiting_for, waiting_for=waiting_for)

    @routes.get("/health/detailed", responses=errors(401))
    async def detailed(_caller: Caller = user) -> DetailedHealth:
        """Device, load, disk, cache, replicas and queue of each stage, jobs, versions."""
        machine, stages, jobs, cache = await asyncio.gather(
            asyncio.to_thread(facts, settings.storage.data_dir, gpus),
            studio.cluster.stages(),
            studio.jobs.counts(),
            _cache(studio),
        )
        return DetailedHealth(
            **_health(studio, settings),
            device=machine.device,
            cpu=machine.cpu,
            memory=machine.memory,
            disk=machine.disk,
            cache=cache,
            stages={
                name: StageHealth(
                    status=stage.status, replicas=stage.replicas, running=stage.running, queued=stage.waiting
                )
                for name, stage in stages.items()
            },
            jobs=jobs,
            active_jobs=jobs["processing"],
            versions=machine.versions,
        )

    return routes


def _health(studio: Studio, settings: Settings) -> dict[str, Any]:
    connected = studio.jobs.connected
    return {
        "status": "healthy" if connected else "degraded",
        "valkey_connected": connected if settings.jobs.valkey_host else None,
        "pending_jobs": studio.jobs.unfinished,
    }


async def _cache(studio: Studio) -> CacheReport | None:
    try:
        return CacheReport.of_all(await studio.cache.stats(), studio.caches)
    except AvatarError:
        return None
