"""Recordings on real Ray: with text, without, with another, silence, next to nothing, missing; engines and formats."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from deployments.core.types import Speech
from deployments.tts.contract import Sentence
from serve_app.settings import Settings
from serve_app.upload_store import UploadStore
from tests.serve_app.jobs import check_events, events, until_ended
from tests.serve_app.recordings import RATE, keep
from tests.serve_app.test_server import RENDER, error_of

LIPSYNC = "/v1/avatar/lipsync"
TEXT = "Maybe the bumblebee will fly over the purple forest."
Answer = dict[str, Any]


@pytest.fixture(scope="module")
def uploads(settings: Settings) -> UploadStore:
    """Those of the server."""
    return settings.uploads


@pytest.fixture(scope="module")
def spoken(settings: Settings) -> np.ndarray:
    """TEXT by the bundled voice, (T,) float32 of 24 kHz."""
    from deployments.tts.engines.piper import Engine, Options

    engine = Engine(Options(**settings.tts_options))
    speech: Speech = engine.speak(engine.load(engine.default_voice), Sentence(TEXT, engine.default_voice))
    samples, rate = speech.audio.samples, speech.audio.sample_rate
    times = np.arange(round(len(samples) * RATE / rate)) * rate / RATE
    return np.interp(times, np.arange(len(samples)), samples).astype(np.float32)


@pytest.fixture(scope="module")
def recorded(uploads: UploadStore, spoken: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same as an upload; its name."""
    return keep(uploads, spoken, tmp_path_factory.mktemp("sent"))


def _read(client: httpx.Client, name: str, **fields: Any) -> Answer:
    reply = client.post(RENDER, json={"audio_filename": name, **fields})
    assert reply.status_code == 200, reply.text
    answer: Answer = reply.json()
    return answer


def _check(client: httpx.Client, answer: Answer, seconds: float) -> None:
    """All of an answer holds together."""
    assert answer["duration_ms"] == pytest.approx(seconds * 1000, abs=1) and answer["voice"] is None
    times = [cue["t_ms"] for cue in answer["mouth_cues"]]
    assert times[0] == 0 and times == sorted(set(times)) and times[-1] <= answer["duration_ms"]
    assert 0 <= answer["lipsync"]["confidence"] <= 1 and answer["lipsync"]["method"]
    assert answer["engines"] == {"lipsync": answer["lipsync"]["engine"]}
    for word in answer["words"]:
        assert answer["text"][word["start_char"] : word["end_char"]] == word["text"]
        assert 0 <= word["start_ms"] <= word["end_ms"] <= answer["duration_ms"]


def _wav(client: httpx.Client, answer: Answer) -> np.ndarray:
    content = client.get(f"/audio/{answer['render_id']}.wav").content
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_with_its_text(client: httpx.Client, recorded: str, spoken: np.ndarray) -> None:
    answer = _read(client, recorded, text=TEXT, language="en_US", timing="exact")
    _check(client, answer, len(spoken) / RATE)
    assert answer["lipsync"]["engine"] == "align" and answer["text"] == TEXT and answer["language"] == "en_US"
    assert [word["text"].strip(".") for word in answer["words"]] == TEXT.rstrip(".").split()
    np.testing.assert_array_equal(_wav(client, answer), np.round(np.clip(spoken, -1, 1) * 32767).astype("<i2"))
    assert client.get(f"/audio/{answer['render_id']}.ogg").content.startswith(b"OggS")
    assert "bumblebee" in client.get(answer["captions_url"]).text
    again = _read(client, recorded, text=TEXT, language="en_US", timing="exact")
    assert again["cached"] and again["mouth_cues"] == answer["mouth_cues"]
    np.testing.assert_array_equal(_wav(client, again), _wav(client, answer))


def test_without(client: httpx.Client, recorded: str, spoken: np.ndarray) -> None:
    answer = _read(client, recorded, language="en")
    _check(client, answer, len(spoken) / RATE)
    assert answer["lipsync"]["engine"] == "recognize" and len({cue["viseme"] for cue in answer["mouth_cues"]}) > 3
    captions = client.get(answer["captions_url"]).text
    assert all(word["text"] in captions for word in answer["words"])


def test_with_another_text(client: httpx.Client, recorded: str) -> None:
    """Nothing is forced onto the sound, and the user is told."""
    answer = _read(client, recorded, text="Quarterly revenue exceeded expectations by twelve percent.", language="en")
    assert any("text" in note for note in answer["lipsync"]["notes"])
    assert not {"Quarterly", "revenue", "exceeded"} & {word["text"] for word in answer["words"]}


@pytest.mark.parametrize("fields", [{}, {"text": "Hello there."}])
@pytest.mark.parametrize("seconds", [0.05, 2.0])
def test_silence_and_next_to_nothing(
    client: httpx.Client, uploads: UploadStore, tmp_path: Path, seconds: float, fields: Mapping[str, str]
) -> None:
    answer = _read(client, keep(uploads, np.zeros(round(seconds * RATE)), tmp_path), **fields)
    _check(client, answer, seconds)
    assert {cue["viseme"] for cue in answer["mouth_cues"]} == {"REST"}


def test_a_long_one_goes_through_in_pieces(
    client: httpx.Client, uploads: UploadStore, spoken: np.ndarray, tmp_path: Path
) -> None:
    """As a job, with its progress; what is the same in another recording comes from the cache."""
    pause = np.zeros(RATE // 2, np.float32)
    phrases = [part for _ in range(15) for part in (spoken, pause)]
    sound = np.concatenate(phrases)
    name = keep(uploads, sound, tmp_path)
    job = client.post("/v1/avatar/render_async", json={"audio_filename": name, "language": "en"}).json()
    report = until_ended(client, [job["job_id"]])[job["job_id"]]
    assert report["status"] == "completed", report["error"]
    steps = events(client, job["job_id"])
    check_events(steps, "completed")
    read = [step for step in steps if step["stage"] == "lipsync"]
    assert len(read) >= 2 and read[-1]["progress"] in (94, 95)  # of a sum of seconds, rounded down
    answer = client.get(job["poll_url"]).json()
    _check(client, answer, len(sound) / RATE)
    assert answer["timings"]["lipsync"]["calls"] == len(read) and answer["audio_filename"] == name
    longer = _read(client, keep(uploads, np.concatenate([*phrases, spoken]), tmp_path), language="en")
    assert longer["timings"]["lipsync"]["cached"] >= 1


def test_each_engine(client: httpx.Client, recorded: str, settings: Settings) -> None:
    for name in settings.voice.lipsync.engines:
        if name in {"align", "recognize"}:
            answer = _read(client, recorded, text=TEXT, language="en", lipsync=name)
            assert answer["lipsync"]["engine"] == name
            spoken = client.post(RENDER, json={"text": TEXT, "lipsync": name}).json()
            assert spoken["engines"]["lipsync"] == name and spoken["words"][0]["text"] == "Maybe"


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        ({"lipsync": "phonemes"}, "no phoneme times", "Leave lipsync out"),
        ({"lipsync": "phonemes", "text": None}, "no phoneme times", "Leave lipsync out"),
        ({"lipsync": "align", "text": None}, "needs the text", "recognize"),
        ({"lipsync": "magic"}, "no engine 'magic'", "Allowed: auto, phonemes"),
        ({"language": "english"}, "language: ", "en_US"),
        ({"voice_id": "joe-deep"}, "voice_id: a recording keeps", "Leave out"),
        ({"speed": 1.5, "speaker": "x"}, "speaker, speed: a recording keeps", "Leave out"),
        ({"voice": {"engine": "world"}}, "voice: a recording keeps", "Leave out"),
        ({"audio_filename": "../../etc/passwd"}, "audio_filename: ", "POST /upload/audio"),
        ({"audio_filename": None, "language": "en"}, "language: a voice has its own", "leave it out"),
        ({"audio_filename": None, "text": None}, "text: is required", "audio_filename"),
    ],
)
def test_what_does_not_go_together(
    client: httpx.Client, recorded: str, fields: Answer, message: str, hint: str
) -> None:
    body = {"audio_filename": recorded, "text": TEXT, **fields}
    reply = client.post(RENDER, json={name: value for name, value in body.items() if value is not None})
    assert reply.status_code == 422
    error = error_of(reply)
    assert message in error["message"] and hint in error["hint"]


@pytest.mark.parametrize("address", [RENDER, "/v1/avatar/render_async", LIPSYNC])
def test_one_that_is_not_there(client: httpx.Client, address: str) -> None:
    reply = client.post(address, json={"audio_filename": f"{'0' * 32}.wav"})
    assert reply.status_code == 404 and error_of(reply)["code"] == "upload_not_found"
    assert "/upload/audio" in error_of(reply)["hint"]


def test_cues_alone(client: httpx.Client, recorded: str, spoken: np.ndarray) -> None:
    render = _read(client, recorded, text=TEXT, language="en_US", timing="exact")
    reply = client.post(LIPSYNC, json={"audio_filename": recorded, "text": TEXT, "language": "en_US"})
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    for name in ("mouth_cues", "words", "text", "duration_ms", "lipsync", "viseme_set", "timing"):
        assert answer[name] == render[name]
    assert answer["cached"] and "audio_url" not in answer
    frames = client.post(LIPSYNC, json={"audio_filename": recorded, "viseme_set": "arkit"}).json()["blend_shapes"]
    assert len(frames["names"]) == 52 and len(frames["frames"]) == int(np.ceil(len(spoken) / RATE * 30))


def test_the_formats_of_rhubarb(client: httpx.Client, recorded: str, spoken: np.ndarray) -> None:
    body = {"audio_filename": recorded, "dialog": TEXT}
    document = client.post(LIPSYNC, json={**body, "format": "rhubarb"}).json()
    cues = document["mouthCues"]
    duration_s = document["metadata"]["duration"]
    assert document["metadata"] == {"soundFile": recorded, "duration": duration_s}
    assert duration_s == pytest.approx(len(spoken) / RATE, abs=0.006)  # rounded to 1 ms, and then to 10
    assert cues[0]["start"] == 0 and cues[-1]["end"] == duration_s
    assert [cue["end"] for cue in cues[:-1]] == [cue["start"] for cue in cues[1:]]
    reply = client.post(LIPSYNC, json={**body, "format": "tsv"})
    assert reply.headers["content-type"].startswith("text/tab-separated-values")
    rows = [line.split("\t") for line in reply.text.splitlines()]
    assert [(float(start), value) for start, value in rows[:-1]] == [(cue["start"], cue["value"]) for cue in cues]
    assert rows[-1] == [f"{cues[-1]['end']:.2f}", "X"]
    refused = client.post(LIPSYNC, json={**body, "format": "tsv", "viseme_set": "azure"})
    assert refused.status_code == 422 and "viseme_set" in error_of(refused)["message"]


def test_a_file_in_a_form(client: httpx.Client, spoken: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "sent.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(spoken, -1, 1) * 32767).astype("<i2").tobytes())
    form = {"dialog": TEXT, "language": "en", "format": "rhubarb"}
    reply = client.post(LIPSYNC, files={"file": ("take 1.wav", path.read_bytes())}, data=form)
    assert reply.status_code == 200, reply.text
    assert reply.json()["metadata"]["duration"] == pytest.approx(len(spoken) / RATE, abs=0.01)
    assert reply.json()["metadata"]["soundFile"] == "take 1.wav"
    as_file = {"file": ("take 1.wav", path.read_bytes()), "dialog": ("take 1.txt", TEXT.encode())}
    answer = client.post(LIPSYNC, files=as_file, data={"language": "en"}).json()
    assert answer["text"] == TEXT and answer["cached"]
    used = answer["audio_filename"]
    assert _read(client, used, text=TEXT, language="en", timing="exact")["text"] == TEXT
    both = client.post(LIPSYNC, json={"audio_filename": used, "text": TEXT, "dialog": TEXT})
    assert both.status_code == 422 and "two names" in error_of(both)["message"]
    for wrong in ({"format": "mp3"}, {"colour": "red"}, {"lipsync": "magic"}, {"audio_filename": used}):
        refused = client.post(LIPSYNC, files={"file": ("a.wav", path.read_bytes())}, data=wrong)
        assert refused.status_code == 422 and next(iter(wrong)) in error_of(refused)["message"]
        assert next(iter(wrong)) not in error_of(refused)["hint"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', json.dumps({"text": TEXT}).encode()])
def test_a_body_without_a_recording(client: httpx.Client, content: bytes) -> None:
    reply = client.post(LIPSYNC, content=content, headers={"Content-Type": "application/json"})
    assert reply.status_code == 422 and error_of(reply)["hint"]


def test_a_json_body_may_not_be_as_long_as_a_file(client: httpx.Client) -> None:
    reply = client.post(LIPSYNC, content=b" " * 100_000, headers={"Content-Type": "application/json"})
    assert reply.status_code == 413 and error_of(reply)["code"] == "body_too_large"


def test_one_that_goes_before_its_turn(
    client: httpx.Client, uploads: UploadStore, settings: Settings, tmp_path: Path
) -> None:
    """A clear failure, not a render of nothing."""
    name = keep(uploads, np.zeros(RATE), tmp_path)
    assert _read(client, name)["text"] == ""
    (settings.storage.data_dir / "uploads" / name).unlink()
    reply = client.post(RENDER, json={"audio_filename": name, "timing": "exact"})
    assert reply.status_code == 404 and error_of(reply)["code"] == "upload_not_found"
