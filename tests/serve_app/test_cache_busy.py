"""The cache of a server that has too much to do, and of clients that do not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from serve_app.settings import Settings
from tests.serve_app.test_cache import application, ask_all, http, http_many, media, ran, render, report, until
from tests.serve_app.test_cache_drills import shard_process
from tests.serve_app.test_limits import LONG, changed
from tests.serve_app.test_server import RENDER, error_of

APP = "busy"


@pytest.fixture(scope="module")
def url(ray_serve: str, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Computes one render at a time, lets one wait."""
    own = changed(settings, "storage", data_dir=tmp_path_factory.mktemp("busy"))
    own = changed(own, "limits", max_concurrent_requests=1, max_queued_requests=1)
    with application(ray_serve, own, APP) as address:
        yield address


async def test_equal_requests_at_once_are_one_render(url: str) -> None:
    """With room for one render and one that waits: those who follow take none."""
    replies = await ask_all(url, *[{"text": "Magpies audit silver spoons."}] * 64)
    assert {reply.status_code for reply in replies} == {200}
    answers = [reply.json() for reply in replies]
    assert [answer["cached"] for answer in answers].count(False) == 1
    assert len({answer["render_id"] for answer in answers}) == 64
    assert len({answer["duration_ms"] for answer in answers}) == 1
    assert [answer for answer in answers if answer["timings"] and ran(answer)["tts"] == (1, 1)]
    with http(url) as client:
        assert media(client, answers[0]) == media(client, answers[-1])


async def test_what_is_cached_does_not_wait_for_what_is_computed(url: str) -> None:
    text = "Busy bees still answer."
    async with http_many(url) as client:
        assert (await client.post(RENDER, json={"text": text})).status_code == 200
        long = [
            asyncio.create_task(client.post(RENDER, json={"text": f"{number}. {LONG}", "cache": "bypass"}))
            for number in range(2)
        ]
        while (await client.get("/health")).json()["pending_jobs"] < 2:
            assert not any(each.done() for each in long)
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # from the ingress to the Renderer
        refused = await client.post(RENDER, json={"text": "One too many.", "cache": "bypass"})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0 and error_of(refused)["code"] == "queue_full"
        hit = await client.post(RENDER, json={"text": text, "viseme_set": "azure"})  # from below the answers
        stats = await client.get("/cache/stats")
        cleaned = await client.post("/cache/cleanup")
        assert [reply.status_code for reply in (hit, stats, cleaned)] == [200, 200, 200]
        assert hit.json()["cached"] is True and not any(each.done() for each in long)
        for each in long:
            each.cancel()
        await asyncio.wait(long)


async def test_clients_that_leave_are_no_fault_of_the_cache(url: str) -> None:
    with http(url) as client:
        until(lambda: client.get("/health").json()["pending_jobs"] == 0)
        before = report(client)["levels"]["level_1"]["faults"]
    shared = "All of them want this sentence."

    async def leave(client: httpx.AsyncClient, number: int) -> None:
        body = {"text": f"{shared} Number {number % 4} wants this one."}
        ask = asyncio.create_task(client.post(RENDER, json=body))
        await asyncio.sleep(0.02 * (number % 9))
        ask.cancel()
        await asyncio.wait([ask])

    async with http_many(url) as many:
        for _ in range(3):
            await asyncio.gather(*(leave(many, number) for number in range(24)))
    with http(url) as client:
        until(lambda: client.get("/health").json()["pending_jobs"] == 0)
        render(client, f"{shared} Number 1 wants this one.")
        assert report(client)["levels"]["level_1"]["faults"] == before


def test_a_clear_is_not_lost_on_a_shard_that_just_died(url: str) -> None:
    with http(url) as client:
        text = "Cleared means cleared."
        render(client, text)
        until(lambda: report(client)["levels"]["level_2"]["total_entries"] >= 3)
        shard_process(APP).kill()
        cleared = client.delete("/cache/clear")
        assert cleared.status_code == 200 and cleared.json()["removed_entries"] >= 3
        assert render(client, text)["cached"] is False
