"""Jobs and events as JSON: what stores keep, and where a job stands in their lists.

A store outlives a release. What another release wrote is read as far as it goes: fields that this one does not know
are passed over, those that it misses get their defaults.
"""

from __future__ import annotations

import logging
import re
import struct
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from .contract import Event, Job

logger = logging.getLogger("ray.serve")

RecordT = TypeVar("RecordT", Job, Event)

_JOB = TypeAdapter(Job)
_EVENT = TypeAdapter(Event)

_CURSOR = re.compile(r"[0-9a-f]{48}")
"""A place of `place_of`: 16 digits of time, 32 of the job."""


def pack_job(job: Job) -> bytes:
    """A job as a JSON document in UTF-8.

    Raises:
        ValueError: a text has lone surrogates.
    """
    return _JOB.dump_json(job)


def pack_event(event: Event) -> bytes:
    """An event as a JSON document in UTF-8.

    Raises:
        ValueError: a text has lone surrogates.
    """
    return _EVENT.dump_json(event)


def read_job(document: bytes | None) -> Job | None:
    """The job of a document; None where there is none, or where it cannot be read: that is logged."""
    return _read(_JOB, document)


def read_event(document: bytes | None) -> Event | None:
    """The event of a document; None where there is none, or where it cannot be read: that is logged."""
    return _read(_EVENT, document)


def _read(adapter: TypeAdapter[RecordT], document: bytes | None) -> RecordT | None:
    if document is None:
        return None
    try:
        return adapter.validate_json(document)
    except ValidationError as error:
        # Without the values: they are texts of users.
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        where = ", ".join(f"{'.'.join(map(str, each['loc'])) or 'document'}: {each['type']}" for each in problems)
        logger.warning("jobs, a record of %d bytes cannot be read and is skipped: %s", len(document), where)
        return None


def place_of(job: Job) -> str:
    """Text that sorts jobs by created_s, then by job_id; it is also the cursor behind the job."""
    # The bits of a float that is not negative sort as the number does.
    return struct.pack(">d", max(0.0, job.created_s)).hex() + job.job_id


def read_cursor(cursor: str | None) -> str | None:
    """The place that a cursor holds; None for the first page, and for what is no cursor."""
    return cursor if cursor is not None and _CURSOR.fullmatch(cursor) else None
