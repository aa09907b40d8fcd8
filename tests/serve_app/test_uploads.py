"""POST /upload/audio on the whole server."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from serve_app.settings import Settings
from tests.recordings import recording, tone, video
from tests.serve_app.test_server import error_of

UPLOAD = "/upload/audio"


def upload(client: httpx.Client, content: bytes, name: str = "me.wav", kind: str = "audio/wav") -> httpx.Response:
    return client.post(UPLOAD, files={"file": (name, content, kind)})


def sound(hertz: float, kind: str = "mp3") -> bytes:
    return recording(kind, tone(1, 44_100, hertz=hertz), 44_100, 2)


def test_a_recording_is_kept_under_a_name_of_its_content(client: httpx.Client, settings: Settings) -> None:
    content = sound(200)
    answer = upload(client, content)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["filename"] == f"{hashlib.sha256(content).hexdigest()[:32]}.wav"
    assert (found["container"], found["sample_rate"], found["channels"]) == ("mp3", 44_100, 2)
    assert found["duration_ms"] == pytest.approx(1000, abs=60) and found["size_bytes"] == len(content)
    assert found["peak"] == pytest.approx(0.3, abs=0.05) and found["active_ms"] > 900
    assert found["silent"] is False and found["notes"] == []
    assert found["speech"] is False and found["speech_share"] == 0  # a tone
    kept = settings.storage.data_dir / "uploads" / found["filename"]
    with wave.open(str(kept)) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 24_000)
    written = kept.stat().st_mtime_ns
    assert upload(client, content, "another name.ogg", "text/plain").json() == found
    assert kept.stat().st_mtime_ns == written  # not decoded again
    (kept.with_suffix(".json")).write_text('{"notes": []}')  # of a release that looked for less
    assert upload(client, content).json() == found


def test_a_voice_is_heard_as_one(client: httpx.Client) -> None:
    spoken = client.post("/v1/audio/speech", json={"input": "Somebody is speaking here.", "response_format": "mp3"})
    found = upload(client, spoken.content).json()
    assert found["speech"] is True and 0.5 < found["speech_share"] <= 1, found


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\\b.exe", "x" * 3000, "naïve ☃.mp3", ""])
def test_the_senders_name_counts_nothing(client: httpx.Client, settings: Settings, name: str) -> None:
    before = {path.name for path in settings.storage.data_dir.iterdir()}
    answer = upload(client, sound(210), name)
    assert answer.status_code in (200, 422), answer.text  # 422: without a name it is a field, not a file
    assert {path.name for path in settings.storage.data_dir.iterdir()} - before <= {"uploads"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<html>", "HTML"),
        (b"%PDF-1.4", "PDF"),
        (video(), "video"),
        (sound(220)[:5000], "cut short"),
        (sound(220, "m4a")[:9000], "cut short"),
    ],
)
def test_what_is_no_recording_is_said(client: httpx.Client, content: bytes, reason: str) -> None:
    answer = upload(client, content)
    error = error_of(answer)
    assert answer.status_code == 422 and error["code"] == "bad_recording"
    assert reason in error["message"] and error["hint"]


def test_what_is_no_form_is_said_with_an_example(client: httpx.Client) -> None:
    tries: list[dict[str, Any]] = [
        {"content": sound(230), "headers": {"Content-Type": "audio/mpeg"}},
        {"json": {"file": "me.wav"}},
        {"data": {"file": "me.wav"}},
        {"files": {"audio": ("me.wav", sound(230))}},
        {"files": [("file", ("a", b"1")), ("file", ("b", b"2"))]},
        {"files": [("other", ("a", b"1")), ("file", ("b", b"2"))]},
        {"content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
        {"files": {f"f{number}": (None, "x") for number in range(40)}},
        {},
    ]
    for request in tries:
        answer = client.post(UPLOAD, **request)
        assert answer.status_code == 422, (request.keys(), answer.text)
        several = isinstance(request.get("files"), list)  # then it is the fields that are wrong, not the form
        assert error_of(answer)["hint"] and (several or "curl -F file=@" in error_of(answer)["hint"])


def test_a_field_that_there_is_not_is_named(client: httpx.Client) -> None:
    answer = client.post(UPLOAD, files={"file": ("me.wav", sound(230))}, data={"language": "de"})
    error = error_of(answer)
    assert answer.status_code == 422 and error["message"] == "language: there is no such field."
    assert error["hint"] == "Allowed fields: file."


def test_a_body_beyond_the_limit_is_413(client: httpx.Client, settings: Settings) -> None:
    most = round(settings.limits.max_upload_mb * 1e6)
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(most + 1)}
    with contextlib.closing(_connection(client)) as line:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        line.sendall(f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        assert b" 413 " in line.recv(200)
    small = client.post("/v1/avatar/render", content=b"x" * 100_000, headers={"Content-Type": "application/json"})
    assert small.status_code == 413  # elsewhere the limit is what it was


def test_who_leaves_in_the_middle_of_a_body_leaves_nothing(client: httpx.Client, settings: Settings) -> None:
    content = recording("wav", tone(20, 48_000), 48_000)
    start = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + content[: len(content) // 2]
    )
    line = _connection(client)
    line.sendall(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(content) + 200}\r\n\r\n".encode()
        + start
    )
    line.close()
    answers = [upload(client, sound(240 + number)) for number in range(6)]  # more than may be at a time
    assert [answer.status_code for answer in answers] == [200] * 6
    deadline = time.monotonic() + 10
    while any(Path("/tmp").glob("avatar-upload-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [
        each for each in psutil.Process().children(recursive=True) if "deployments.media.decoding" in each.cmdline()
    ]


def test_many_at_once_are_all_taken(client: httpx.Client) -> None:
    contents = [sound(300 + number) for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda content: upload(client, content), contents))
    assert all(answer.status_code in (200, 429) for answer in answers)
    names = {answer.json()["filename"] for answer in answers if answer.status_code == 200}
    assert len(names) == sum(answer.status_code == 200 for answer in answers) >= 4


def _connection(client: httpx.Client) -> socket.socket:
    url = urlsplit(str(client.base_url))
    return socket.create_connection((url.hostname, url.port), timeout=10)
