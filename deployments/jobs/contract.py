"""What a job is, what happens to it, and what keeps it.

    pending ──► processing ──► completed
       ▲  │         │  │  └──► failed
       └──┼─────────┘  │       (a lost replica: pending again, under the next attempt)
          └────────────┴─────► cancelled

One process, the leader, decides on every change of state and writes it down before anybody hears of it. The record
follows the contract that Ray's documentation gives for asynchronous inference (doc/source/serve/
asynchronous-inference.md): fingerprint, attempt, fence, result reference committed before the acknowledgement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from deployments.core.errors import AvatarError, NotFound, Unavailable
from deployments.core.types import Priority, RenderRequest

State = Literal["pending", "processing", "completed", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"completed", "failed", "cancelled"})
"""States that nothing follows."""


class ApiKey(BaseModel):
    """Who may ask, and for how much. The key itself is known to its user alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Owner of the jobs that come with it; in the log, and in metrics never."""
    sha256: SecretStr
    """Digest of the key, 64 hexadecimal digits: `avatar-serve keys new NAME` makes both."""
    admin: bool = False
    """Sees the jobs of all, the settings and the metrics; may empty the cache."""
    priority: Priority = "high"
    """The highest class that its jobs may have."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Requests that start work; as many may come at once after a minute of silence. None: as many as there are."""
    concurrent_jobs: int | None = Field(default=None, ge=1)
    """Jobs at work or waiting; more are refused. None: as many as the queue holds."""

    @field_validator("sha256")
    @classmethod
    def _is_digest(cls, digest: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[0-9a-f]{64}", digest.get_secret_value()):
            raise ValueError("is the SHA-256 of the key in 64 lower-case hexadecimal digits")
        return digest


class JobOptions(BaseModel):
    """Settings of the room."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    valkey_host: str | None = None
    """VALKEY_HOST: jobs are kept there; None: in DATA_DIR/jobs-APP-PORT.sqlite."""
    valkey_port: int = Field(default=6379, ge=1, le=65535)
    """VALKEY_PORT."""
    valkey_password: SecretStr | None = None
    """VALKEY_PASSWORD."""
    max_attempts: int = Field(default=3, ge=1, le=10)
    """A job whose attempts end because something dies fails after so many: it may be what kills it."""
    webhook_secret: SecretStr | None = None
    """Signs what is sent to a callback_url; None: callback_url is refused."""
    webhook_allow_private: bool = False
    """Lets a callback_url lead to loopback and private addresses."""


@dataclass(frozen=True)
class Event:
    """A step of a job, as its user sees it."""

    seq: int
    """1 for the first event of a job, and without gaps."""
    stage: str
    """queue; tts: a sentence is spoken; speech: a further part of the audio file is there; avatar: frames are
    drawn; video: a further part of it is there; done for the last."""
    status: State
    progress: int
    """0-100, never falling."""
    message: str
    """A sentence for people."""


@dataclass(frozen=True)
class Failure:
    """Why a job failed, in words that its user may read."""

    code: str
    message: str
    hint: str | None
    status: int
    """What a synchronous render would have been answered with."""

    @classmethod
    def of(cls, error: AvatarError) -> Failure:
        """The text of a 5xx stays in the log."""
        message = str(error) if error.status < 500 else error.public
        return cls(error.code, message, error.hint, error.status)


@dataclass(frozen=True)
class Result:
    """What a completed job has made."""

    ref: str
    """Folder of its files in the store of results: each attempt writes into its own."""
    duration_ms: int
    """Of the speech."""
    cached: bool
    """True: nothing was computed for it."""


@dataclass(frozen=True)
class Job:
    """A record: strings and numbers only."""

    job_id: str
    """32 hexadecimal digits, random; also the render ID."""
    owner: str
    """Name of the API key that submitted it; empty without keys."""
    request: RenderRequest
    priority: Priority
    fingerprint: str
    """Digest of what is asked for: equal for equal requests."""
    created_s: float
    """Unix time."""
    idempotency_key: str | None = None
    callback_url: str | None = None
    request_id: str = ""
    """Of the HTTP request that submitted it: the log lines of all stages have it."""
    state: State = "pending"
    attempt: int = 0
    """The fence: what an attempt before this one reports is refused."""
    losses: int = 0
    """Attempts that ended because something died."""
    last: Event = Event(0, "queue", "pending", 0, "")
    """The newest event."""
    started_s: float | None = None
    """Unix time of the first attempt."""
    ended_s: float | None = None
    result: Result | None = None
    error: Failure | None = None
    told: bool = True
    """Nobody is to be told any more: False from the start for a job with a callback_url."""

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.state in ENDED


@dataclass(frozen=True)
class Progress:
    """What whoever renders says on the way; the last thing it says is a Result."""

    stage: str
    progress: int
    """0-100."""
    message: str


Report: TypeAlias = Progress | Result


@dataclass(frozen=True)
class Change:
    """A job as it is from now on, and the events that led there."""

    job: Job
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Page:
    """A part of a list of jobs."""

    jobs: tuple[Job, ...]
    """Newest first."""
    cursor: str | None
    """Gives the next part; None at the end."""


def result_ref(job_id: str, attempt: int) -> str:
    """Where an attempt writes its files. No render ID: nobody can ask for what the fence has not let through."""
    return f"{job_id}-{attempt}"


def unknown_job(job_id: str) -> NotFound:
    """The same words for what is not there, what is no more, and what is somebody else's."""
    return NotFound(f"There is no job {job_id[:40]}.", hint="It may have expired. GET /jobs lists yours.")


class Deposed(Unavailable):
    """Another leader has taken over: this one must not write, nor answer, any more."""

    code = "deposed"


class StoreFailed(Unavailable):
    """The store does not answer, or cannot write. Nothing of the batch is written."""

    code = "store_failed"
    public = "The server cannot store jobs right now."


@dataclass(frozen=True)
class Submission:
    """A job to be taken in."""

    job: Job
    concurrent_jobs: int | None = None
    """As many jobs its owner may have at a time."""
    again: bool = False
    """It was sent before, and nobody knows whether it arrived."""


@dataclass(frozen=True)
class Rules:
    """How much the room takes on."""

    at_once: int
    """Jobs that compute at a time."""
    max_queued: int
    """Jobs that wait; more are refused."""
    stall_s: float
    """An attempt that reports nothing for this long is given up."""
    ttl_s: float
    """Life of an ended job."""
    max_attempts: int
    shares_work: bool = True
    """Equal jobs at the same time are computed once: the cache sees to it."""


class Store(Protocol):
    """Keeps jobs. Blocking, called by one thread at a time; one file in stores/ holds one.

    Every call may raise StoreFailed, also while the store is away; it works again when the store is back.
    """

    def take_over(self) -> list[Job]:
        """Becomes the leader; whoever was before is deposed.

        Returns:
            The jobs that have not ended, and those that ended with `told` False, oldest first.
        """

    def write(self, changes: Sequence[Change]) -> None:
        """Writes all of them, or none.

        The jobs of a batch differ. Writing the same batch twice leaves what writing it once does.

        Raises:
            Deposed: somebody else is the leader. Not for an emptied store: then this one leads it.
        """

    def get(self, job_ids: Sequence[str]) -> list[Job | None]:
        """The jobs, in the order asked for."""

    def events(self, job_id: str, after_seq: int) -> list[Event]:
        """Those with a higher number, in order; empty for an unknown job."""

    def find(self, owner: str, idempotency_key: str) -> Job | None:
        """The job that an owner submitted under a key of their own."""

    def page(self, owner: str | None, state: State | None, limit: int, cursor: str | None) -> Page:
        """Jobs, newest first (by created_s, then job_id).

        Args:
            owner: whose; None for all.
            state: only those in it; None for all.
            limit: at most so many, at least 1.
            cursor: of the page before; one that cannot be read is that of the first page.
        """

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state; 0 too."""

    def expire(self, ended_before_s: float) -> int:
        """Removes some of the jobs that ended before a Unix time, with their events; how many: 0 for no more."""

    def close(self) -> None:
        """Lets go of files and connections."""
