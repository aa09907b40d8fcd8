"""What the tests of jobs share: handing many in, waiting for all, checking what became of each."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from tests.serve_app.test_cache import WAIT_S

ASYNC = "/v1/avatar/render_async"
ENDED = {"completed", "failed", "cancelled"}

Report = dict[str, Any]


def hand_in(client: httpx.Client, text: str, **fields: Any) -> str:
    """A job's ID. As a client should: with a key, again and again until there is an answer."""
    key = str(uuid.uuid4())
    body, headers = {"text": text, **fields}, {"Idempotency-Key": key}
    job_id: str = insist(lambda: client.post(ASYNC, json=body, headers=headers), 202)["job_id"]
    return job_id


def insist(ask: Callable[[], httpx.Response], status: int = 200) -> Report:
    """Asks until the answer is there: while a process is replaced, connections break and 503 is in order."""
    deadline = time.monotonic() + 2 * WAIT_S
    while True:
        try:
            reply = ask()
            if reply.status_code == status:
                body: Report = reply.json()
                return body
            assert reply.status_code in {404, 500, 502, 503, 504}, reply.text
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.2)


def report(client: httpx.Client, job_id: str) -> Report:
    return insist(lambda: client.get(f"/jobs/{job_id}"))


def reports(client: httpx.Client) -> list[Report]:
    """All jobs that the server lists, page by page."""
    found: list[Report] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": 20, **({"cursor": cursor} if cursor else {})}
        page = insist(lambda query=query: client.get("/jobs", params=query))  # type: ignore[misc]
        found += page["jobs"]
        cursor = page["next_cursor"]
    return found


def until_ended(client: httpx.Client, job_ids: Sequence[str]) -> dict[str, Report]:
    """What became of the jobs."""
    deadline = time.monotonic() + 3 * WAIT_S
    while True:
        known = {each["job_id"]: each for each in reports(client)}
        assert set(job_ids) <= set(known)
        if all(known[job_id]["status"] in ENDED for job_id in job_ids):
            return {job_id: known[job_id] for job_id in job_ids}
        assert time.monotonic() < deadline, [each for each in known.values() if each["status"] not in ENDED]
        time.sleep(0.3)


def events(client: httpx.Client, job_id: str, last_seq: int = 0) -> list[Report]:
    """Of an ended job."""
    with client.stream("GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(last_seq)}) as stream:
        return [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]


def check_events(steps: Sequence[Report], status: str) -> None:
    """In order, without gaps, with one end."""
    assert [step["seq"] for step in steps] == list(range(1, len(steps) + 1))
    progress = [step["progress"] for step in steps]
    assert progress == sorted(progress)
    assert [step["status"] for step in steps if step["stage"] == "done"] == [status]
    assert steps[-1]["status"] == status and all(step["message"] for step in steps)
