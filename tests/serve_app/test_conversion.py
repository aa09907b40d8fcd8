"""Text -> Piper -> another voice -> lip sync, on real Ray. The RVC weights are random: what comes out is no voice."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import httpx
import numpy as np
import pytest
import swift_f0

from tests.serve_app.test_cache import Answer, check, media, ran, render
from tests.serve_app.test_server import RENDER, error_of
from tests.serve_app.test_speech import SPEECH, sound

LOW: dict[str, Any] = {"engine": "world", "pitch_semitones": -5}


def _pitch(content: bytes) -> float:
    """Median f0 in hertz of an Ogg file."""
    with av.open(io.BytesIO(content), mode="r") as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=swift_f0.SAMPLE_RATE)
        parts = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    heard = swift_f0.SwiftF0(threads=1).detect(np.concatenate(parts, axis=1)[0], swift_f0.SAMPLE_RATE)
    return float(np.median(heard.pitch_hz[heard.confidence >= 0.5]))


def _same_times(one: Answer, other: Answer) -> bool:
    """To the millisecond that rounding to another sample rate may cost. How strongly a shape is made follows the
    loudness, and may differ."""
    cues = zip(one["mouth_cues"], other["mouth_cues"], strict=True)
    words = zip(one["words"], other["words"], strict=True)
    return all(a["viseme"] == b["viseme"] and abs(a["t_ms"] - b["t_ms"]) <= 1 for a, b in cues) and all(
        a["text"] == b["text"] and abs(a["start_ms"] - b["start_ms"]) <= 1 and abs(a["end_ms"] - b["end_ms"]) <= 1
        for a, b in words
    )


def test_an_effect_changes_the_sound_and_leaves_the_times(client: httpx.Client) -> None:
    text = "Seven silver swans swam over the wide water. Nobody was watching."
    plain = render(client, text, timing="exact")
    low = render(client, text, timing="exact", voice=LOW)
    assert ran(low)["rvc"] == (2, 2) and ran(low)["tts"] == (2, 0)  # the same speech, from the cache
    assert _same_times(low, plain)
    assert low["duration_ms"] == plain["duration_ms"] and low["engines"]["rvc"] == "world"
    ratio = _pitch(check(client, low, text)["ogg"]) / _pitch(check(client, plain, text)["ogg"])
    assert 12 * np.log2(ratio) == pytest.approx(-5, abs=0.5)
    again = render(client, text, timing="exact", voice={"engine": "world", "pitch": -5 / 12})
    assert again["cached"] and media(client, again)["ogg"] == media(client, low)["ogg"]


def test_a_character_is_asked_for_like_a_voice(client: httpx.Client) -> None:
    entries = {entry["voice_id"]: entry for entry in client.get("/v1/voices").json()["voices"]}
    assert entries["joe-deep"]["installed"] and entries["joe-deep"]["character"]["engine"] == "world"
    answer = render(client, "I am somebody else.", voice_id="joe-deep")
    assert answer["voice"]["voice_id"] == "joe-deep" and answer["voice"]["tts"] == "en_US-joe-medium"
    assert answer["voice"]["parameters"] == {"pitch_semitones": -3.0, "formant": 0.94}
    higher = render(client, "I am somebody else.", voice_id="joe-deep", voice={"engine": "world", "pitch_semitones": 3})
    assert higher["voice"]["parameters"] == {"pitch_semitones": 3.0, "formant": 0.94}
    spoken = client.post(SPEECH, json={"input": "I am somebody else.", "voice": "joe-deep", "response_format": "wav"})
    assert spoken.status_code == 200
    seconds, _ = sound(spoken.content, "wav")
    assert seconds * 1000 == pytest.approx(answer["duration_ms"], abs=21)
    job = client.get(f"/jobs/{answer['render_id']}").json()
    assert job["voice_id"] == "joe-deep"


def test_a_model_of_ones_own_speaks(client: httpx.Client, ara: Path) -> None:
    """The whole way with random weights, engine and ContentVec loaded by the running server."""
    text = "The quick brown fox. It jumps over the lazy dog."
    plain = render(client, text, timing="exact")
    answer = render(client, text, voice_id="Ara", timing="exact")
    assert answer["engines"]["rvc"] == "rvc" and answer["voice"]["model"] == "Ara.pth"
    assert answer["voice"]["parameters"]["pitch_semitones"] == 2.0
    assert _same_times(answer, plain)
    files = check(client, answer, text)
    assert files["ogg"] != media(client, plain)["ogg"]
    seconds, loudness = sound(files["wav"], "wav")
    assert loudness > 0.01 and seconds * 1000 == pytest.approx(plain["duration_ms"], abs=2)
    assert render(client, text, voice_id="Ara", timing="exact")["cached"]
    other = render(client, text, voice_id="Ara", timing="exact", voice={"engine": "rvc", "index_rate": 0})
    assert ran(other)["tts"] == (2, 0) and ran(other)["rvc"] == (2, 2)  # only what is behind it runs again


def test_a_retry_is_the_same_though_its_character_changed(client: httpx.Client, ara: Path) -> None:
    """The client cannot know of the file; another body under the same key is refused as ever."""
    file = ara / "Chameleon.yaml"
    body, headers = {"text": "Who am I today?", "voice_id": "Chameleon"}, {"Idempotency-Key": str(uuid4())}
    first, again = (
        client.post(RENDER, json=body, headers=headers)
        for semitones in (-3, 4)
        if file.write_text(f"characters: {{Chameleon: {{engine: world, pitch_semitones: {semitones}}}}}")
    )
    assert first.status_code == again.status_code == 200, again.text
    assert again.json()["render_id"] == first.json()["render_id"]
    assert again.json()["voice"]["parameters"]["pitch_semitones"] == -3  # what was made then
    other = client.post(RENDER, json={**body, "speed": 1.5}, headers=headers)
    assert other.status_code == 422 and error_of(other)["code"] == "idempotency_mismatch"


def test_many_at_once_get_each_their_own(client: httpx.Client, ara: Path) -> None:
    texts = [f"This one is number {number}, {'long ' * number}and not another." for number in range(6)]
    alone = [render(client, text, voice_id="Ara")["duration_ms"] for text in texts]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda text: render(client, text, voice_id="Ara", cache="refresh"), texts))
    assert all(answer["voice"]["voice_id"] == "Ara" for answer in together)
    for text, answer, before_ms in zip(texts, together, alone, strict=True):
        check(client, answer, text)
        assert answer["duration_ms"] == pytest.approx(before_ms, rel=0.3)  # Piper never speaks twice alike


BROKEN = {
    "html": b"<!DOCTYPE html><title>Sign in</title>",
    "empty": b"",
    "cut": None,
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_broken_model_is_said_and_the_replica_lives_on(client: httpx.Client, ara: Path, kind: str) -> None:
    content = BROKEN[kind]
    (ara / f"{kind}.pth").write_bytes((ara / "Ara.pth").read_bytes()[:5000] if content is None else content)
    reply = client.post(RENDER, json={"text": "Hello.", "voice": {"engine": "rvc", "model": f"{kind}.pth"}})
    assert reply.status_code == 422 and error_of(reply)["code"] == "bad_model"
    assert f"{kind}.pth" in error_of(reply)["message"]
    assert render(client, f"She lives on after {kind}.", voice_id="Ara")["voice"]["voice_id"] == "Ara"


@pytest.mark.parametrize(
    ("voice", "code", "named"),
    [
        ({"engine": "rvc", "model": "Ara.pth", "speaker": 900}, "unknown_speaker", "900"),
        ({"engine": "rvc", "model": "Ara.pth", "f0_method": "rmvpe"}, "voice_not_installed", "rmvpe"),
        ({"engine": "rvc", "model": "Nobody.pth"}, "unknown_voice", "Nobody"),
        ({"engine": "rvc", "model": "../../etc/passwd"}, "unknown_voice", "no voice model"),
        ({"engine": "rvc", "model": "Ara.pth", "index_rate": 1.5}, "invalid_request", "index_rate"),
        ({"engine": "rvc"}, "invalid_request", "voice.model"),
        ({"engine": "world", "formant": 9}, "invalid_request", "formant"),
        ({"engine": "world", "model": "Ara.pth"}, "invalid_request", "model"),
        ({"engine": "magic"}, "invalid_request", "magic"),
        ({}, "invalid_request", "voice"),
    ],
)
def test_what_cannot_be_done_is_said(
    client: httpx.Client, ara: Path, voice: dict[str, object], code: str, named: str
) -> None:
    reply = client.post(RENDER, json={"text": "Hello.", "voice": voice})
    error = error_of(reply)
    assert reply.status_code == 422 and error["code"] == code and named in error["message"] and error["hint"]
