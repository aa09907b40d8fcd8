"""Limits, time-outs and cancellation on real Ray, each with an application of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest
from ray import serve

from serve_app.app import DEPLOYMENTS, compose
from serve_app.settings import Settings

SENTENCES = [f"This is sentence number {number}." for number in range(150)]
LONG = " ".join(SENTENCES)
"""Nobody waits for its end."""


def changed(settings: Settings, section: str, **fields: Any) -> Settings:
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update=fields)})


@pytest.fixture(scope="module")
def narrow_url(ray_serve: str, settings: Settings) -> Iterator[str]:
    """A server that renders one text at a time, lets one wait, and gives up after 2 s."""
    narrow = changed(settings, "limits", max_concurrent_requests=1, max_queued_requests=1)
    narrow = changed(narrow, "timeouts", sync_render=2)
    small = {stage.__name__: {"ray_actor_options": {"num_cpus": 0.05}} for stage in DEPLOYMENTS}
    serve.run(compose(narrow, small), name="narrow", route_prefix="/narrow")
    yield f"{ray_serve}/narrow"
    serve.delete("narrow")


async def ask(url: str, text: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        return await client.post(f"{url}/v1/avatar/render", json={"text": text, "cache": "bypass"})


@pytest.fixture
async def client(narrow_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Leaves nothing at work behind."""
    async with httpx.AsyncClient(timeout=60, trust_env=False, base_url=narrow_url) as http:
        yield http
        for job in (await http.get("/jobs")).json()["jobs"]:
            if job["status"] in {"pending", "processing"}:
                await http.delete(f"/jobs/{job['job_id']}/cancel")
        await _until_idle(http)


async def test_more_than_the_queue_holds_is_429_with_retry_after(narrow_url: str, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(ask(narrow_url, LONG) for _ in range(8)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) == 6 and {answer.status_code for answer in answers} == {429, 504}
    assert int(refused[0].headers["retry-after"]) > 0
    assert refused[0].json()["error"]["code"] == "queue_full"


async def test_a_render_that_takes_too_long_is_504_and_goes_on(narrow_url: str, client: httpx.AsyncClient) -> None:
    answer = await ask(narrow_url, " ".join(SENTENCES[:60]))
    assert answer.status_code == 504
    error = answer.json()["error"]
    assert error["code"] == "timed_out" and error["poll_url"] == answer.headers["location"]
    job = await poll(client, error["poll_url"], lambda report: report["progress"] > 0)
    assert job["status"] == "processing" and job["render_id"] == error["render_id"] and job["progress"] < 100
    job = await poll(client, error["poll_url"], lambda report: report["status"] != "processing")
    assert job["status"] == "completed" and job["duration_ms"] > 60_000 and job["mouth_cues"]


async def test_a_client_that_leaves_cancels_its_render(narrow_url: str, client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/v1/avatar/render", json={"text": LONG, "cache": "bypass"}, timeout=1)
    body = {"text": "Next, please.", "cache": "bypass"}
    next_one = (await client.post("/v1/avatar/render_async", json=body)).json()
    await poll(client, next_one["poll_url"], lambda report: report["status"] == "completed")
    jobs = (await client.get("/jobs")).json()["jobs"]
    assert [job["status"] for job in jobs[:2]] == ["completed", "cancelled"]


async def test_a_replica_that_dies_is_not_noticed(narrow_url: str, client: httpx.AsyncClient) -> None:
    body = {"text": " ".join(SENTENCES[:20]), "cache": "bypass"}
    job = (await client.post("/v1/avatar/render_async", json=body)).json()
    await poll(client, job["poll_url"], lambda report: report["stage"] == "tts")
    for process in psutil.Process().children(recursive=True):
        if "ServeReplica:narrow:TTS" in " ".join(process.cmdline()):
            process.kill()
    report = await poll(client, job["poll_url"], lambda report: report["status"] not in {"pending", "processing"})
    assert report["status"] == "completed" and report["attempt"] == 2 and report["mouth_cues"]


async def poll(client: httpx.AsyncClient, url: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        report: dict[str, Any] = (await client.get(url)).json()
        if until(report):
            return report
        assert time.monotonic() < deadline, report
        await asyncio.sleep(0.1)


async def _until_idle(client: httpx.AsyncClient) -> None:
    deadline = time.monotonic() + 30
    while (await client.get("/health")).json()["pending_jobs"]:
        assert time.monotonic() < deadline, "a render that nobody waits for is still at work"
        await asyncio.sleep(0.05)
