"""Many sentences: two TTS replicas of one thread against one, and how soon the first sentence is there."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.config import ProxyLocation
from ray.serve.schema import LoggingConfig

from deployments.cache.memo import Memo
from deployments.core.types import AudioClip, RenderRequest
from deployments.media import recording
from deployments.media.recording import MediaOptions, Recording
from deployments.tts.contract import model_id
from serve_app.app import compose
from serve_app.pipeline import Stages, Step, render
from serve_app.settings import Settings

SENTENCE = "The quick brown fox jumps over the lazy dog and runs away."
BLOCKS, ROUNDS = 3, 4
"""One and two replicas take turns, so that other load on the machine hits both."""


def run() -> None:
    """Limits: 1.6 times faster with two; the first of 60 sentences at most 1.25 times as late as the first of 10."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ray.init(
            address="local",
            num_cpus=16,  # logical: one for each replica of both applications
            _temp_dir=folder,
            include_dashboard=False,
            object_store_memory=200 * 2**20,
            log_to_driver=False,
        )
        serve.start(proxy_location=ProxyLocation.Disabled, logging_config=LoggingConfig(log_level="WARNING"))
        asyncio.run(_measure(Path(folder) / "data"))
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _settings(replicas: int, data: Path) -> Settings:
    return Settings.model_validate(
        {
            "performance": {"max_tts_workers": replicas, "tts_autoscaling": {"min_replicas": replicas}},
            "voice": {"tts": {"engine": "piper", "options": {"threads": 1}}},
            "storage": {"data_dir": data},
        }
    )


async def _deploy(replicas: int, data: Path) -> Stages:
    """The application with that many TTS replicas: only they come and go."""
    await asyncio.to_thread(serve.run, compose(_settings(replicas, data), {}), name="avatar")
    await asyncio.to_thread(_wait_for, replicas)
    tts: Any = serve.get_deployment_handle("TTS", "avatar")
    lipsync: Any = serve.get_deployment_handle("LipSync", "avatar")
    voice_id = "en_US-joe-medium"
    weights = _settings(replicas, data).voices.weights(voice_id)
    speak = tts.options(method_name="speak", multiplexed_model_id=model_id(voice_id, weights))
    tts_node = replace((await tts.node.remote())[0], weights=weights)
    lipsync_node, _ = await lipsync.node.remote()
    stages = Stages(
        Step(tts_node, lambda sentence: speak.remote(sentence, tts_node)),
        Step(lipsync_node, lambda speech, name: lipsync.read.remote(speech, name, lipsync_node)),
        recording.node(MediaOptions()),
        admission=contextlib.nullcontext,
        in_flight=replicas + 1,
    )
    await _time(stages, 4)  # warms all of them up
    return stages


def _wait_for(replicas: int) -> None:
    """Until exactly so many run and none starts or stops."""
    while True:
        states = serve.status().applications["avatar"].deployments["TTS"].replica_states
        if sum(states.values()) == replicas and list(states) == ["RUNNING"]:
            return
        time.sleep(0.2)


async def _time(stages: Stages, sentences: int) -> tuple[float, float]:
    """Seconds to the first finished sentence, and to the last."""
    finished: list[float] = []

    async def note(_sound: AudioClip) -> None:
        finished.append(time.monotonic())

    take = Recording(MediaOptions(), "natural", on_sentence=note)
    started = time.monotonic()
    text = " ".join([SENTENCE] * sentences)
    await render(stages, RenderRequest(text, "en_US-joe-medium"), "en", take, Memo([], "bypass"))
    return finished[0] - started, time.monotonic() - started


async def _measure(data: Path) -> None:
    one, two, sixty = [], [], []
    for _ in range(BLOCKS):
        stages = await _deploy(1, data)
        one += [await _time(stages, 10) for _ in range(ROUNDS)]
        stages = await _deploy(2, data)
        for _ in range(ROUNDS):
            two.append(await _time(stages, 10))
            sixty.append(await _time(stages, 60))
    total_one, total_two = (statistics.median(total for _, total in each) for each in (one, two))
    first_ten, first_sixty = (statistics.median(first for first, _ in each) for each in (two, sixty))
    print(f"   10 sentences: one replica {total_one:.2f} s, two {total_two:.2f} s: {total_one / total_two:.2f} times")
    print(f"   first sentence of 10 after {first_ten * 1000:.0f} ms, of 60 after {first_sixty * 1000:.0f} ms", end="")
    print(f": {first_sixty / first_ten:.2f} times")
