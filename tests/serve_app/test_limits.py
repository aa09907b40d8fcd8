"""Limits, time-outs and cancellation on real Ray, each with an application of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from ray import serve

from serve_app.app import compose
from serve_app.settings import Settings

LONG = " ".join(f"This is sentence number {number}." for number in range(150))


def changed(settings: Settings, section: str, **fields: Any) -> Settings:
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update=fields)})


@pytest.fixture(scope="module")
def narrow_url(ray_serve: str, settings: Settings) -> Iterator[str]:
    """A server that renders one text at a time, lets one wait, and gives up after 5 s."""
    narrow = changed(settings, "limits", max_concurrent_requests=1, max_queued_requests=1)
    narrow = changed(narrow, "timeouts", sync_render=5)
    small = {name: {"ray_actor_options": {"num_cpus": 0.1}} for name in ("TTS", "LipSync", "Renderer", "Ingress")}
    serve.run(compose(narrow, small), name="narrow", route_prefix="/narrow")
    yield f"{ray_serve}/narrow"
    serve.delete("narrow")


async def ask(url: str, text: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        return await client.post(f"{url}/v1/avatar/render", json={"text": text, "cache": "bypass"})


async def test_more_than_the_queue_holds_is_429_with_retry_after(narrow_url: str) -> None:
    answers = await asyncio.gather(*(ask(narrow_url, LONG) for _ in range(8)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 4
    assert {answer.status_code for answer in answers} <= {200, 429, 504}
    assert int(refused[0].headers["retry-after"]) > 0
    assert refused[0].json()["error"]["code"] == "too_many_requests"
    assert (await ask(narrow_url, "Well again.")).status_code == 200


async def test_a_render_that_takes_too_long_is_504_and_is_given_up(narrow_url: str) -> None:
    answer = await ask(narrow_url, LONG)
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "timed_out"
    # The one slot is free again: what was given up does not go on.
    assert (await ask(narrow_url, "Hello.")).status_code == 200


async def test_a_client_that_leaves_frees_its_place(narrow_url: str) -> None:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{narrow_url}/v1/avatar/render", json={"text": LONG, "cache": "bypass"}, timeout=0.5)
        assert (await ask(narrow_url, "Next, please.")).status_code == 200
        await _until_idle(client, narrow_url)


async def test_a_replica_that_dies_is_503_and_then_all_is_well(narrow_url: str) -> None:
    render = asyncio.create_task(ask(narrow_url, LONG))
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        deadline = time.monotonic() + 30
        while not (await client.get(f"{narrow_url}/health")).json()["pending_jobs"]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)  # some sentences into the text
    for process in psutil.Process().children(recursive=True):
        if "ServeReplica:narrow:TTS" in " ".join(process.cmdline()):
            process.kill()
    answer = await render
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "unavailable"
    deadline = time.monotonic() + 60
    while (await ask(narrow_url, "Well again.")).status_code != 200:
        assert time.monotonic() < deadline


async def _until_idle(client: httpx.AsyncClient, url: str) -> None:
    deadline = time.monotonic() + 30
    while (await client.get(f"{url}/health")).json()["pending_jobs"]:
        assert time.monotonic() < deadline, "a render that nobody waits for is still at work"
        await asyncio.sleep(0.05)
