"""Health, settings and metrics of a whole server with two Ingress replicas, on real Ray."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ray import serve

from serve_app.api.operations import without_logins
from serve_app.app import DEPLOYMENTS, compose
from serve_app.settings import Settings
from tests.serve_app.jobs import ASYNC, ENDED, hand_in, insist, report, reports, until_ended
from tests.serve_app.test_cache import WAIT_S, http, render, until
from tests.serve_app.test_cache_drills import replica_processes
from tests.serve_app.test_limits import LONG, changed
from tests.serve_app.test_server import error_of

APP = "ops"
STATES = ("pending", "processing", "completed", "failed", "cancelled")
NAMES = {
    *("avatar_renders", "avatar_stage_seconds", "avatar_jobs", "avatar_queue_wait_seconds", "avatar_cache_requests"),
    *("avatar_audio_seconds", "avatar_cancellations"),
}
"""At least these, as the parser names them: without the _total of counters."""


class Numbers:
    """What GET /metrics said."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Of one series."""
        return self.samples[name, frozenset(labels.items())]

    def total(self, name: str, **labels: str) -> float:
        """Of all series with these labels, whatever their others are."""
        wanted = set(labels.items())
        return sum(value for (other, place), value in self.samples.items() if other == name and wanted <= place)

    def grown(self, before: Numbers, name: str, **labels: str) -> float:
        """By how much one series has grown."""
        return self.value(name, **labels) - before.value(name, **labels)

    @property
    def counted(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """What only ever grows."""
        kinds = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ()}
        names = {family.name + end for family in self.families for end in kinds[family.type]}
        return {place: value for place, value in self.samples.items() if place[0] in names}


def numbers(client: httpx.Client) -> Numbers:
    reply = client.get("/metrics")
    assert reply.status_code == 200, reply.text
    return Numbers(reply.text)


def settled(client: httpx.Client) -> Numbers:
    """Once nothing is counted any more."""
    before, deadline = numbers(client), time.monotonic() + WAIT_S
    while True:
        time.sleep(1.1)  # longer than scrapes share a collection, and a count of the jobs
        now = numbers(client)
        if now.samples == before.samples:
            return now
        assert time.monotonic() < deadline
        before = now


@pytest.fixture(scope="module")
def own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One job at a time, and one that waits."""
    moved = changed(settings, "storage", data_dir=tmp_path_factory.mktemp("ops"))
    narrow = changed(moved, "limits", max_concurrent_requests=1, max_queued_requests=1)
    return changed(narrow, "performance", max_tts_workers=1)


@pytest.fixture(scope="module")
def url(ray_serve: str, own: Settings) -> Iterator[str]:
    options: dict[str, dict[str, Any]] = {
        stage.__name__: {"ray_actor_options": {"num_cpus": 0.05}} for stage in DEPLOYMENTS
    }
    options["Ingress"]["num_replicas"] = 2
    serve.run(compose(own, options), name=APP, route_prefix=f"/{APP}")
    yield f"{ray_serve}/{APP}"
    serve.delete(APP, _blocking=False)


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """Asks either replica; leaves nothing at work behind."""
    with http(url) as http_client:
        yield http_client
        for job in reports(http_client):
            if job["status"] not in ENDED:
                http_client.delete(f"/jobs/{job['job_id']}/cancel")
        until(lambda: http_client.get("/health").json()["pending_jobs"] == 0)


def busy(client: httpx.Client) -> str:
    job_id = hand_in(client, LONG, cache="bypass")
    until(lambda: report(client, job_id)["stage"] == "tts")
    return job_id


# --- Metrics ---


def test_a_new_server_has_counted_nothing(client: httpx.Client) -> None:
    """All series are there, though: a rate needs a zero to begin at."""
    counted = settled(client).counted
    of_renders = {place: value for place, value in counted.items() if place[0] != "avatar_cache_requests_total"}
    assert len(of_renders) > 50
    assert {place: value for place, value in of_renders.items() if value} == {}


def test_the_page_is_what_prometheus_expects(client: httpx.Client) -> None:
    reply = client.get("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    now = Numbers(reply.text)
    assert {family.name for family in now.families} >= NAMES
    for family in now.families:
        assert family.name.startswith("avatar_") and family.type in {"counter", "gauge", "histogram"}
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert {sample.name for sample in family.samples} == {f"{family.name}_total"}
        if family.type == "histogram":
            assert "seconds" in family.name
    for stage in ("tts", "lipsync", "join"):
        buckets = [
            (float(dict(place)["le"]), value)
            for (name, place), value in now.samples.items()
            if name == "avatar_stage_seconds_bucket" and ("stage", stage) in place
        ]
        assert buckets == sorted(buckets) and buckets[-1][0] == float("inf")
        assert buckets[-1][1] == now.value("avatar_stage_seconds_count", stage=stage)


def test_what_is_counted_is_what_was_done(client: httpx.Client) -> None:
    start = settled(client)
    one = render(client, "Adders add.")
    two = hand_in(client, "Bears bear. Boars bore.", priority="low")
    until_ended(client, [two])
    now = settled(client)
    for stage, calls in (("tts", 3), ("lipsync", 3), ("join", 2)):
        assert now.grown(start, "avatar_stage_seconds_count", stage=stage) == calls, stage
        assert now.grown(start, "avatar_stage_seconds_sum", stage=stage) > 0
    assert now.grown(start, "avatar_renders_total", outcome="completed") == 2
    answer = client.get(f"/v1/avatar/render/{two}").json()
    seconds = (one["duration_ms"] + answer["duration_ms"]) / 1000
    assert now.grown(start, "avatar_audio_seconds_total") == pytest.approx(seconds, abs=0.01)
    for priority, jobs in (("high", 1), ("normal", 0), ("low", 1)):
        assert now.grown(start, "avatar_queue_wait_seconds_count", priority=priority) == jobs

    # All of it is in the cache now.
    looked = now.total("avatar_cache_requests_total", level="answers")
    hits = now.total("avatar_cache_requests_total", result="hit")
    assert render(client, "Adders add.")["cached"] is True
    again = hand_in(client, "Bears bear. Boars bore.")
    assert until_ended(client, [again])[again]["status"] == "completed"
    after = settled(client)
    assert after.grown(now, "avatar_renders_total", outcome="completed") == 2
    assert after.grown(now, "avatar_audio_seconds_total") == pytest.approx(seconds, abs=0.01)
    assert after.total("avatar_cache_requests_total", level="answers") == looked + 1
    assert after.total("avatar_cache_requests_total", result="hit") >= hits + 2
    for stage in ("tts", "lipsync"):
        assert after.grown(now, "avatar_stage_seconds_count", stage=stage) == 0, stage


def test_ends_of_all_kinds_are_counted(client: httpx.Client) -> None:
    start = settled(client)
    until_ended(client, [hand_in(client, "...")])
    running = busy(client)
    waiting = hand_in(client, "Crows wait.", cache="bypass")
    refused = client.post(ASYNC, json={"text": "Doves may not even wait.", "cache": "bypass"})
    assert refused.status_code == 429 and error_of(refused)["code"] == "queue_full"
    until(lambda: jobs_by_state(client)["processing"] == jobs_by_state(client)["pending"] == 1)
    for job_id in (waiting, running):
        assert client.delete(f"/jobs/{job_id}/cancel").status_code == 200
    now = settled(client)
    for outcome, jobs in (("completed", 0), ("failed", 1), ("cancelled", 2), ("refused", 1)):
        assert now.grown(start, "avatar_renders_total", outcome=outcome) == jobs, outcome
    for state in ("pending", "processing"):
        assert now.grown(start, "avatar_cancellations_total", state=state) == 1, state
    assert now.grown(start, "avatar_queue_wait_seconds_count", priority="normal") == 2
    assert now.grown(start, "avatar_audio_seconds_total") == 0


def jobs_by_state(client: httpx.Client) -> dict[str, float]:
    now = numbers(client)
    return {state: now.value("avatar_jobs", state=state) for state in STATES}


def test_totals_are_those_of_the_list(client: httpx.Client) -> None:
    render(client, "Elks list everything.")
    now, jobs = settled(client), reports(client)
    states = Counter(job["status"] for job in jobs)
    assert {state: now.value("avatar_jobs", state=state) for state in STATES} == {
        state: states[state] for state in STATES
    }
    again = now.value("avatar_cache_requests_total", level="answers", result="hit")  # an answer without a job
    for outcome, others in (("completed", again), ("failed", 0), ("cancelled", 0)):
        assert now.value("avatar_renders_total", outcome=outcome) == states[outcome] + others
    begun = Counter(job["priority"] for job in jobs if job["started_at"])
    for priority in ("high", "normal", "low"):
        assert now.value("avatar_queue_wait_seconds_count", priority=priority) == begun[priority]
    answers = [client.get(f"/v1/avatar/render/{job['job_id']}").json() for job in jobs if job["status"] == "completed"]
    seconds = sum(answer["duration_ms"] for answer in answers) / 1000
    longest = max(answer["duration_ms"] for answer in answers) / 1000
    error = 0.001 * len(answers)
    assert -error < now.value("avatar_audio_seconds_total") - seconds <= again * longest + error


def test_both_replicas_say_the_same(client: httpx.Client, url: str, ray_folder: Path) -> None:
    expected = settled(client)
    assert expected.value("avatar_replicas", deployment="Ingress") == 2
    said: dict[str, str] = {}
    logs = ray_folder / "session_latest" / "logs" / "serve"

    def replicas() -> dict[str, str]:
        """Request -> the log of the replica that answered it."""
        texts = {path.name: path.read_text() for path in logs.glob(f"replica_{APP}_Ingress_*.log")}
        return {asked: name for asked in said for name, text in texts.items() if asked in text}

    for number in range(20):
        said[f"scrape-no-{number:03}"] = ""
    for asked in said:
        said[asked] = client.get("/metrics", headers={"X-Request-ID": asked}).text
    until(lambda: len(replicas()) == len(said))
    assert len(set(replicas().values())) == 2, "all of them asked the same replica"
    assert len(set(said.values())) == 1
    assert Numbers(said.popitem()[1]).samples == expected.samples


def test_no_label_grows_with_use(client: httpx.Client) -> None:
    before = settled(client)
    for number in range(3):
        render(client, f"Finches say {number}.", speed=1 + number / 10, viseme_set="azure")
    client.get("/jobs/" + "0" * 32)
    now = settled(client)
    assert set(now.samples) == set(before.samples)
    assert not re.search(r"[0-9a-f]{32}|Finches", client.get("/metrics").text)


# --- Health and settings ---


def test_health(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "healthy", "valkey_connected": None, "pending_jobs": 0}
    ready = client.get("/health/ready")
    assert ready.status_code == 200 and ready.json() == {"ready": True, "waiting_for": []}
    running = busy(client)
    hand_in(client, "Goats queue.", cache="bypass")
    for _ in range(10):  # of either replica
        until(lambda: client.get("/health").json()["pending_jobs"] == 2)
    client.delete(f"/jobs/{running}/cancel")


def test_detailed_health_is_what_an_operator_asks(client: httpx.Client, own: Settings) -> None:
    render(client, "Hawks inspect the machine.")
    busy(client)
    hand_in(client, "Ibexes queue.", cache="bypass")
    report: dict[str, Any] = {}

    def is_busy() -> bool:  # counts are up to a second old
        report.update(client.get("/health/detailed").json())
        return bool(report["stages"]["TTS"]["running"] == report["jobs"]["pending"] == 1)

    until(is_busy)
    assert set(report) == {
        *("status", "valkey_connected", "pending_jobs", "device", "cpu", "memory", "disk", "cache", "stages", "jobs"),
        *("active_jobs", "versions"),
    }
    assert report["status"] == "healthy" and report["pending_jobs"] == 2 and report["active_jobs"] == 1
    device = report["device"]
    assert set(device) == {"optimal_device", "cuda_available", "gpu_devices"}
    assert device["optimal_device"] in {"cuda", "mps", "cpu"} and isinstance(device["cuda_available"], bool)
    assert all(set(gpu) == {"name", "total_memory_gb"} for gpu in device["gpu_devices"])
    assert report["cpu"]["cores"] >= 1 and 0 <= report["cpu"]["percent"] <= 100
    for part, size in (("memory", "available_gb"), ("disk", "free_gb")):
        assert 0 < report[part][size] < report[part]["total_gb"] and 0 < report[part]["percent"] <= 100
    assert report["cache"]["total_entries"] > 0 and 0 <= report["cache"]["hit_rate_percent"] <= 100
    assert set(report["cache"]["levels"]) == {"answers", "level_1", "level_2"}
    assert set(report["stages"]) == {stage.__name__ for stage in DEPLOYMENTS}
    for name, stage in report["stages"].items():
        assert set(stage) == {"status", "replicas", "running", "queued"} and stage["status"] == "HEALTHY"
        assert stage["replicas"] == {"RUNNING": 2 if name == "Ingress" else 1}
    assert (report["stages"]["Jobs"]["running"], report["stages"]["Jobs"]["queued"]) == (1, 1)
    assert report["stages"]["Renderer"]["running"] == 1
    assert set(report["jobs"]) == set(STATES)
    assert report["jobs"]["processing"] == report["jobs"]["pending"] == 1
    assert report["versions"]["avatar-serve"] and report["versions"]["ray"]


def test_config_is_the_effective_settings(client: httpx.Client, own: Settings) -> None:
    config = client.get("/config").json()
    assert config == own.model_dump(mode="json")
    assert config["limits"]["max_concurrent_requests"] == config["limits"]["max_queued_requests"] == 1


@pytest.mark.parametrize(
    ("shown", "masked"),
    [
        ("s3://key:secret@bucket/prefix", "s3://***@bucket/prefix"),
        ("s3://key:s%2Fc@bucket?endpoint_override=x", "s3://***@bucket?endpoint_override=x"),
        ("https://token@example.org/a@b", "https://***@example.org/a@b"),
        ("https://example.org/a@b", "https://example.org/a@b"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("me@example.org", "me@example.org"),
    ],
)
def test_addresses_are_shown_without_logins(shown: str, masked: str) -> None:
    assert without_logins({"a": [{"b": shown}, 1, None]}) == {"a": [{"b": masked}, 1, None]}


# --- Something dies: these come last ---


def test_totals_never_fall_when_a_renderer_dies(client: httpx.Client) -> None:
    render(client, "Jackdaws count on.")
    running = busy(client)
    last = numbers(client).counted
    (renderer,) = replica_processes(APP, "Renderer")
    renderer.kill()

    def grows() -> bool:
        """And whether all is ready."""
        nonlocal last
        now = numbers(client).counted
        assert set(now) == set(last) and all(now[place] >= last[place] for place in last)
        last = now
        ready = client.get("/health/ready")
        is_ready = ready.status_code == 200
        assert is_ready or (ready.status_code == 503 and ready.json() == {"ready": False, "waiting_for": ["Renderer"]})
        return is_ready

    def replaced() -> bool:
        return any(each.pid != renderer.pid for each in replica_processes(APP, "Renderer"))

    # The next one may be ready before anybody asks.
    until(lambda: grows() and replaced())
    until(lambda: report(client, running)["attempt"] == 2 and report(client, running)["stage"] == "tts")
    assert grows()
    assert client.delete(f"/jobs/{running}/cancel").status_code == 200
    before = settled(client)
    assert before.value("avatar_job_retries_total") == 1
    render(client, "Kestrels count on.", cache="bypass")
    now = settled(client)
    assert now.grown(before, "avatar_renders_total", outcome="completed") == 1
    for stage in ("tts", "lipsync", "join"):
        assert now.grown(before, "avatar_stage_seconds_count", stage=stage) == 1


@pytest.mark.parametrize("stage", ["Renderer", "Jobs"])
def test_speech_breaks_off_when_something_dies(client: httpx.Client, stage: str) -> None:
    """What another attempt makes is another file: nobody gets the one stuck to the other for a whole."""
    text = " ".join(f"Magpie number {number} hears of the {stage}." for number in range(100))
    with client.stream("POST", "/v1/audio/speech", json={"input": text, "response_format": "pcm"}) as stream:
        chunks = stream.iter_raw()
        next(chunks)
        job = reports(client)[0]
        assert job["status"] == "processing" and job["stage"] == "speech"
        (process,) = replica_processes(APP, stage)
        process.kill()
        with pytest.raises(httpx.RemoteProtocolError):
            b"".join(chunks)
    until(lambda: insist(lambda: client.get(f"/jobs/{job['job_id']}"))["status"] == "cancelled")
    until(lambda: client.get("/health/ready").status_code == 200)


def test_without_a_leader_health_is_degraded_and_comes_back(client: httpx.Client) -> None:
    (leader,) = replica_processes(APP, "Jobs")
    leader.kill()
    until(lambda: client.get("/health").json()["status"] == "degraded")
    until(lambda: client.get("/health").json()["status"] == "healthy")
    until(lambda: client.get("/health/ready").status_code == 200)
    assert render(client, "Lapwings go on.", cache="bypass")["cached"] is False
    now, jobs = settled(client), reports(client)
    assert now.value("avatar_jobs", state="completed") == sum(job["status"] == "completed" for job in jobs)
