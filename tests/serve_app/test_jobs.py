"""Renders as jobs, as a client sees them: accepted, polled, listed, watched, cancelled, told of. On real Ray."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from serve_app.settings import Settings
from tests.serve_app.jobs import ASYNC, ENDED, Report, check_events, events, hand_in, report, reports, until_ended
from tests.serve_app.test_cache import WAIT_S, application, check, http, http_many, until
from tests.serve_app.test_limits import LONG, changed
from tests.serve_app.test_operations import settled
from tests.serve_app.test_server import RENDER, error_of
from tests.voices import BROKEN

SECRET = "a secret between this server and the receiver"
JOB_FIELDS = {
    *("job_id", "render_id", "status", "progress", "stage", "message", "error", "priority", "queue_position"),
    *("attempt", "text", "voice_id", "image_filename", "created_at", "started_at", "ended_at", "poll_url"),
}
RENDER_FIELDS = {
    *("render_id", "status", "audio_url", "duration_ms", "mouth_cues", "eye_events", "cached", "processing_time_ms"),
    *("words", "blend_shapes", "captions_url", "viseme_set", "timing", "voice", "engines", "timings"),
    *("text", "audio_filename", "language", "lipsync", "video"),
}
UNKNOWN = "0" * 32
NO_IDS = ["0123", "0" * 33, "A" * 32, "ф" * 32, "..%2F..%2Fetc%2Fpasswd", "%00", "a" * 3000]


@pytest.fixture(scope="module")
def own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One job at a time, short waits of clients, and callbacks to this machine."""
    moved = changed(settings, "storage", data_dir=tmp_path_factory.mktemp("jobs"))
    one = changed(changed(moved, "limits", max_concurrent_requests=1), "timeouts", sync_render=8)
    return changed(one, "jobs", webhook_secret=SecretStr(SECRET), webhook_allow_private=True)


@pytest.fixture(scope="module")
def narrow_url(ray_serve: str, own: Settings) -> Iterator[str]:
    with application(ray_serve, own, "jobs-narrow") as url:
        yield url


@pytest.fixture
def narrow(narrow_url: str) -> Iterator[httpx.Client]:
    """A client of the server that does one job at a time; leaves nothing at work behind."""
    with http(narrow_url) as client:
        yield client
        clear(client)


@pytest.fixture
def tidy(client: httpx.Client) -> Iterator[None]:
    """For tests that leave long jobs on the server of the session."""
    yield
    clear(client)


def clear(client: httpx.Client) -> None:
    """Cancels what is not ended; all of it has ended then."""
    for job in reports(client):
        if job["status"] not in ENDED:
            client.delete(f"/jobs/{job['job_id']}/cancel")
    until(lambda: client.get("/health").json()["pending_jobs"] == 0)


def busy(client: httpx.Client, **fields: Any) -> str:
    """A long job that speaks."""
    job_id = hand_in(client, LONG, cache="bypass", **fields)
    until(lambda: report(client, job_id)["stage"] == "tts")
    return job_id


def poll(client: httpx.Client, job_id: str) -> Report:
    reply = client.get(f"{RENDER}/{job_id}")
    assert reply.status_code == 200, reply.text
    answer: Report = reply.json()
    return answer


def cancel(client: httpx.Client, job_id: str) -> httpx.Response:
    return client.delete(f"/jobs/{job_id}/cancel")


def ended(client: httpx.Client, job_id: str) -> Report:
    """The job, once it has ended."""
    until(lambda: report(client, job_id)["status"] in ENDED)
    return report(client, job_id)


def of_text(client: httpx.Client, text: str) -> list[Report]:
    """The jobs of a text, newest first."""
    return [job for job in reports(client) if job["text"] == text]


def socket_url(url: str, job_id: str, query: str = "") -> str:
    return f"ws{url.removeprefix('http')}/ws/progress/{job_id}{query}"


def heard(url: str, job_id: str, query: str = "") -> tuple[list[Report], int | None]:
    """All events that a socket gives, and the code that it is closed with."""
    frames = []
    with connect(socket_url(url, job_id, query), proxy=None) as socket:
        with contextlib.suppress(ConnectionClosed):
            while True:
                frames.append(json.loads(socket.recv(timeout=2 * WAIT_S)))
        return [frame for frame in frames if frame.get("type") != "ping"], socket.protocol.close_code


async def heard_by(socket: ClientConnection) -> list[Report]:
    """The same of an open socket."""
    frames = [json.loads(frame) async for frame in socket]
    return [frame for frame in frames if frame.get("type") != "ping"]


# --- Accepting, polling, listing ---


def test_a_job_is_accepted_with_its_addresses(client: httpx.Client, server_url: str) -> None:
    reply = client.post(ASYNC, json={"text": "Ants file long reports."})
    assert reply.status_code == 202
    job_id = reply.json()["render_id"]
    assert re.fullmatch("[0-9a-f]{32}", job_id)
    assert reply.json() == {
        "render_id": job_id,
        "job_id": job_id,
        "status": "pending",
        "poll_url": f"{server_url}/v1/avatar/render/{job_id}",
        "ws_url": socket_url(server_url, job_id),
    }
    assert ended(client, job_id)["status"] == "completed"
    assert client.get(reply.json()["poll_url"]).json()["status"] == "completed"


def test_a_poll_tells_a_job_from_waiting_to_done(narrow: httpx.Client) -> None:
    running = busy(narrow)
    text = "Bees sign for every parcel. " * 5
    waiting = hand_in(narrow, text)
    pending = poll(narrow, waiting)
    assert set(pending) == JOB_FIELDS == set(report(narrow, waiting))
    assert pending["job_id"] == pending["render_id"] == waiting and pending["status"] == "pending"
    assert (pending["progress"], pending["stage"], pending["attempt"], pending["queue_position"]) == (0, "queue", 0, 1)
    assert pending["started_at"] is pending["ended_at"] is pending["error"] is None
    assert pending["priority"] == "normal" and pending["voice_id"] == "en_US-joe-medium"
    assert pending["text"] == f"{text[:80]}…" and pending["message"]
    processing = poll(narrow, running)
    assert processing["status"] == "processing" and processing["stage"] == "tts" and 0 <= processing["progress"] < 100
    assert processing["attempt"] == 1 and processing["queue_position"] is processing["ended_at"] is None
    cancel(narrow, running)
    assert ended(narrow, waiting)["status"] == "completed"
    done = poll(narrow, waiting)
    assert set(done) == JOB_FIELDS | RENDER_FIELDS
    assert done["status"] == "completed" and done["progress"] == 100 and done["stage"] == "done"
    assert done["error"] is done["queue_position"] is None and done["cached"] is False
    assert done["processing_time_ms"] > 0 and done["timings"]["tts"]["calls"] == 5
    times = [datetime.fromisoformat(done[name]) for name in ("created_at", "started_at", "ended_at")]
    assert times == sorted(times) and all(each.utcoffset() is not None for each in times)
    check(narrow, done, text)


def test_a_job_has_what_a_render_has(client: httpx.Client) -> None:
    fields = {"text": "Cats draft the minutes.", "viseme_set": "oculus", "timing": "exact", "speed": 1.2}
    job_id = client.post(ASYNC, json=fields).json()["job_id"]
    ended(client, job_id)
    done, sync = poll(client, job_id), client.post(RENDER, json=fields).json()
    assert sync["cached"] is True and set(sync) == RENDER_FIELDS
    own_ones = {"render_id", "audio_url", "captions_url", "cached", "processing_time_ms", "timings"}
    assert {name: done[name] for name in RENDER_FIELDS - own_ones} == {
        name: sync[name] for name in sync if name not in own_ones
    }
    again = poll(client, sync["render_id"])  # an answer that was given again has no job, and can be asked for as well
    assert again["status"] == "completed" and again["render_id"] == sync["render_id"]
    assert again["mouth_cues"] == sync["mouth_cues"] and again["audio_url"] == sync["audio_url"]


@pytest.mark.parametrize("job_id", [UNKNOWN, *NO_IDS], ids=lambda job_id: job_id[:10])
def test_an_unknown_job_is_404_everywhere(client: httpx.Client, job_id: str) -> None:
    for method, path in (
        ("GET", f"/jobs/{job_id}"),
        ("GET", f"{RENDER}/{job_id}"),
        ("GET", f"/jobs/{job_id}/events"),
        ("DELETE", f"/jobs/{job_id}/cancel"),
    ):
        answer = client.request(method, path)
        assert answer.status_code == 404, path
        assert error_of(answer)["code"] == "not_found" and len(answer.text) < 500


def test_the_list_is_newest_first_and_by_state(client: httpx.Client) -> None:
    done = hand_in(client, "Dogs audit the kennel.")
    ended(client, done)
    failed = hand_in(client, "... ...")
    ended(client, failed)
    listed = client.get("/jobs", params={"limit": 2}).json()
    assert [job["job_id"] for job in listed["jobs"]] == [failed, done]
    assert all(set(job) == JOB_FIELDS for job in listed["jobs"])
    for status, mine, other in (("completed", done, failed), ("failed", failed, done)):
        page = client.get("/jobs", params={"status": status, "limit": 200}).json()
        assert {job["status"] for job in page["jobs"]} == {status}
        ids = [job["job_id"] for job in page["jobs"]]
        assert mine in ids and other not in ids
    assert client.get("/jobs", params={"status": "pending"}).json() == {"jobs": [], "next_cursor": None}


@pytest.mark.parametrize("status", [None, "completed"])
def test_pages_lose_and_repeat_nothing_while_jobs_come(client: httpx.Client, status: str | None) -> None:
    mine = [hand_in(client, f"Eagles read page {number}.") for number in range(7)]
    until_ended(client, mine)
    query: dict[str, Any] = {"limit": 3, **({"status": status} if status else {})}
    found: list[Report] = []
    pages = 0
    while True:
        page = client.get("/jobs", params=query).json()
        found += page["jobs"]
        pages += 1
        assert len(page["jobs"]) == 3 or page["next_cursor"] is None
        if pages < 3:
            ended(client, hand_in(client, "Eagles come late."))  # at the front: no page moves
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    ids = [job["job_id"] for job in found]
    assert len(ids) == len(set(ids)) and pages > 2
    assert [job_id for job_id in ids if job_id in mine] == mine[::-1]
    times = [job["created_at"] for job in found]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("query", "hint"),
    [("limit=0", "200"), ("limit=201", "200"), ("limit=-1", "200"), ("limit=ten", "200"), ("status=done", "cancelled")],
)
def test_a_bad_query_is_422_that_says_what_is_allowed(client: httpx.Client, query: str, hint: str) -> None:
    answer = client.get(f"/jobs?{query}")
    assert answer.status_code == 422
    error = error_of(answer)
    assert (
        error["message"].startswith(query.partition("=")[0]) and hint in error["hint"] and "JSON" not in error["hint"]
    )


@pytest.mark.parametrize("cursor", ["", "x", "0" * 48, "f" * 48, "%00", "ф"])
def test_a_cursor_that_is_none_does_no_harm(client: httpx.Client, cursor: str) -> None:
    assert client.get(f"/jobs?cursor={cursor}").status_code == 200


# --- Cancelling ---


def test_a_cancelled_job_that_waits_never_starts(narrow: httpx.Client) -> None:
    before = settled(narrow)
    running = busy(narrow)
    waiting, later = hand_in(narrow, "Frogs leap."), hand_in(narrow, "Geese wait their turn.", cache="bypass")
    assert [report(narrow, job_id)["queue_position"] for job_id in (waiting, later)] == [1, 2]
    answer = cancel(narrow, waiting)
    assert answer.status_code == 200 and set(answer.json()) == JOB_FIELDS
    assert answer.json()["status"] == "cancelled" and answer.json()["job_id"] == waiting
    assert report(narrow, later)["queue_position"] == 1
    cancel(narrow, running)
    assert ended(narrow, later)["status"] == "completed"
    job = poll(narrow, waiting)
    assert job["status"] == "cancelled" and job["attempt"] == 0 and job["started_at"] is None
    assert job["ended_at"] and job["progress"] == 0 and job["error"] is None
    assert [step["status"] for step in events(narrow, waiting)] == ["pending", "cancelled"]
    after = settled(narrow)
    for state in ("pending", "processing"):
        assert after.grown(before, "avatar_cancellations_total", state=state) == 1
    assert after.grown(before, "avatar_renders_total", outcome="cancelled") == 2


def test_a_cancelled_job_at_work_stops_and_leaves_nothing(narrow: httpx.Client, own: Settings) -> None:
    folder = own.storage.data_dir / "results"
    ended(narrow, hand_in(narrow, "Hens count to one.", cache="bypass"))  # makes the folder
    files, before = sorted(folder.rglob("*")), settled(narrow)
    running = hand_in(narrow, LONG, cache="bypass")
    until(lambda: report(narrow, running)["progress"] >= 3)
    answer = cancel(narrow, running)
    assert answer.status_code == 200 and answer.json()["status"] == "cancelled"
    steps = events(narrow, running)
    check_events(steps, "cancelled")
    told = sum(step["stage"] == "tts" for step in steps)
    assert 0 < told < 100
    # Its place is free, and what was on its way to the voice is through before this is.
    small = hand_in(narrow, "Ibises count to one.", cache="bypass")
    assert ended(narrow, small)["status"] == "completed"
    then = settled(narrow)
    # One more than told runs to its end, and a few may have been spoken that nobody was told of yet.
    assert told <= then.grown(before, "avatar_stage_seconds_count", stage="tts") - 1 <= told + 5
    other = hand_in(narrow, "Jays count to one.", cache="bypass")
    assert ended(narrow, other)["status"] == "completed"
    assert settled(narrow).grown(then, "avatar_stage_seconds_count", stage="tts") == 1
    mine = {path for path in folder.rglob("*") if path not in files}
    kept = {path.resolve() for job_id in (small, other) for path in [folder / job_id, *(folder / job_id).iterdir()]}
    assert {path.resolve() for path in mine} == kept
    assert narrow.get(f"/audio/{running}.ogg").status_code == 404
    assert poll(narrow, running)["status"] == "cancelled"


def test_what_has_ended_cannot_be_cancelled(client: httpx.Client, tidy: None) -> None:
    done, failed, gone = hand_in(client, "Kites rest."), hand_in(client, "..."), hand_in(client, LONG, cache="bypass")
    assert cancel(client, gone).status_code == 200
    for job_id, status in ((done, "completed"), (failed, "failed"), (gone, "cancelled")):
        before = ended(client, job_id)
        assert before["status"] == status
        answer = cancel(client, job_id)
        assert answer.status_code == 409 and error_of(answer)["code"] == "conflict"
        assert "already" in error_of(answer)["message"] and report(client, job_id) == before


def test_a_job_that_is_cancelled_is_409_to_who_waits_for_it(narrow: httpx.Client, narrow_url: str) -> None:
    text = "Larks are not heard today."
    busy(narrow)

    async def scene() -> httpx.Response:
        async with http_many(narrow_url) as client:
            waiting = asyncio.create_task(client.post(RENDER, json={"text": text}))
            await asyncio.to_thread(until, lambda: of_text(narrow, text))
            (job,) = await asyncio.to_thread(of_text, narrow, text)
            assert job["priority"] == "high" and job["status"] == "pending"
            assert (await client.delete(f"/jobs/{job['job_id']}/cancel")).status_code == 200
            return await waiting

    answer = asyncio.run(scene())
    assert answer.status_code == 409 and error_of(answer)["code"] == "conflict"


# --- Progress ---


@pytest.fixture(scope="module")
def told(server_url: str) -> tuple[str, list[Report]]:
    """A completed job of several sentences and its events."""
    with http(server_url) as client:
        job_id = hand_in(client, "Moles dig. Newts swim. Owls watch. Pigs rest.", cache="bypass")
        ended(client, job_id)
        return job_id, events(client, job_id)


def sse(client: httpx.Client, job_id: str, query: str = "", **headers: str) -> list[Report]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with client.stream("GET", f"/jobs/{job_id}/events{query}", headers=sent) as stream:
        assert stream.status_code == 200
        lines = [line for line in stream.iter_lines() if line and not line.startswith(":")]
    ids = [int(line.removeprefix("id: ")) for line in lines[::2]]
    steps: list[Report] = [json.loads(line.removeprefix("data: ")) for line in lines[1::2]]
    assert ids == [step["seq"] for step in steps]
    return steps


def test_the_whole_story_is_told_again_by_both(
    client: httpx.Client, server_url: str, told: tuple[str, list[Report]]
) -> None:
    job_id, steps = told
    check_events(steps, "completed")
    assert all(set(step) == {"seq", "stage", "status", "progress", "message"} for step in steps)
    assert [step["status"] for step in steps[:2]] == ["pending", "processing"]
    assert [step["message"] for step in steps if step["stage"] == "tts"] == [
        f"Sentence {number} of 4 is spoken." for number in range(1, 5)
    ]
    assert steps[-1]["progress"] == 100 and steps[-1]["stage"] == "done"
    assert sse(client, job_id) == steps
    assert heard(server_url, job_id) == (steps, 1000)
    head = client.get(f"/jobs/{job_id}/events")
    assert head.headers["content-type"].startswith("text/event-stream") and head.headers["cache-control"] == "no-store"


def test_who_comes_back_gets_the_rest_alone(
    client: httpx.Client, server_url: str, told: tuple[str, list[Report]]
) -> None:
    job_id, steps = told
    for seen in (0, 1, 3, len(steps) - 1, len(steps), len(steps) + 5):
        assert sse(client, job_id, f"?last_seq={seen}") == steps[seen:]
        assert sse(client, job_id, Last_Event_ID=str(seen)) == steps[seen:]
        assert heard(server_url, job_id, f"?last_seq={seen}") == (steps[seen:], 1000)
    assert sse(client, job_id, "?last_seq=1", Last_Event_ID="3") == steps[3:]  # a browser that reconnects sends both


@pytest.mark.parametrize("seen", ["", "abc", "-1", "1.5", "9" * 400, "%00", "٣"])
def test_a_strange_last_event_does_no_harm(
    client: httpx.Client, server_url: str, told: tuple[str, list[Report]], seen: str
) -> None:
    job_id, steps = told
    rest = [] if seen.startswith("9") else steps
    assert sse(client, job_id, Last_Event_ID=seen if seen.isascii() else "x") == rest
    assert heard(server_url, job_id, f"?last_seq={seen}") == (rest, 1000)
    answer = client.get(f"/jobs/{job_id}/events?last_seq={seen}")
    assert answer.status_code == 422 and error_of(answer)["message"].startswith("last_seq")


@pytest.mark.parametrize("job_id", [UNKNOWN, "0123", "A" * 32])
def test_nothing_is_told_of_an_unknown_job(client: httpx.Client, server_url: str, job_id: str) -> None:
    assert heard(server_url, job_id) == ([], 4404)
    assert client.get(f"/jobs/{job_id}/events").status_code == 404


async def test_twenty_sockets_and_a_stream_hear_the_same(narrow: httpx.Client, narrow_url: str) -> None:
    running = await asyncio.to_thread(busy, narrow)
    job_id = await asyncio.to_thread(hand_in, narrow, "Quails run. Rooks fly. Seals swim. Toads hop.", cache="bypass")
    async with contextlib.AsyncExitStack() as stack:
        address = socket_url(narrow_url, job_id)
        sockets = [await stack.enter_async_context(connect_async(address, proxy=None)) for _ in range(20)]
        stream = asyncio.create_task(asyncio.to_thread(events, narrow, job_id))
        heard_by_all = asyncio.gather(*(heard_by(socket) for socket in sockets))
        await asyncio.to_thread(cancel, narrow, running)
        stories = [*await heard_by_all, await stream]
    assert {socket.close_code for socket in sockets} == {1000}
    check_events(stories[0], "completed")
    assert all(story == stories[0] for story in stories) and len(stories) == 21


async def test_a_cancel_ends_every_watching(narrow: httpx.Client, narrow_url: str) -> None:
    running = await asyncio.to_thread(busy, narrow)
    async with connect_async(socket_url(narrow_url, running), proxy=None) as socket:
        assert json.loads(await socket.recv())["seq"] == 1
        stream = asyncio.create_task(asyncio.to_thread(events, narrow, running))
        await asyncio.to_thread(cancel, narrow, running)
        rest = await heard_by(socket)
    assert socket.close_code == 1000 and rest[-1]["status"] == "cancelled" and rest[-1]["progress"] < 100
    assert (await stream)[1:] == rest


async def test_sockets_that_vanish_are_no_ones_loss(narrow: httpx.Client, narrow_url: str) -> None:
    """The life of a job never depends on a socket; nor does what another hears."""
    running = await asyncio.to_thread(busy, narrow)
    address = socket_url(narrow_url, running)
    async with connect_async(address, proxy=None) as stays:
        for _ in range(10):
            vanishing = await connect_async(address, proxy=None)
            assert json.loads(await vanishing.recv())["seq"] == 1
            vanishing.transport.abort()
            await vanishing.wait_closed()
        async with connect_async(address, proxy=None) as leaving:
            await leaving.recv()
        speaks = json.loads(await stays.recv())
        while speaks["stage"] != "tts":
            speaks = json.loads(await stays.recv())
        assert (await asyncio.to_thread(report, narrow, running))["status"] == "processing"
        await asyncio.to_thread(cancel, narrow, running)
        assert (await heard_by(stays))[-1]["status"] == "cancelled"


# --- Failing ---


def test_a_job_that_fails_says_why(client: httpx.Client, server_url: str) -> None:
    job_id = hand_in(client, "...")
    assert ended(client, job_id)["status"] == "failed"
    job = poll(client, job_id)
    sync = client.post(RENDER, json={"text": "..."})
    assert sync.status_code == 422
    error = error_of(sync)
    assert error["code"] == "nothing_to_speak" and error["hint"]
    assert job["error"] == error
    assert job["progress"] < 100 and job["stage"] == "done" and job["message"] == error["message"] and job["ended_at"]
    steps, code = heard(server_url, job_id)
    check_events(steps, "failed")
    assert code == 1000 and steps[-1]["message"] == error["message"] and sse(client, job_id) == steps
    assert client.get(f"/audio/{job_id}.ogg").status_code == 404


def test_a_fault_of_the_server_shows_no_inside(client: httpx.Client) -> None:
    body = {"text": "A measure of treasure.", "voice_id": BROKEN}
    job = ended(client, client.post(ASYNC, json=body).json()["job_id"])
    assert job["status"] == "failed" and job["error"]["code"] == "synthesis_failed"
    sync = client.post(RENDER, json=body)
    assert sync.status_code == 500 and error_of(sync)["message"] == job["error"]["message"] == job["message"]
    assert "Traceback" not in json.dumps(job) and "onnx" not in json.dumps(job).lower()


@pytest.mark.parametrize(
    "fields", [{"voice_id": "xx_XX-nobody-high"}, {"voice_id": "en_GB-alan-medium"}, {"text": " "}]
)
def test_what_can_be_seen_at_once_is_refused_at_once(client: httpx.Client, fields: dict[str, str]) -> None:
    newest = client.get("/jobs?limit=1").json()["jobs"]
    answer = client.post(ASYNC, json={"text": "Urchins roll.", **fields})
    assert answer.status_code == 422 and error_of(answer)["hint"]
    assert client.get("/jobs?limit=1").json()["jobs"] == newest


# --- Once only ---


def keyed(client: httpx.Client, key: str, path: str = ASYNC, **fields: Any) -> httpx.Response:
    body = {"text": "Voles wind clocks.", **fields}
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def test_the_same_key_and_body_is_the_same_job(client: httpx.Client) -> None:
    key = str(uuid4())
    first = keyed(client, key, cache="bypass")
    assert first.status_code == 202
    job_id = first.json()["render_id"]
    again = keyed(client, key, cache="bypass")
    assert again.status_code == 202 and again.json()["render_id"] == job_id
    sync = keyed(client, key, RENDER, cache="bypass")
    assert sync.status_code == 200 and sync.json()["render_id"] == job_id
    late = keyed(client, key, cache="bypass").json()
    assert late["render_id"] == job_id and late["status"] == "completed"
    assert keyed(client, str(uuid4()), cache="bypass").json()["render_id"] != job_id
    assert [job["job_id"] for job in reports(client)].count(job_id) == 1


def test_the_same_key_is_the_same_sync_render(client: httpx.Client) -> None:
    key = str(uuid4())
    first, again = (keyed(client, key, RENDER, text="Wrens wax skis.") for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert first.json()["render_id"] == again.json()["render_id"]
    other = keyed(client, str(uuid4()), RENDER, text="Wrens wax skis.")
    assert other.json()["render_id"] != first.json()["render_id"] and other.json()["cached"] is True


@pytest.mark.parametrize("path", [ASYNC, RENDER])
def test_the_same_key_with_another_body_is_422(client: httpx.Client, path: str) -> None:
    key = str(uuid4())
    first = keyed(client, key, path)
    assert first.is_success
    for fields in ({"text": "Another text."}, {"speed": 1.5}, {"priority": "low"}, {"viseme_set": "azure"}):
        answer = keyed(client, key, path, **fields)
        assert answer.status_code == 422 and error_of(answer)["code"] == "idempotency_mismatch", fields
    assert keyed(client, key, path).json()["render_id"] == first.json()["render_id"]


@pytest.mark.parametrize("key", [b"", b"two words", b"a" * 129, "ключ".encode(), b"\xff\xfe", b"a,b", b"<k>"])
@pytest.mark.parametrize("path", [ASYNC, RENDER])
def test_a_key_that_is_none_is_422(client: httpx.Client, path: str, key: bytes) -> None:
    answer = client.post(path, json={"text": "Yaks nap."}, headers=[(b"Idempotency-Key", key)])
    assert answer.status_code == 422 and "Idempotency-Key" in error_of(answer)["message"] and error_of(answer)["hint"]


@pytest.mark.parametrize("path", [ASYNC, RENDER])
async def test_duplicates_at_once_are_one_job(server_url: str, client: httpx.Client, path: str) -> None:
    text = f"Zebras stamp forms for {path.rpartition('/')[2]}."
    headers = {"Idempotency-Key": str(uuid4())}
    async with http_many(server_url) as many:
        sent = (many.post(path, json={"text": text, "cache": "bypass"}, headers=headers) for _ in range(20))
        answers = await asyncio.gather(*sent)
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]
    assert len({answer.json()["render_id"] for answer in answers}) == 1
    (job,) = await asyncio.to_thread(of_text, client, text)
    assert job["job_id"] == answers[0].json()["render_id"]
    assert (await asyncio.to_thread(ended, client, job["job_id"]))["status"] == "completed"


async def test_who_asks_again_is_told_of_the_same_job_when_it_takes_too_long(
    narrow: httpx.Client, narrow_url: str
) -> None:
    await asyncio.to_thread(busy, narrow)
    await asyncio.to_thread(hand_in, narrow, LONG, priority="high", cache="bypass")  # it is not over in time
    body, headers = {"text": "Apes are patient."}, {"Idempotency-Key": str(uuid4())}
    async with http_many(narrow_url) as client:
        answers = await asyncio.gather(*(client.post(RENDER, json=body, headers=headers) for _ in range(3)))
        assert {answer.status_code for answer in answers} == {504}
        errors = [answer.json()["error"] for answer in answers]
        (address,) = {error["poll_url"] for error in errors}
        job = (await client.get(address)).json()
    assert job["status"] == "pending" and {error["render_id"] for error in errors} == {job["job_id"]}


async def test_who_was_cut_off_comes_back_with_the_same_key(server_url: str, client: httpx.Client) -> None:
    text = many("Impala", 12)
    body, headers = {"text": text, "cache": "bypass"}, {"Idempotency-Key": str(uuid4())}
    async with http_many(server_url) as cut_off:
        waiting = asyncio.create_task(cut_off.post(RENDER, json=body, headers=headers))
        await asyncio.to_thread(until, lambda: of_text(client, f"{text[:80]}…"))
        (job,) = await asyncio.to_thread(of_text, client, f"{text[:80]}…")
        waiting.cancel()
    async with http_many(server_url) as back:
        answer = await back.post(RENDER, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["render_id"] == job["job_id"]
    assert len(await asyncio.to_thread(of_text, client, f"{text[:80]}…")) == 1


# --- Order ---


def test_a_high_job_starts_before_those_that_came_earlier(narrow: httpx.Client) -> None:
    running = busy(narrow)
    text = "{} is next. " * 3
    lows = [hand_in(narrow, text.format(*"abc", number), priority="low", cache="bypass") for number in range(4)]

    def positions(*job_ids: str) -> list[int | None]:
        return [report(narrow, job_id)["queue_position"] for job_id in job_ids]

    assert positions(*lows) == [1, 2, 3, 4]
    normal = hand_in(narrow, "The normal one is next.", cache="bypass")
    high = hand_in(narrow, "The high one is next.", priority="high", cache="bypass")
    assert positions(high, normal, *lows) == [1, 2, 3, 4, 5, 6]
    assert cancel(narrow, lows.pop(1)).status_code == 200
    assert positions(high, normal, *lows) == [1, 2, 3, 4, 5]
    cancel(narrow, running)
    seen: list[int | None] = []

    def is_last_done() -> bool:
        job = report(narrow, lows[-1])
        seen.append(job["queue_position"])
        return job["status"] in ENDED

    until(is_last_done)
    counted = [position for position in seen if position is not None]
    assert counted == sorted(counted, reverse=True) and seen[-1] is None and set(counted) <= {1, 2, 3, 4, 5}
    jobs = [report(narrow, job_id) for job_id in (high, normal, *lows)]
    assert [job["status"] for job in jobs] == ["completed"] * 5
    starts = [job["started_at"] for job in jobs]
    assert starts == sorted(starts) and len(set(starts)) == 5
    assert [job["priority"] for job in jobs] == ["high", "normal", "low", "low", "low"]


def test_who_waits_goes_before_jobs(narrow: httpx.Client, narrow_url: str) -> None:
    """Unless the request says otherwise."""
    running = busy(narrow)
    job_id = hand_in(narrow, "Bats sleep late.", cache="bypass")
    texts = {"high": "Cod swim first.", "low": "Eels swim last."}

    async def scene() -> None:
        async with http_many(narrow_url) as client:
            first = asyncio.create_task(client.post(RENDER, json={"text": texts["high"], "cache": "bypass"}))
            low = {"text": texts["low"], "cache": "bypass", "priority": "low"}
            last = asyncio.create_task(client.post(RENDER, json=low))
            await asyncio.to_thread(until, lambda: all(of_text(narrow, text) for text in texts.values()))
            queue = (await client.get("/jobs?status=pending")).json()["jobs"]
            assert {job["text"]: job["queue_position"] for job in queue} == {
                texts["high"]: 1,
                "Bats sleep late.": 2,
                texts["low"]: 3,
            }
            await client.delete(f"/jobs/{running}/cancel")
            await asyncio.gather(first, last)

    asyncio.run(scene())
    (high,), (low,) = (of_text(narrow, text) for text in texts.values())
    starts = [ended(narrow, each)["started_at"] for each in (high["job_id"], job_id, low["job_id"])]
    assert starts == sorted(starts)


# --- Callbacks ---


class Receiver:
    """Takes callbacks on loopback, and fails the first of each job."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, dict[str, str], bytes]] = []
        self.answered: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_new = all(body != known for _, _, known in receiver.letters)
                receiver.letters.append(
                    (self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                )
                receiver.answered.append(503 if is_new else 200)
                self.send_response(receiver.answered[-1])
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/told?by=avatar"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_callback_is_signed_and_sent_until_it_is_taken(narrow: httpx.Client, receiver: Receiver, status: str) -> None:
    texts = {"completed": "Foals call home.", "failed": "... ...", "cancelled": LONG}
    started_s = time.time()
    job_id = hand_in(narrow, texts[status], cache="bypass", callback_url=receiver.url)
    if status == "cancelled":
        cancel(narrow, job_id)
    assert ended(narrow, job_id)["status"] == status
    until(lambda: receiver.answered == [503, 200])
    (path, headers, body), (_, again, same) = receiver.letters
    assert path == "/told?by=avatar" and headers["content-type"] == "application/json" and body == same
    assert headers["x-avatar-delivery"] == again["x-avatar-delivery"]
    for sent in (headers, again):
        match = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", sent["x-avatar-signature"])
        assert match and started_s - 1 <= int(match[1]) <= time.time()
        assert hmac.new(SECRET.encode(), f"{match[1]}.".encode() + body, hashlib.sha256).hexdigest() == match[2]
    letter, job = json.loads(body), poll(narrow, job_id)
    assert letter["event"] == f"job.{status}" and letter["status"] == status
    assert letter["job_id"] == letter["render_id"] == job_id
    assert narrow.get(letter["poll_path"]).json() == job
    assert letter["duration_ms"] == job.get("duration_ms")
    assert letter["error"] == job["error"] and (job["error"] is not None) == (status == "failed")
    assert SECRET not in body.decode()


def test_who_waits_may_have_a_callback_too(narrow: httpx.Client, receiver: Receiver) -> None:
    answer = narrow.post(RENDER, json={"text": "Gnus call twice.", "callback_url": receiver.url})
    assert answer.status_code == 200
    until(lambda: receiver.answered == [503, 200])
    assert json.loads(receiver.letters[0][2])["render_id"] == answer.json()["render_id"]


@pytest.mark.parametrize("path", [ASYNC, RENDER])
def test_without_a_secret_a_callback_is_refused(client: httpx.Client, path: str) -> None:
    answer = client.post(path, json={"text": "Hares hush.", "callback_url": "https://example.com/told"})
    assert answer.status_code == 422 and error_of(answer)["message"].startswith("callback_url")
    assert "webhook_secret" in error_of(answer)["hint"]


@pytest.mark.parametrize(
    "address",
    [
        *("", "told", "ftp://example.com/", "file:///etc/passwd", "https://", "https://me:pw@example.com/"),
        *("https://example.com:99999/", f"https://example.com/{'a' * 2048}", "http://exa mple.com", "\ud800"),
    ],
)
def test_what_is_no_address_is_refused(narrow: httpx.Client, address: str) -> None:
    body = json.dumps({"text": "Jackals jot.", "callback_url": address})
    answer = narrow.post(ASYNC, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and error_of(answer)["message"].startswith("callback_url")
    assert error_of(answer)["hint"]


# --- Leaving ---


@contextlib.asynccontextmanager
async def two_who_wait(
    url: str, client: httpx.Client, text: str, **headers: str
) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Two equal sync renders, one of which is the other's."""
    async with http_many(url) as many, contextlib.AsyncExitStack() as stack:
        waiting: list[asyncio.Task[httpx.Response]] = []
        for _ in range(2):
            waiting.append(asyncio.create_task(many.post(RENDER, json={"text": text}, headers=headers)))
            await asyncio.to_thread(until, lambda: of_text(client, f"{text[:80]}…"))
            for _ in range(3):  # what was sent after it is answered: it has arrived
                await many.get("/health")
        stack.callback(lambda: [task.cancel() for task in waiting])
        yield waiting


def many(kind: str, sentences: int = 25) -> str:
    """A text that takes seconds."""
    return " ".join(f"{kind} number {number} is counted again." for number in range(sentences))


@pytest.mark.parametrize("leaver", [0, 1], ids=["the first", "the second"])
async def test_one_of_two_who_wait_may_leave(server_url: str, client: httpx.Client, leaver: int) -> None:
    text = many(f"Koala {leaver}", 12)
    async with two_who_wait(server_url, client, text) as waiting:
        await asyncio.to_thread(until, lambda: client.get("/health").json()["pending_jobs"] == 1)
        (job,) = await asyncio.to_thread(of_text, client, f"{text[:80]}…")
        await asyncio.to_thread(until, lambda: report(client, job["job_id"])["stage"] == "tts")
        waiting[leaver].cancel()
        answer = await waiting[1 - leaver]
    assert answer.status_code == 200, answer.text
    job = await asyncio.to_thread(report, client, job["job_id"])
    assert job["status"] == "completed" and job["attempt"] == 1
    assert len(await asyncio.to_thread(of_text, client, f"{text[:80]}…")) == 1
    await asyncio.to_thread(check, client, answer.json(), text)


async def test_one_of_two_with_the_same_key_may_leave(server_url: str, client: httpx.Client) -> None:
    text = many("Lemur", 12)
    async with two_who_wait(server_url, client, text, **{"Idempotency-Key": str(uuid4())}) as waiting:
        (job,) = await asyncio.to_thread(of_text, client, f"{text[:80]}…")
        await asyncio.to_thread(until, lambda: report(client, job["job_id"])["stage"] == "tts")
        waiting[0].cancel()
        answer = await waiting[1]
    assert answer.status_code == 200, answer.text
    assert answer.json()["render_id"] == job["job_id"]


@pytest.mark.parametrize("cache", ["use", "bypass"])
async def test_a_render_that_nobody_waits_for_is_cancelled(server_url: str, client: httpx.Client, cache: str) -> None:
    text = many(f"Mouse {cache}")
    async with http_many(server_url) as leaving:
        waiting = asyncio.create_task(leaving.post(RENDER, json={"text": text, "cache": cache}))
        await asyncio.to_thread(until, lambda: of_text(client, f"{text[:80]}…"))
        (job,) = await asyncio.to_thread(of_text, client, f"{text[:80]}…")
        await asyncio.to_thread(until, lambda: report(client, job["job_id"])["stage"] == "tts")
        waiting.cancel()
        job = await asyncio.to_thread(ended, client, job["job_id"])
    assert job["status"] == "cancelled" and job["progress"] < 100


async def test_a_job_that_was_handed_in_outlives_who_waits_for_it(server_url: str, client: httpx.Client) -> None:
    """With its key, a sync render waits for a job that somebody handed in to be done."""
    text = many("Nutria", 12)
    body, headers = {"text": text}, {"Idempotency-Key": str(uuid4())}
    async with http_many(server_url) as leaving:
        job_id = (await leaving.post(ASYNC, json=body, headers=headers)).json()["job_id"]
        waiting = asyncio.create_task(leaving.post(RENDER, json=body, headers=headers))
        await asyncio.to_thread(until, lambda: report(client, job_id)["stage"] == "tts")
        waiting.cancel()
        job = await asyncio.to_thread(ended, client, job_id)
    assert job["status"] == "completed"
