"""Processes die in the middle of many jobs: every job ends, with one result each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import psutil
import pytest
from ray import serve

from serve_app.settings import Settings
from tests.deployments.jobs.redis_server import RedisServer
from tests.serve_app.jobs import check_events, events, hand_in, insist, until_ended
from tests.serve_app.test_cache import application, check, http, run, until
from tests.serve_app.test_cache_drills import replica_processes, shard_process
from tests.serve_app.test_limits import changed

APP = "drill"
JOBS, FEWER = 50, 20
"""At ten at a time, some are done when something dies, some are at work and some wait."""
APART = 12
"""Jobs that are done from one death to the next: more than are at work at a time."""

Strike = Callable[[], object]


@pytest.fixture(scope="module")
def own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A job may be hit by every death of a drill."""
    moved = changed(settings, "storage", data_dir=tmp_path_factory.mktemp("drill"))
    return changed(moved, "jobs", max_attempts=5)


@pytest.fixture(scope="module")
def url(ray_serve: str, own: Settings) -> Iterator[str]:
    with application(ray_serve, own, APP) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with http(url) as http_client:
        yield http_client


def controller() -> psutil.Process:
    (process,) = [
        each for each in psutil.Process().children(recursive=True) if "ray::ServeController" in " ".join(command(each))
    ]
    return process


def command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def replica(stage: str) -> Callable[[], psutil.Process]:
    return lambda: replica_processes(APP, stage)[0]


def through(client: httpx.Client, what: str, jobs: int, strikes: Sequence[Strike]) -> None:
    """Hands all in, strikes when some are done and again when more are, and looks at every one."""
    said = {hand_in(client, text): text for text in (f"The {what} falls at {n}. Nobody minds." for n in range(jobs))}
    assert len(said) == jobs
    for number, strike in enumerate(strikes):
        left = jobs - 5 - APART * number
        until(lambda left=left: insist(lambda: client.get("/health"))["pending_jobs"] <= left)  # type: ignore[misc]
        strike()
    for job_id, job in until_ended(client, list(said)).items():
        assert job["status"] == "completed", job
        answer = insist(lambda job_id=job_id: client.get(f"/v1/avatar/render/{job_id}"))  # type: ignore[misc]
        assert answer["status"] == "completed" and answer["render_id"] == job_id
        check_events(events(client, job_id), "completed")
    for job_id in list(said)[::10]:
        check(client, client.get(f"/v1/avatar/render/{job_id}").json(), said[job_id])


VICTIMS: dict[str, Callable[[], psutil.Process]] = {
    "ingress": replica("Ingress"),
    "renderer": replica("Renderer"),
    "leader": replica("Jobs"),
    "voice": replica("TTS"),
    "shard": lambda: shard_process(APP),
    "controller": controller,
}


@pytest.mark.parametrize("kinds", [("ingress", "shard", "controller"), ("renderer", "leader", "voice")], ids="-".join)
def test_every_job_survives_the_deaths_of(kinds: Sequence[str], client: httpx.Client) -> None:
    """One after the other, in the middle of fifty jobs."""
    through(client, kinds[0], JOBS, [lambda kind=kind: VICTIMS[kind]().kill() for kind in kinds])  # type: ignore[misc]


def test_a_rollout_in_the_middle(client: httpx.Client, own: Settings) -> None:
    """Another leader takes over from one that still runs."""
    before = replica_processes(APP, "Jobs")
    through(client, "release", FEWER, [lambda: run(changed(own, "timeouts", sync_render=59), APP)])
    until(lambda: not any(process.is_running() for process in before))


def test_jobs_in_valkey_and_its_death(ray_serve: str, settings: Settings, tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    own = changed(settings, "storage", data_dir=tmp_path / "data")
    own = changed(own, "jobs", valkey_host="127.0.0.1", valkey_port=server.port)
    app = "valkey"
    try:
        with application(ray_serve, own, app) as address, http(address) as client:
            until(lambda: client.get("/health").json()["valkey_connected"])

            def strike() -> None:
                server.kill()
                until(lambda: client.get("/health").json()["valkey_connected"] is False)
                refused = client.post("/v1/avatar/render_async", json={"text": "Not now."})
                assert refused.status_code == 503 and refused.json()["error"]["code"] == "store_failed"
                server.start()
                replica_processes(app, "Jobs")[0].kill()

            through(client, "store", FEWER, [strike])
    finally:
        serve.delete(app)
        server.stop()
