"""Records come back as they were, also those of other releases."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.types import RenderRequest
from deployments.jobs.contract import Event, Failure, Job, Result
from deployments.jobs.record import pack_event, pack_job, place_of, read_cursor, read_event, read_job

from .conftest import id_of, job_of

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
times = st.floats(0, 1e12)
numbers = st.integers(0, 2**53)
requests = st.builds(
    RenderRequest, text=texts, voice_id=texts, speed=st.floats(0.5, 2), speaker=st.none() | texts
)  # the rest are words of this release
events = st.builds(Event, seq=numbers, stage=texts, progress=st.integers(0, 100), message=texts)
jobs = st.builds(
    Job,
    job_id=st.integers(0, 2**128 - 1).map(id_of),
    owner=texts,
    request=requests,
    fingerprint=texts,
    created_s=times,
    idempotency_key=st.none() | texts,
    callback_url=st.none() | texts,
    attempt=numbers,
    losses=numbers,
    last=events,
    started_s=st.none() | times,
    ended_s=st.none() | times,
    result=st.none() | st.builds(Result, ref=texts, duration_ms=numbers, cached=st.booleans()),
    error=st.none() | st.builds(Failure, code=texts, message=texts, hint=st.none() | texts, status=numbers),
    told=st.booleans(),
)


@given(job=jobs)
def test_any_job_comes_back(job: Job) -> None:
    assert read_job(pack_job(job)) == job


@given(event=events)
def test_any_event_comes_back(event: Event) -> None:
    assert read_event(pack_event(event)) == event


def test_what_comes_back_is_of_the_same_types() -> None:
    job = job_of(1, "failed", error=Failure("c", "m", None, 422), result=Result("r", 5, False))
    again = read_job(pack_job(job))
    assert again is not None
    assert [type(part) for part in (again, again.request, again.last, again.error, again.result)] == [
        Job,
        RenderRequest,
        Event,
        Failure,
        Result,
    ]
    assert hash(again) == hash(job)


def test_fields_of_a_later_release_are_passed_over() -> None:
    document = json.loads(pack_job(job_of(1)))
    for part in (document, document["request"], document["last"]):
        part["invented_later"] = {"some": ["thing"]}
    assert read_job(json.dumps(document).encode()) == job_of(1)


def test_fields_that_an_earlier_release_did_not_have_get_their_defaults() -> None:
    document = json.loads(pack_job(job_of(1)))
    for name in ("losses", "callback_url", "last", "started_s"):
        del document[name]
    for name in ("timing", "cache", "speech_format"):
        del document["request"][name]
    assert read_job(json.dumps(document).encode()) == job_of(1)


@pytest.mark.parametrize(
    "document", [b"", b"\x80\x04N.", b"null", b"[]", b"{}", b'{"job_id":"secret"}', b"\xff\xfe", b'{"seq":"x"}']
)
def test_what_cannot_be_read_is_skipped_and_logged(document: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ray.serve"):
        assert read_job(document) is None
        assert read_event(document) is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_the_log_does_not_repeat_what_users_wrote(caplog: pytest.LogCaptureFixture) -> None:
    document = json.loads(pack_job(job_of(1, text="my secret")))
    document["state"] = document["request"]["speed"] = "my secret"
    with caplog.at_level(logging.WARNING, "ray.serve"):
        assert read_job(json.dumps(document).encode()) is None
    assert "state: literal_error" in caplog.text
    assert "secret" not in caplog.text


def test_nothing_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    assert read_job(None) is None
    assert read_event(None) is None
    assert not caplog.records


def test_lone_surrogates_are_refused_before_anything_is_written() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        pack_job(job_of(1, text="\ud800"))


@settings(max_examples=30)
@given(some=st.lists(jobs, max_size=8))
def test_places_sort_as_the_jobs_do(some: list[Job]) -> None:
    assert sorted(some, key=place_of) == sorted(some, key=lambda job: (job.created_s, job.job_id))


@settings(max_examples=30)
@given(job=jobs)
def test_a_place_is_a_cursor(job: Job) -> None:
    assert read_cursor(place_of(job)) == place_of(job)


@pytest.mark.parametrize("created_s", [-0.0, 0, -1.5])
def test_times_that_no_clock_shows_have_a_place(created_s: float) -> None:
    assert place_of(job_of(1, created_s=created_s)) == place_of(job_of(1, created_s=0.0))


@pytest.mark.parametrize("cursor", [None, "", "x", "0" * 47, "0" * 49, "0" * 48 + "\n", "A" * 48, "(" * 48, "٣" * 48])
def test_what_is_no_cursor_is_the_first_page(cursor: str | None) -> None:
    assert read_cursor(cursor) is None
