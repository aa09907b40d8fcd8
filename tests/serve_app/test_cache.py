"""What a client sees of the cache, on real Ray with the real voice. Kills and damage are in test_cache_drills.py."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import ray
from ray import serve

from serve_app.app import DEPLOYMENTS, compose
from serve_app.sections import Autoscaling
from serve_app.settings import Settings
from tests.serve_app.test_limits import changed
from tests.serve_app.test_server import RENDER, decoded_seconds
from tests.voices import BROKEN

WAIT_S = 60
"""Generous: a wait ends as soon as its condition holds."""
SETS = ("basic", "oculus", "azure", "rhubarb", "arkit")

Answer = dict[str, Any]


def render(client: httpx.Client, text: str, **fields: Any) -> Answer:
    reply = client.post(RENDER, json={"text": text, **fields})
    assert reply.status_code == 200, reply.text
    answer: Answer = reply.json()
    return answer


def media(client: httpx.Client, answer: Answer) -> dict[str, bytes]:
    """All files of a render."""
    captions = f"/v1/avatar/render/{answer['render_id']}/captions"
    files = [f"/audio/{answer['render_id']}.{extension}" for extension in ("ogg", "wav")]
    replies = {path: client.get(path) for path in (*files, f"{captions}.vtt", f"{captions}.srt")}
    assert {reply.status_code for reply in replies.values()} == {200}
    return {path.rpartition(".")[2]: reply.content for path, reply in replies.items()}


def check(client: httpx.Client, answer: Answer, text: str) -> dict[str, bytes]:
    """Audio, cues and words of an answer belong together; its files."""
    files = media(client, answer)
    duration_ms = answer["duration_ms"]
    for extension in ("ogg", "wav"):
        assert decoded_seconds(files[extension]) * 1000 == pytest.approx(duration_ms, abs=21)
    times = [cue["t_ms"] for cue in answer["mouth_cues"]]
    assert times == sorted(set(times)) and (not times or (times[0] == 0 and times[-1] <= duration_ms))
    words = answer["words"]
    assert [text[word["start_char"] : word["end_char"]] for word in words] == [word["text"] for word in words]
    assert words and duration_ms - 1500 < words[-1]["end_ms"] <= duration_ms
    return files


def ran(answer: Answer) -> dict[str, tuple[int, int]]:
    """Stage -> its calls, and how many of them were really run."""
    timings = answer["timings"]
    return {stage: (each["calls"], each["calls"] - each["cached"]) for stage, each in timings.items()}


def report(client: httpx.Client) -> dict[str, Any]:
    stats: dict[str, Any] = client.get("/cache/stats").json()
    return stats


def entries(client: httpx.Client) -> dict[str, int]:
    """Level -> its entries, once nothing is on its way any more."""
    before: dict[str, int] = {}
    deadline = time.monotonic() + WAIT_S
    while True:
        now = {level: each["total_entries"] for level, each in report(client)["levels"].items()}
        if now == before:
            return now
        assert time.monotonic() < deadline
        before = now
        time.sleep(0.6)  # longer than a value waits to be kept, and then to be written


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextlib.contextmanager
def application(ray_url: str, settings: Settings, name: str) -> Iterator[str]:
    """An application of its own, of one small replica of each kind; its address."""
    run(settings, name)
    yield f"{ray_url}/{name}"
    serve.delete(name, _blocking=False)  # its end takes seconds that nobody needs to wait for


def run(settings: Settings, name: str) -> None:
    small = {stage.__name__: {"ray_actor_options": {"num_cpus": 0.05}} for stage in DEPLOYMENTS}
    no_video = Autoscaling(min_replicas=0)  # its replica starts where a test asks for one
    few = changed(settings, "performance", max_tts_workers=1, max_avatar_workers=1, avatar_autoscaling=no_video)
    serve.run(compose(few, small), name=name, route_prefix=f"/{name}")


def shards(app: str) -> list[Any]:
    """The actors of level 1 of an application, in their order."""
    named = ray.util.list_named_actors(all_namespaces=True)
    own = sorted(
        (each["name"], each["namespace"])
        for each in named
        if each["name"].startswith(f"SERVE_DEPLOYMENT_ACTOR::{app}::")
    )
    return [ray.get_actor(*each) for each in own]


@contextlib.contextmanager
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=WAIT_S, trust_env=False) as client:
        yield client


def http_many(url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=100)
    return httpx.AsyncClient(base_url=url, timeout=WAIT_S, trust_env=False, limits=limits)


async def ask_all(url: str, *bodies: dict[str, Any]) -> list[httpx.Response]:
    """All at once."""
    async with http_many(url) as client:
        return await asyncio.gather(*(client.post(RENDER, json=body) for body in bodies))


def test_the_second_answer_is_the_first_under_an_id_of_its_own(client: httpx.Client) -> None:
    text = "Otters juggle seven stones."
    first, second, third = (render(client, text) for _ in range(3))
    assert [each["cached"] for each in (first, second, third)] == [False, True, True]
    assert len({each["render_id"] for each in (first, second, third)}) == 3
    assert media(client, first) == media(client, second) == check(client, third, text)
    for name in ("duration_ms", "mouth_cues", "words", "eye_events", "engines", "voice"):
        assert first[name] == second[name] == third[name]
    part = client.get(third["audio_url"], headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == media(client, first)["ogg"][10:20]


def test_another_viseme_set_is_a_projection_alone(client: httpx.Client) -> None:
    text = "Badgers polish brass kettles."
    first = render(client, text)
    assert ran(first) == {"join": (1, 1), "tts": (1, 1), "lipsync": (1, 1)}
    for viseme_set in SETS[1:]:
        other = render(client, text, viseme_set=viseme_set)
        assert other["cached"] is True and ran(other) == {"join": (1, 0)}
        assert media(client, other) == media(client, first)


def test_another_timing_is_joined_anew_of_the_same_speech(client: httpx.Client) -> None:
    text = "Herons map the marshes. Newts keep the ledgers."
    first = render(client, text)
    other = render(client, text, timing="exact")
    assert other["cached"] is False and ran(other) == {"join": (1, 1), "tts": (2, 0), "lipsync": (2, 0)}
    assert media(client, other)["wav"] == media(client, first)["wav"]
    assert other["words"] == first["words"] and other["mouth_cues"] != first["mouth_cues"]


def test_bypass_leaves_nothing_behind(client: httpx.Client) -> None:
    text = "Moths read old newspapers."
    before = entries(client)
    one, two = (render(client, text, cache="bypass") for _ in range(2))
    assert one["cached"] is two["cached"] is False and ran(two)["tts"] == (1, 1)
    assert media(client, one)["wav"] != media(client, two)["wav"]
    assert entries(client) == before
    assert render(client, text)["cached"] is False


def test_bypass_takes_nothing_either(client: httpx.Client) -> None:
    text = "Larks weigh golden barley."
    kept = render(client, text)
    passing = render(client, text, cache="bypass")
    assert ran(passing) == {"join": (1, 1), "tts": (1, 1), "lipsync": (1, 1)}
    assert media(client, render(client, text)) == media(client, kept) != media(client, passing)


def test_refresh_replaces(client: httpx.Client) -> None:
    text = "Foxes iron linen shirts."
    old = render(client, text)
    new = render(client, text, cache="refresh")
    assert new["cached"] is False and ran(new) == {"join": (1, 1), "tts": (1, 1), "lipsync": (1, 1)}
    plain = render(client, text)
    assert plain["cached"] is True
    assert media(client, plain) == check(client, new, text) != media(client, old)
    until(lambda: media(client, render(client, text, timing="exact"))["wav"] == media(client, new)["wav"])


@pytest.mark.parametrize("fields", [{"viseme_set": "azure"}, {"timing": "exact"}], ids=["viseme set", "timing"])
def test_refresh_replaces_whatever_else_was_asked_of_the_text(client: httpx.Client, fields: dict[str, str]) -> None:
    text = f"Minks fold paper boats with {len(fields)} {next(iter(fields))}."
    old = media(client, render(client, text))["wav"]
    assert media(client, render(client, text, **fields))["wav"] == old
    new = media(client, render(client, text, cache="refresh"))["wav"]
    entries(client)
    assert media(client, render(client, text, **fields))["wav"] == new


def test_an_answer_whose_files_are_gone_is_given_anew(client: httpx.Client, settings: Settings) -> None:
    text = "Stoats paint garden gates."
    first = render(client, text)
    files = media(client, first)
    shutil.rmtree((settings.storage.data_dir / "results" / first["render_id"]).resolve())
    again = render(client, text)
    assert again["cached"] is True and ran(again) == {"join": (1, 0)}
    assert media(client, again) == media(client, render(client, text)) == files


def test_an_unknown_use_is_422(client: httpx.Client) -> None:
    reply = client.post(RENDER, json={"text": "Hi", "cache": "sometimes"})
    assert reply.status_code == 422 and "cache" in reply.json()["error"]["message"]
    assert "bypass" in reply.json()["error"]["hint"]


def test_a_shared_sentence_is_spoken_once(client: httpx.Client) -> None:
    shared = "Voles collect enamel buttons."
    render(client, shared)
    text = f"{shared} Toads repair harps."
    longer = render(client, text)
    assert longer["cached"] is False and ran(longer) == {"join": (1, 1), "tts": (2, 1), "lipsync": (2, 1)}
    check(client, longer, text)


def test_stats_have_what_the_design_promises(client: httpx.Client) -> None:
    text = "Geese study tidal charts."
    render(client, text)
    entries(client)  # waits for what is counted behind the answer
    before = report(client)
    render(client, text)
    render(client, text, viseme_set="oculus")
    after = report(client)
    fields = {"total_entries", "total_size_mb", "utilization_percent", "total_accesses", "hit_rate_percent", "faults"}
    assert set(after) == fields | {"enabled", "levels"} and after["enabled"] is True
    assert set(after["levels"]) == {"answers", "level_1", "level_2"}
    for level in after["levels"].values():
        assert set(level) == fields
        assert level["total_entries"] > 0 and level["total_size_mb"] > 0 and level["total_accesses"] > 0
        assert 0 < level["utilization_percent"] < 100 and 0 <= level["hit_rate_percent"] <= 100
    assert after["total_entries"] == after["levels"]["level_2"]["total_entries"]
    assert after["total_accesses"] == before["total_accesses"] + 2
    assert after["levels"]["answers"]["total_accesses"] == before["levels"]["answers"]["total_accesses"] + 2


def test_cleanup_keeps_what_is_young(client: httpx.Client) -> None:
    render(client, "Crabs tune brass bells.")
    before = entries(client)
    assert client.post("/cache/cleanup").json() == {"removed_entries": 0, "removed_size_mb": 0.0}
    assert entries(client) == before


def test_clear_empties_every_level_and_no_result(client: httpx.Client) -> None:
    text = "Squids index foreign stamps."
    first, linked = render(client, text), render(client, text)
    files, there = media(client, first), entries(client)
    removed = client.delete("/cache/clear").json()
    assert removed["removed_entries"] == there["level_2"] >= 3 and removed["removed_size_mb"] > 0
    assert entries(client) == {"answers": 0, "level_1": 0, "level_2": 0}
    assert media(client, first) == media(client, linked) == files
    again = render(client, text)
    assert again["cached"] is False and ran(again)["tts"] == (1, 1)
    assert media(client, again) != files
    assert render(client, text)["cached"] is True


def test_without_a_cache_everything_is_computed(ray_serve: str, settings: Settings) -> None:
    off = changed(settings, "cache", enabled=False)
    text = "Wasps sketch paper lanterns."
    with application(ray_serve, off, "cache-off") as url, http(url) as client:
        one, two = (render(client, text) for _ in range(2))
        assert one["cached"] is two["cached"] is False and ran(two)["tts"] == (1, 1)
        assert check(client, one, text)["wav"] != check(client, two, text)["wav"]
        assert shards("cache-off") == []
        assert report(client)["enabled"] is False and report(client)["total_accesses"] == 0
        assert client.delete("/cache/clear").json()["removed_entries"] == 0
        assert client.post("/cache/cleanup").status_code == 200


async def test_who_follows_a_client_that_leaves_is_answered(server_url: str) -> None:
    text = " ".join(f"Lynxes count {number} frozen rivers." for number in range(25))
    async with http_many(server_url) as client:
        leader = asyncio.create_task(client.post(RENDER, json={"text": text}))
        await _until_pending(client, 1)
        follower = asyncio.create_task(client.post(RENDER, json={"text": text}))
        await asyncio.sleep(0.5)  # from the client to the ingress: nothing tells that it waits there
        leader.cancel()
        await asyncio.sleep(0.5)
        await _until_pending(client, 1)
        assert not follower.done(), "the text was too short for this test"
        reply = await follower
        assert reply.status_code == 200 and reply.json()["cached"] is True
        with http(server_url) as plain:
            check(plain, reply.json(), text)
        await _until_pending(client, 0)


async def _until_pending(client: httpx.AsyncClient, count: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while (await client.get("/health")).json()["pending_jobs"] != count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_text_in_five_alphabets_at_once_is_spoken_once(server_url: str) -> None:
    bodies = [{"text": "Ravens bottle winter honey.", "viseme_set": each} for each in SETS]
    bodies += [{**body, "timing": "exact"} for body in bodies]
    replies = await ask_all(server_url, *bodies)
    assert {reply.status_code for reply in replies} == {200}
    answers = [reply.json() for reply in replies]
    for stage, expected in (("tts", 1), ("lipsync", 1), ("join", 2)):
        assert sum(ran(answer).get(stage, (0, 0))[1] for answer in answers) == expected, stage
    assert len({answer["duration_ms"] for answer in answers}) == 1


@pytest.mark.parametrize("fields", [{"text": "... --"}, {"text": "Shrews fold maps.", "speaker": "Bob"}])
async def test_bad_input_is_told_to_all_who_wait(server_url: str, fields: dict[str, Any]) -> None:
    replies = await ask_all(server_url, *({**fields, "viseme_set": each} for each in SETS * 3))
    assert {reply.status_code for reply in replies} == {422}
    assert len({reply.text for reply in replies}) == 1 and replies[0].json()["error"]["hint"]


async def test_who_follows_a_failure_tries_for_himself(server_url: str) -> None:
    body = {"text": "A measure of treasure.", "voice_id": BROKEN}
    replies = await ask_all(server_url, *[body] * 6, *({**body, "viseme_set": each} for each in SETS[1:]))
    assert {reply.status_code for reply in replies} == {500}
    assert {reply.json()["error"]["code"] for reply in replies} == {"synthesis_failed"}
    hints = {reply.headers["x-request-id"]: reply.json()["error"]["hint"] for reply in replies}
    assert len(hints) == 10 and all(request_id in hint for request_id, hint in hints.items())
    with http(server_url) as client:
        assert render(client, "Shrews fold maps.")["cached"] is False
