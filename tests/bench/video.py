"""Videos of a server as `make run` starts it: whole requests, a new portrait, three at once, the first part, memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from deployments.core.types import AudioClip
from deployments.media.encoding import wav
from tests.portraits import astronaut, coded

from .server import running, timed_ms

SENTENCE = "Five seconds of speech are what a video of this length is measured with, on any machine."
"""4.9 s by the bundled voice."""
ROUNDS = 5
LONG_S, SHORT_S = 240, 30
"""Of the recordings whose videos are to take the same memory."""


def run() -> None:
    """Limits, of a whole request for 5 s of video: 1 s and 0.2 of real time on 2 idle cores; 0.5 s for a portrait that
    is new; three at once 3.2 times one; the first fragment 0.5 s; cached 20 ms to the first byte."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        running(Path(name), MAX_AVATAR_WORKERS="1") as (client, own),
    ):
        image = _upload(client, 0)
        _made(client, image, "Warm up.")
        alone = _alone(client, image)
        _new_portraits(client, alone)
        _three(client, image, alone)
        _first_fragment(client, image)
        _cached(client, image)
        _memory(client, image, own)


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def _upload(client: httpx.Client, shade: int) -> str:
    """The astronaut, each time in a picture that was not there before."""
    content = coded((astronaut() // 2 + shade).astype("uint8"), ".png")
    return str(client.post("/upload/image", files={"file": ("me.png", content)}).json()["filename"])


def _start(client: httpx.Client, image: str, **fields: Any) -> str:
    reply = client.post("/generate/async", json={"image_filename": image, **fields})
    assert reply.status_code == 202, reply.text
    return str(reply.json()["job_id"])


def _wait(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """The answer of a job: its events end with it."""
    with client.stream("GET", f"/jobs/{job_id}/events") as events:
        for _ in events.iter_lines():
            pass
    answer: dict[str, Any] = client.get(f"/v1/avatar/render/{job_id}").json()
    assert answer["status"] == "completed", answer
    return answer


def _made(client: httpx.Client, image: str, text: str, **fields: Any) -> tuple[float, dict[str, Any]]:
    """Seconds of a whole request, and its answer."""
    started = time.monotonic()
    answer = _wait(client, _start(client, image, text=text, **fields))
    return time.monotonic() - started, answer


def _alone(client: httpx.Client, image: str) -> float:
    made = [_made(client, image, SENTENCE, cache="bypass") for _ in range(ROUNDS)]
    seconds = statistics.median(seconds for seconds, _ in made)
    played_s = made[0][1]["duration_ms"] / 1000
    shares = ", ".join(f"{stage} {timing['ms']:.0f} ms" for stage, timing in made[0][1]["timings"].items())
    print(
        f"   {played_s:.1f} s of video, 512 px, 25 fps: {seconds:.2f} s, {seconds / played_s:.2f} of real time"
        f" ({_verdict(seconds <= played_s / 5)}); {shares}"
    )
    return seconds


def _new_portraits(client: httpx.Client, alone: float) -> None:
    """What a portrait costs that no replica has prepared."""
    took = [_made(client, _upload(client, shade), SENTENCE, cache="bypass")[0] for shade in range(1, ROUNDS)]
    more = statistics.median(took) - alone
    print(f"   a new portrait: {more:.2f} s more ({_verdict(more < 0.5)})")


def _three(client: httpx.Client, image: str, alone: float) -> None:
    ratios = []
    for _ in range(3):
        started = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: _made(client, image, SENTENCE, cache="bypass"), range(3)))
        ratios.append((time.monotonic() - started) / alone)
    ratio = statistics.median(ratios)
    print(f"   three at once: {ratio:.2f} times one ({_verdict(ratio <= 3.2)})")


def _first_fragment(client: httpx.Client, image: str) -> None:
    """Of a text that is in the cache."""
    waits = []
    for number in range(ROUNDS):
        text = f"{SENTENCE[:-1]} number {number}."
        client.post("/v1/avatar/render", json={"text": text}).raise_for_status()
        spoken = time.monotonic()
        job_id = _start(client, image, text=text)
        with client.stream("GET", f"/stream/{job_id}.mp4") as stream:
            chunks = stream.iter_raw()
            next(chunks)
            waits.append(time.monotonic() - spoken)
            for _ in chunks:
                pass
    wait = statistics.median(waits)
    print(f"   the first fragment, once it is spoken: {wait:.2f} s ({_verdict(wait <= 0.5)})")


def _cached(client: httpx.Client, image: str) -> None:
    _, answer = _made(client, image, SENTENCE)
    again, _ = _made(client, image, SENTENCE)
    first_byte = statistics.median(
        timed_ms(client, "GET", answer["video"]["url"].split(str(client.base_url).rstrip("/"))[-1])
        for _ in range(ROUNDS)
    )
    met = _verdict(first_byte < 20)
    print(f"   cached: {again * 1000:.0f} ms for the request, {first_byte:.0f} ms for the file ({met})")


def _memory(client: httpx.Client, image: str, own: psutil.Process) -> None:
    """Most that the Avatar replica takes while it films a short and a long recording."""
    peaks = {}
    for seconds in (SHORT_S, LONG_S):
        name = client.post("/upload/audio", files={"file": ("tone.wav", _tone(seconds))}).json()["filename"]
        job_id = _start(client, image, audio_filename=name, width=256, height=256)
        peaks[seconds] = _peak_mb(client, own, job_id)
    more = peaks[LONG_S] - peaks[SHORT_S]
    print(f"   memory of the replica: {peaks[SHORT_S]:.0f} MB for {SHORT_S} s, {more:+.0f} MB for {LONG_S} s")


def _tone(seconds: int) -> bytes:
    return wav(AudioClip((0.2 * np.sin(np.arange(seconds * 16_000) / 9)).astype(np.float32), 16_000))


def _peak_mb(client: httpx.Client, own: psutil.Process, job_id: str) -> float:
    (replica,) = [
        each for each in own.children(recursive=True) if "ServeReplica:avatar:Avatar" in " ".join(each.cmdline())
    ]
    peak = 0
    while client.get(f"/jobs/{job_id}").json()["status"] in {"pending", "processing"}:
        peak = max(peak, replica.memory_info().rss - replica.memory_info().shared)
        time.sleep(0.1)
    assert client.get(f"/jobs/{job_id}").json()["status"] == "completed"
    return peak / 1e6
