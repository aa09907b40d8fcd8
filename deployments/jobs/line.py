"""Between the ingress and the leader: how one asks the other, and what is answered."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol

from deployments.core.errors import Conflict, JobFailed

from .contract import Event, Job
from .feed import Notice


class Line(Protocol):
    """To whoever leads the jobs."""

    async def ask(self, method: str, *arguments: Any) -> Any:
        """Calls the deployment.

        Raises:
            Unavailable: nobody answered; whether it was done is not known.
            AvatarError: as the deployment raises it.
        """

    def listen(self) -> AsyncGenerator[Notice, None]:
        """News from now on; the first says how things stand. Ends, or raises Unavailable, with the leader."""


@dataclass(frozen=True)
class View:
    """A job as its user sees it."""

    job: Job
    position: int | None
    """Place in the queue; None unless pending."""


@dataclass(frozen=True)
class Update:
    """News of a job that somebody watches."""

    attempt: int
    events: tuple[Event, ...]
    job: Job | None
    """Once it has ended; nothing follows then."""


def raise_if_failed(job: Job) -> None:
    """What a client that waits for an ended job is told.

    Raises:
        JobFailed
        Conflict: it was cancelled.
    """
    if job.error:
        raise JobFailed(job.error.message, hint=job.error.hint, status=job.error.status, code=job.error.code)
    if job.state == "cancelled":
        raise Conflict("The job was cancelled.", hint="Send it again if it was not meant to be.")
