"""Who may do what on a server with API keys, and what it refuses to read at all. On real Ray."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from deployments.jobs.contract import ApiKey
from serve_app.settings import Settings
from tests.serve_app.jobs import ASYNC, ENDED, report, reports, until_ended
from tests.serve_app.test_cache import application, check, http, until
from tests.serve_app.test_limits import LONG, changed
from tests.serve_app.test_server import RENDER, error_of

KEYS = {name: f"av_{secrets.token_urlsafe(24)}" for name in ("admin", "plain", "limited")}
PER_MINUTE, AT_A_TIME = 12, 2
"""The former is enough for all tests before the one that is about it."""
WEBHOOK_SECRET = "nobody may read this secret"
PAGE = "https://page.example"
OPEN = {
    *(("get", "/audio/{render_id}.{extension}"), ("get", "/v1/avatar/render/{render_id}/captions.{extension}")),
    *(("get", "/download/{render_id}.{extension}"), ("get", "/stream/{render_id}.mp4")),
    *(
        ("get", "/v1/avatar/render/{render_id}/thumbnail.{extension}"),
        ("get", "/portraits"),
        ("get", "/portraits/{name}.png"),
    ),
    *(("get", "/jobs/{job_id}/events"), ("get", "/health"), ("get", "/health/ready")),
}
"""What needs no key: media and progress, by an ID that nobody can guess; pictures of ours; what load balancers ask."""
FOR_ADMINS = [
    *(("GET", "/config"), ("GET", "/metrics"), ("GET", "/cache/stats")),
    *(("DELETE", "/cache/clear"), ("POST", "/cache/cleanup")),
]


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture(scope="module")
def own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three keys, a page of another origin, and callbacks to the public alone."""
    rights: dict[str, dict[str, Any]] = {
        "admin": {"admin": True},
        "plain": {},
        "limited": {"requests_per_minute": PER_MINUTE, "concurrent_jobs": AT_A_TIME, "priority": "normal"},
    }
    keys = tuple(ApiKey(name=name, sha256=SecretStr(digest(key)), **rights[name]) for name, key in KEYS.items())
    moved = changed(settings, "storage", data_dir=tmp_path_factory.mktemp("access"))
    kept = changed(moved, "access", keys=keys, cors_origins=(PAGE,))
    return changed(kept, "jobs", webhook_secret=SecretStr(WEBHOOK_SECRET))


@pytest.fixture(scope="module")
def url(ray_serve: str, own: Settings) -> Iterator[str]:
    with application(ray_serve, own, "access") as address:
        yield address


@pytest.fixture
def nobody(url: str) -> Iterator[httpx.Client]:
    """A client without a key."""
    with http(url) as client:
        yield client


def holder(url: str, name: str) -> Iterator[httpx.Client]:
    with http(url) as client:
        client.headers["Authorization"] = f"Bearer {KEYS[name]}"
        yield client


@pytest.fixture
def admin(url: str) -> Iterator[httpx.Client]:
    """Leaves nothing at work behind."""
    for client in holder(url, "admin"):
        yield client
        for job in reports(client):
            if job["status"] not in ENDED:
                client.delete(f"/jobs/{job['job_id']}/cancel")
        until(lambda client=client: client.get("/health").json()["pending_jobs"] == 0)  # type: ignore[misc]


@pytest.fixture
def plain(url: str, admin: httpx.Client) -> Iterator[httpx.Client]:
    yield from holder(url, "plain")


@pytest.fixture
def limited(url: str, admin: httpx.Client) -> Iterator[httpx.Client]:
    yield from holder(url, "limited")


def submit(client: httpx.Client, text: str, **fields: Any) -> str:
    reply = client.post(ASYNC, json={"text": text, **fields})
    assert reply.status_code == 202, reply.text
    job_id: str = reply.json()["job_id"]
    return job_id


# --- Keys ---


def routes(client: httpx.Client) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and documentation of every route."""
    paths = client.get("/openapi.json").json()["paths"]
    return [(method, path, operation) for path, each in paths.items() for method, operation in each.items()]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {KEYS['admin']}"},
        {"X-API-Key": "wrong"},
        {"X-API-Key": digest(KEYS["admin"])},
        {"X-API-Key": KEYS["admin"].upper()},
        {"Cookie": f"X-API-Key={KEYS['admin']}"},
    ],
    ids=["none", "wrong", "empty", "basic", "wrong header", "digest", "upper case", "cookie"],
)
def test_every_route_but_the_open_ones_needs_a_key(nobody: httpx.Client, headers: dict[str, str]) -> None:
    found = routes(nobody)
    assert len(found) > 18 and {(method, path) for method, path, _ in found} > OPEN
    for method, path, operation in found:
        place = path.format(
            **{name: "0" * 32 for name in ("job_id", "render_id")}, extension="ogg", model="tts-1", name="ada"
        )
        answer = nobody.request(method, place, headers=headers, json={} if method == "post" else None)
        if (method, path) in OPEN:
            assert answer.status_code in {200, 404}, path
            assert not operation.get("security"), path
        else:
            assert answer.status_code == 401, (method, path, answer.text)
            error = error_of(answer)
            assert error["code"] == "unauthorized" and error["hint"] and answer.headers["www-authenticate"] == "Bearer"
            assert operation["security"] and "401" in operation["responses"], path


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEYS['plain']}"},
        {"Authorization": f"bearer {KEYS['plain']}"},
        {"X-API-Key": KEYS["plain"]},
        {"Authorization": "Basic bWU6cHc=", "X-API-Key": KEYS["plain"]},
    ],
    ids=["bearer", "lower case", "header", "behind a proxy"],
)
def test_either_header_carries_a_key(nobody: httpx.Client, headers: dict[str, str]) -> None:
    answer = nobody.post(RENDER, json={"text": "Keys open doors."}, headers=headers)
    assert answer.status_code == 200
    assert nobody.get("/v1/voices", headers=headers).status_code == 200
    assert nobody.get("/health/detailed", headers=headers).status_code == 200


def test_health_and_the_page_are_open(nobody: httpx.Client) -> None:
    assert nobody.get("/health").json()["status"] == "healthy"
    assert nobody.get("/health/ready").json()["ready"] is True
    page = nobody.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert nobody.get("/docs").status_code == 200


@pytest.mark.parametrize(("method", "path"), FOR_ADMINS)
def test_operations_are_for_admins(
    plain: httpx.Client, limited: httpx.Client, admin: httpx.Client, method: str, path: str
) -> None:
    for client in (plain, limited):
        answer = client.request(method, path)
        assert answer.status_code == 403 and error_of(answer)["code"] == "forbidden" and error_of(answer)["hint"]
    assert admin.request(method, path).status_code == 200


def test_secrets_are_masked(admin: httpx.Client) -> None:
    answer = admin.get("/config")
    for secret in (WEBHOOK_SECRET, *KEYS.values(), *map(digest, KEYS.values())):
        assert secret not in answer.text
    config = answer.json()
    assert [key["name"] for key in config["access"]["keys"]] == list(KEYS)
    assert {key["sha256"] for key in config["access"]["keys"]} == {config["jobs"]["webhook_secret"]} == {"*" * 10}
    assert config["access"]["keys"][2]["requests_per_minute"] == PER_MINUTE
    for path in ("/metrics", "/health/detailed"):
        text = admin.get(path).text
        assert not any(secret in text for secret in (WEBHOOK_SECRET, *map(digest, KEYS.values()), "limited"))


# --- Whose jobs ---


def test_jobs_of_one_key_are_unknown_to_another(
    plain: httpx.Client, limited: httpx.Client, admin: httpx.Client
) -> None:
    done, running = submit(plain, "Mine alone.", cache="bypass"), submit(plain, LONG, cache="bypass")
    until_ended(plain, [done])
    for job_id in (done, running):
        for method, path in (
            ("GET", f"/jobs/{job_id}"),
            ("GET", f"{RENDER}/{job_id}"),
            ("DELETE", f"/jobs/{job_id}/cancel"),
        ):
            answer = limited.request(method, path)
            assert answer.status_code == 404, path
            assert error_of(answer)["code"] == "not_found"
    assert limited.get("/jobs").json() == {"jobs": [], "next_cursor": None}
    assert limited.get("/jobs?status=completed").json()["jobs"] == []
    assert [job["job_id"] for job in reports(plain)][:2] == [running, done]
    theirs = submit(limited, "Theirs.")
    assert [job["job_id"] for job in reports(limited)] == [theirs]
    assert theirs not in {job["job_id"] for job in reports(plain)}
    assert {done, running, theirs} <= {job["job_id"] for job in reports(admin)}
    for job_id in (done, running, theirs):
        assert report(admin, job_id) and admin.get(f"{RENDER}/{job_id}").status_code == 200
    assert plain.get(f"{RENDER}/{done}").json()["status"] == "completed"
    assert admin.delete(f"/jobs/{running}/cancel").status_code == 200
    assert report(plain, running)["status"] == "cancelled"
    until_ended(limited, [theirs])


def test_a_job_of_another_is_as_if_it_were_not(plain: httpx.Client, limited: httpx.Client) -> None:
    done, running = submit(plain, "Nobody knows."), submit(plain, LONG, cache="bypass")
    until_ended(plain, [done])
    for method, path in (("GET", "/jobs/{}"), ("GET", f"{RENDER}/{{}}"), ("DELETE", "/jobs/{}/cancel")):
        none = limited.request(method, path.format("0" * 32)).text
        for job_id in (done, running):
            assert limited.request(method, path.format(job_id)).text == none.replace("0" * 32, job_id), path


def test_whose_cursor_it_is_makes_no_difference(plain: httpx.Client, limited: httpx.Client) -> None:
    until_ended(plain, [submit(plain, f"Page {number}.") for number in range(3)])
    cursor = plain.get("/jobs?limit=1").json()["next_cursor"]
    mine = {job["job_id"] for job in reports(limited)}
    page = limited.get("/jobs", params={"cursor": cursor}).json()
    assert {job["job_id"] for job in page["jobs"]} <= mine


def test_a_key_for_once_only_belongs_to_its_api_key(plain: httpx.Client, admin: httpx.Client) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first = plain.post(ASYNC, json={"text": "Once."}, headers=headers)
    other = admin.post(ASYNC, json={"text": "Once more."}, headers=headers)
    assert first.status_code == other.status_code == 202
    assert first.json()["job_id"] != other.json()["job_id"]
    until_ended(admin, [first.json()["job_id"], other.json()["job_id"]])


def test_an_answer_given_again_belongs_to_who_got_it(plain: httpx.Client, admin: httpx.Client) -> None:
    """The second comes out of the memory of answers: a render with no job of its own."""
    first = admin.post(RENDER, json={"text": "Shared words."}).json()
    second = plain.post(RENDER, json={"text": "Shared words."}).json()
    assert second["cached"] is True and second["render_id"] != first["render_id"]
    assert plain.get(f"{RENDER}/{second['render_id']}").json()["status"] == "completed"
    assert plain.get(f"{RENDER}/{first['render_id']}").status_code == 404


def test_media_and_progress_need_the_id_alone(nobody: httpx.Client, plain: httpx.Client, url: str) -> None:
    text = "Players cannot send headers."
    job_id = submit(plain, text, cache="bypass")
    until_ended(plain, [job_id])
    check(nobody, plain.get(f"{RENDER}/{job_id}").json(), text)
    assert nobody.get(f"/audio/{job_id}.ogg", headers={"Range": "bytes=0-9"}).status_code == 206
    story = nobody.get(f"/jobs/{job_id}/events").text
    assert '"completed"' in story
    frames = []
    with connect(f"ws{url.removeprefix('http')}/ws/progress/{job_id}", proxy=None) as socket:
        try:
            while True:
                frames.append(json.loads(socket.recv(timeout=60)))
        except ConnectionClosed:
            assert socket.protocol.close_code == 1000
    assert [f"data: {json.dumps(frame)}" for frame in frames] == [
        line for line in story.splitlines() if line.startswith("data: ")
    ]


# --- How much ---


def test_a_priority_above_that_of_the_key_is_403(limited: httpx.Client, plain: httpx.Client) -> None:
    for path in (RENDER, ASYNC):
        answer = limited.post(path, json={"text": "Me first.", "priority": "high"})
        assert answer.status_code == 403
        error = error_of(answer)
        assert error["code"] == "forbidden" and error["message"].startswith("priority")
        assert "normal" in error["hint"] and "low" in error["hint"] and "high" not in error["hint"]
    text = "Who waits has the class of the key."
    render_id = limited.post(RENDER, json={"text": text}).json()["render_id"]
    assert report(limited, render_id)["priority"] == "normal"
    assert plain.post(ASYNC, json={"text": text, "priority": "high"}).status_code == 202


def test_a_key_has_so_many_jobs_at_a_time(limited: httpx.Client, plain: httpx.Client) -> None:
    running = [submit(limited, LONG, cache="bypass") for _ in range(AT_A_TIME)]
    for path in (ASYNC, RENDER):
        answer = limited.post(path, json={"text": "One more.", "cache": "bypass"})
        assert answer.status_code == 429, answer.text
        assert error_of(answer)["code"] == "too_many_jobs" and int(answer.headers["retry-after"]) > 0
    assert error_of(answer)["hint"]
    submit(plain, "Others are not concerned.")
    assert limited.delete(f"/jobs/{running[0]}/cancel").status_code == 200
    until_ended(limited, [submit(limited, "Now there is room.", cache="bypass")])


def test_a_key_has_so_many_requests_a_minute(limited: httpx.Client, plain: httpx.Client) -> None:
    answers: list[httpx.Response] = []
    while not answers or answers[-1].status_code != 429:
        answers.append(limited.post(RENDER, json={"text": "Again and again."}))
        assert len(answers) < 10 * PER_MINUTE
    assert {answer.status_code for answer in answers[:-1]} <= {200}
    refused = answers[-1]
    assert error_of(refused)["code"] == "rate_limited" and error_of(refused)["hint"]
    wait_s = int(refused.headers["retry-after"])
    assert 0 < wait_s <= 60 / PER_MINUTE
    speech = limited.post("/v1/audio/speech", json={"input": "Again."})
    assert speech.status_code == 429 and error_of(speech)["code"] == "rate_limited"
    # What starts nothing is free; so are others.
    for path in ("/jobs", "/v1/voices", "/v1/models", f"/jobs/{'0' * 32}"):
        assert limited.get(path).status_code != 429
    assert plain.post(RENDER, json={"text": "Again and again."}).status_code == 200
    asked_s = time.monotonic()
    until(lambda: limited.post(RENDER, json={"text": "Again and again."}).status_code == 200)
    assert time.monotonic() - asked_s < 60, "the wait that was promised is far shorter"


@pytest.mark.parametrize(
    "address",
    [
        *(
            "http://127.0.0.1:8000/",
            "http://localhost/",
            "https://10.0.0.1/",
            "http://[::1]/",
            "http://169.254.169.254/",
        ),
        *("http://0x7f000001/", "http://127.1/", "http://2130706433/", "http://[::ffff:127.0.0.1]/"),
    ],
)
def test_a_callback_never_leads_inside(plain: httpx.Client, address: str) -> None:
    answer = plain.post(ASYNC, json={"text": "Knock, knock.", "callback_url": address})
    assert answer.status_code == 422 and error_of(answer)["message"].startswith("callback_url")
    assert "private" in answer.text


# --- At the edge ---


def test_a_body_may_be_so_long(nobody: httpx.Client, plain: httpx.Client) -> None:
    body = json.dumps({"text": "Hi", "speaker": "a" * 70_000}).encode()
    headers = {"Content-Type": "application/json"}
    for client in (nobody, plain):  # nobody is asked for a key first: what is too long is not even read
        for content in (body, iter([body[:40_000], body[40_000:]])):
            answer = client.post(RENDER, content=content, headers=headers)
            assert answer.status_code == 413 and error_of(answer)["code"] == "body_too_large"
    longest = json.dumps({"text": "\U0001f600" * 5000, "voice_id": "xx_XX-nobody-high"}).encode()
    assert len(longest) > 60_000
    read = plain.post(ASYNC, content=longest, headers=headers)
    assert read.status_code == 422 and error_of(read)["code"] == "unknown_voice"


def test_headers_may_be_so_many(nobody: httpx.Client) -> None:
    for headers in ({"Cookie": "a" * 13_000}, {f"X-Header-{number}": "a" for number in range(70)}):
        answer = nobody.get("/health", headers=headers)
        assert answer.status_code == 431 and error_of(answer)["code"] == "headers_too_large"
    assert nobody.get("/health", headers={"Cookie": "a" * 8_000}).status_code == 200


def test_a_page_of_another_origin_may_ask(nobody: httpx.Client, plain: httpx.Client) -> None:
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, x-api-key",
    }
    allowed = nobody.options(RENDER, headers=asked)
    assert allowed.status_code == 200 and allowed.headers["access-control-allow-origin"] == PAGE
    assert {"GET", "POST", "DELETE"} <= set(allowed.headers["access-control-allow-methods"].split(", "))
    assert "idempotency-key" in allowed.headers["access-control-allow-headers"].lower()
    answer = plain.post(RENDER, json={"text": "From afar."}, headers={"Origin": PAGE})
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == PAGE
    for refused in (
        nobody.get("/jobs", headers={"Origin": PAGE}),
        nobody.post(RENDER, content=b"a" * 70_000, headers={"Origin": PAGE}),
        nobody.get("/jobs", headers={"Origin": PAGE, "Cookie": "a" * 13_000}),
    ):
        assert refused.status_code in {401, 413, 431} and refused.headers["access-control-allow-origin"] == PAGE
    stranger = nobody.options(RENDER, headers={**asked, "Origin": "https://evil.example"})
    assert stranger.status_code == 400 and "access-control-allow-origin" not in stranger.headers
    assert (
        "access-control-allow-origin" not in nobody.get("/health", headers={"Origin": "https://evil.example"}).headers
    )


def test_without_the_setting_no_other_page_may_ask(client: httpx.Client) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    for answer in (client.options(RENDER, headers=asked), client.get("/health", headers={"Origin": PAGE})):
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Request-Timeout-Seconds": "0.01"},
        {"X_Request_Timeout_Seconds": "0.01"},
        {"X-Request-Timeout-Seconds": "-1", "X-Request-Disconnect-Disabled": "1"},
        {"X-Request-Timeout-Seconds": "never"},
        {"Serve-Multiplexed-Model-Id": "nobody@0"},
    ],
    ids=["soon", "underscores", "before", "no number", "model"],
)
def test_what_serve_obeys_is_not_for_clients(client: httpx.Client, headers: dict[str, str]) -> None:
    body = {"text": "Rules are rules. Always and everywhere.", "cache": "bypass"}
    answer = client.post(RENDER, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
