"""What the metrics say of jobs, from what is written of them."""

from __future__ import annotations

from deployments.core.measures import AUDIO_SECONDS, QUEUE_WAIT, RENDERS, RETRIES, Meter

from .contract import Change


def count(meter: Meter, change: Change) -> None:
    """Counts what a change that is written says."""
    job = change.job
    for event in change.events:
        if event.stage == "done":
            meter.add(RENDERS, outcome=event.status)
            if job.result:
                meter.add(AUDIO_SECONDS, job.result.duration_ms / 1000)
        elif event.status == "processing" and event.stage == "queue":
            if job.attempt > 1:
                meter.add(RETRIES)
            elif job.started_s:
                meter.observe(QUEUE_WAIT, job.started_s - job.created_s, priority=job.priority)
