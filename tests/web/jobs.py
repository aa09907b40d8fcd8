"""What the tests of the list of jobs share: handing jobs in, finding their rows, lists that no server has."""

import json
import random
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

WORK_TIMEOUT_MS = 180_000
"""For jobs of many sentences, each of which waits for its turn on a busy machine."""

LISTS = "**/jobs?*"
SOCKETS = re.compile(r"/ws/progress/")
KEY = "a-key.of_the-tests"


def unique_text(sentences: int) -> str:
    """A text that no test before has had spoken, so that nothing of it is in the cache."""
    mark = "".join(random.choice("bdfklmnprst") + random.choice("aeiou") for _ in range(5)).capitalize()
    return " ".join(f"{mark} {number} is good." for number in range(sentences))


def enqueue(page: Page, text: str) -> str:
    """Hands a text in as a job, with the button; returns the job's ID."""
    page.fill("#text", text)
    with page.expect_response("**/v1/avatar/render_async") as answer:
        page.click("#enqueue")
    job_id: str = answer.value.json()["job_id"]
    return job_id


def row_of(page: Page, job_id: str) -> Locator:
    """A job in the list."""
    return page.locator(f'[data-job="{job_id}"]')


def button(row: Locator, name: str) -> Locator:
    """A button of a job that can be seen."""
    return row.get_by_role("button", name=name)


def expect_state(page: Page, job_id: str, words: str) -> None:
    """Waits for a state of a job, as the row says it."""
    expect(row_of(page, job_id).locator(".badge")).to_have_text(words, timeout=WORK_TIMEOUT_MS)


def wait_for_progress(page: Page, job_id: str, least: int) -> None:
    """Waits until the page shows that a job has come so far."""
    page.wait_for_function(
        "([id, least]) => avatarStudio.jobs.some((job) => job.job_id === id && job.progress >= least)",
        arg=[job_id, least],
        timeout=WORK_TIMEOUT_MS,
    )


def seq_of(page: Page, job_id: str) -> int:
    """Number of the last event of a job that the page has heard."""
    seq: int = page.evaluate("id => avatarStudio.jobs.find((job) => job.job_id === id).seq", job_id)
    return seq


def state_of(page: Page, job_id: str) -> dict[str, Any]:
    """A job as the server has it."""
    job: dict[str, Any] = page.request.get(f"/jobs/{job_id}").json()
    return job


def made_up(number: int, **fields: Any) -> dict[str, Any]:
    """A job as the server lists it."""
    made = f"2026-01-02T03:{number // 60:02d}:{number % 60:02d}Z"
    error = {"code": "nothing_to_speak", "message": "There is nothing to say.", "hint": "Send words."}
    status = fields.get("status", "completed")
    return {
        "job_id": f"{number:032x}",
        "render_id": f"{number:032x}",
        "status": status,
        "progress": 100 if status == "completed" else 0,
        "stage": "done",
        "message": "Message.",
        "error": error if status == "failed" else None,
        "priority": "normal",
        "queue_position": None,
        "attempt": 1,
        "text": f"Text {number}.",
        "voice_id": "en_US-joe-medium",
        "image_filename": None,
        "created_at": made,
        "started_at": made,
        "ended_at": made,
        "poll_url": f"/v1/avatar/render/{number:032x}",
        **fields,
    }


def lists(jobs: list[dict[str, Any]]) -> Callable[[Route], None]:
    """Answers as the server would that has these jobs; cursors are numbers."""

    def answer(route: Route) -> None:
        query = dict(part.split("=") for part in route.request.url.partition("?")[2].split("&"))
        first = int(query.get("cursor", "0"))
        end = first + int(query["limit"])
        route.fulfill(json={"jobs": jobs[first:end], "next_cursor": str(end) if end < len(jobs) else None})

    return answer


def asks_for_key(route: Route) -> None:
    """Lets a request through only with KEY."""
    if route.request.headers.get("authorization") == f"Bearer {KEY}":
        route.continue_()
        return
    error = {"code": "unauthorized", "message": "An API key is needed.", "hint": "Send it as a header."}
    route.fulfill(status=401, content_type="application/json", body=json.dumps({"error": error}))
