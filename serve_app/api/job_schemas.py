"""HTTP bodies of jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.types import Priority
from deployments.core.video import Filming
from deployments.jobs.contract import Failure, Job, State
from deployments.jobs.line import View

from ..results import RenderResult
from .schemas import RenderResponse

_PREVIEW_CHARS = 80


class Accepted(BaseModel):
    """A job that is written down: it will be done."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "render_id": "5f0c6a9e2b7d4c1f8e3a6b9d0c2f4e71",
                    "job_id": "5f0c6a9e2b7d4c1f8e3a6b9d0c2f4e71",
                    "status": "pending",
                    "poll_url": "http://127.0.0.1:8000/v1/avatar/render/5f0c6a9e2b7d4c1f8e3a6b9d0c2f4e71",
                    "ws_url": "ws://127.0.0.1:8000/ws/progress/5f0c6a9e2b7d4c1f8e3a6b9d0c2f4e71",
                }
            ]
        }
    )

    render_id: str
    job_id: str = Field(description="The same as render_id.")
    status: State = Field(description="pending; for a repeated Idempotency-Key whatever became of the job since.")
    poll_url: str = Field(description="GET it for the state, and for the result once there is one.")
    ws_url: str = Field(
        description="WebSocket with the progress; /jobs/{id}/events has the same as server-sent events."
    )

    @classmethod
    def of(cls, job: Job, base: str) -> Accepted:
        """With addresses on the server's own."""
        return cls(
            render_id=job.job_id,
            job_id=job.job_id,
            status="pending" if job.state == "processing" and job.attempt <= 1 else job.state,
            poll_url=poll_url(job.job_id, base),
            ws_url=ws_url(job.job_id, base),
        )


def poll_url(job_id: str, base: str) -> str:
    """Where the state of a job is."""
    return f"{base}/v1/avatar/render/{job_id}"


def ws_url(job_id: str, base: str) -> str:
    """Where its progress is."""
    return f"ws{base.removeprefix('http')}/ws/progress/{job_id}"


class JobError(BaseModel):
    """Why a job failed."""

    code: str
    message: str
    hint: str | None


class JobFields(BaseModel):
    """What is known of every job."""

    job_id: str
    progress: int = Field(ge=0, le=100)
    stage: str = Field(description="queue, tts, lipsync (of a recording), speech, avatar, video; done at the end.")
    message: str
    error: JobError | None = Field(description="Why it failed; null unless it did.")
    priority: Priority
    queue_position: int | None = Field(
        description="1 for the next; null unless it is pending. About: others may cut in."
    )
    attempt: int = Field(description="Counts on when a part of the server was lost.")
    text: str = Field(description="How the text begins.")
    voice_id: str = Field(description="Empty for a recording.")
    image_filename: str | None = Field(description="The portrait; null where no video was asked for.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class JobReport(JobFields):
    """A job."""

    render_id: str
    status: State
    poll_url: str

    @classmethod
    def of(cls, job: Job, position: int | None, base: str) -> JobReport:
        """The same for HTTP."""
        return cls(
            render_id=job.job_id, status=job.state, poll_url=poll_url(job.job_id, base), **_fields(job, position)
        )


class CompletedJob(RenderResponse, JobFields):
    """A job that is completed, with its result: all fields of a render."""

    poll_url: str
    text: str = Field(description="The whole of it.")

    @classmethod
    def of_view(cls, view: View, result: RenderResult, audio_base: str, base: str) -> CompletedJob:
        """The result as `RenderResponse.of` has it, and the job."""
        job = view.job
        took_ms = ((job.ended_s or job.created_s) - (job.started_s or job.created_s)) * 1000
        # Not from one model to the other by way of plain data: there may be thousands of cues.
        whole: dict[str, Any] = dict(RenderResponse.of(result, audio_base, base, took_ms))
        whole |= {"poll_url": poll_url(job.job_id, base), **_fields(job, None), "text": result.text}
        return cls.model_construct(**whole)


class JobPage(BaseModel):
    """A part of the list."""

    jobs: list[JobReport] = Field(description="Newest first.")
    next_cursor: str | None = Field(description="Send it as cursor for the next part; null at the end.")


def _fields(job: Job, position: int | None) -> dict[str, Any]:
    text = job.request.text
    return {
        "job_id": job.job_id,
        "progress": job.last.progress,
        "stage": job.last.stage,
        "message": job.last.message,
        "error": _error(job.error),
        "priority": job.priority,
        "queue_position": position if job.state == "pending" else None,
        "attempt": job.attempt,
        "text": text if len(text) <= _PREVIEW_CHARS else f"{text[:_PREVIEW_CHARS]}…",
        "voice_id": job.request.character or job.request.voice_id,
        "image_filename": _image(job.request.video),
        "created_at": _time(job.created_s),
        "started_at": _time(job.started_s),
        "ended_at": _time(job.ended_s),
    }


def _image(filming: Filming | None) -> str | None:
    """As it was asked for: that of a built-in portrait goes on with a digest."""
    return filming.image.partition("-")[0] if filming else None


def _error(failure: Failure | None) -> JobError | None:
    return JobError(code=failure.code, message=failure.message, hint=failure.hint) if failure else None


def _time(unix_s: float | None) -> datetime | None:
    return None if unix_s is None else datetime.fromtimestamp(unix_s, UTC)
