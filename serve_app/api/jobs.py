"""/jobs: what is waiting, at work and done, and cancelling it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from deployments.jobs.contract import State

from ..studio import Studio
from .access import Access, Caller
from .error_schemas import errors
from .job_schemas import JobPage, JobReport
from .orders import base_of, visitor


def router(studio: Studio, access: Access) -> APIRouter:
    """
    Args:
        studio: has the jobs.
        access: who may ask.
    """
    routes = APIRouter(tags=["jobs"])
    user = Depends(access.user)

    @routes.get("/jobs", responses=errors(401))
    async def list_jobs(
        request: Request,
        caller: Caller = user,
        status: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
        limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 50,
        cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the part before.")] = None,
    ) -> JobPage:
        """Jobs of the caller's key, newest first; an admin sees all."""
        views, following = await studio.list_jobs(visitor(caller), status, limit, cursor)
        base = base_of(request)
        return JobPage(jobs=[JobReport.of(view.job, view.position, base) for view in views], next_cursor=following)

    @routes.get("/jobs/{job_id}", responses=errors(401, 404))
    async def job(job_id: str, request: Request, caller: Caller = user) -> JobReport:
        """One job, without its result: that is at poll_url."""
        view = await studio.job(job_id, visitor(caller))
        return JobReport.of(view.job, view.position, base_of(request))

    @routes.delete("/jobs/{job_id}/cancel", responses=errors(401, 404, 409))
    async def cancel(job_id: str, request: Request, caller: Caller = user) -> JobReport:
        """Ends a job: one that waits never starts, one at work stops within a sentence. 409 for one that has ended."""
        return JobReport.of(await studio.cancel(job_id, visitor(caller)), None, base_of(request))

    return routes
