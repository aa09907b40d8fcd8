"""Videos on real Ray: a portrait is uploaded, says a text or a recording, is watched while it is made, and fetched."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from deployments.core.types import AudioClip
from deployments.media.encoding import wav
from serve_app.settings import Settings
from tests.portraits import astronaut, coded, meadow
from tests.serve_app.jobs import check_events, events, report, until_ended
from tests.serve_app.recordings import RATE, keep
from tests.serve_app.test_cache import WAIT_S, until
from tests.serve_app.test_cache_drills import replica_processes
from tests.serve_app.test_server import RENDER, error_of

GENERATE = "/generate/async"
TEXT = "Hello, I am a talking avatar!"
Answer = dict[str, Any]


@pytest.fixture(scope="module")
def collins(server_url: str) -> str:
    """A photograph as an upload; its name."""
    with httpx.Client(base_url=server_url, timeout=60, trust_env=False) as client:
        reply = client.post("/upload/image", files={"file": ("me.jpg", coded(astronaut()))})
    assert reply.status_code == 200, reply.text
    name: str = reply.json()["filename"]
    return name


def _generate(client: httpx.Client, image: str, **fields: Any) -> str:
    reply = client.post(GENERATE, json={"image_filename": image, **fields})
    assert reply.status_code == 202, reply.text
    accepted = reply.json()
    assert accepted["job_id"] == accepted["render_id"] and accepted["ws_url"].startswith("ws://")
    return str(accepted["job_id"])


def _made(client: httpx.Client, image: str, **fields: Any) -> Answer:
    job_id = _generate(client, image, **fields)
    ended = until_ended(client, [job_id])[job_id]
    assert ended["status"] == "completed", ended
    answer: Answer = client.get(ended["poll_url"]).json()
    return answer


def _frames(content: bytes) -> list[np.ndarray[Any, Any]]:
    with av.open(io.BytesIO(content), "r") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_an_upload_says_what_is_in_it(client: httpx.Client, collins: str) -> None:
    again = client.post("/upload/image", files={"file": ("other.jpg", coded(astronaut()))}).json()
    assert again["filename"] == collins and (again["width"], again["height"]) == (512, 512)
    assert again["ready"] and again["problem"] is None and again["format"] == "jpeg" and not again["has_alpha"]
    (face,) = again["faces"]
    left, top, right, bottom = face["box"]
    assert 150 < left < right < 300 and 40 < top < bottom < 260 and face["score"] > 0.5
    assert len(face["landmarks"]) == 478


def test_a_picture_of_nobody_is_kept_and_says_so(client: httpx.Client) -> None:
    found = client.post("/upload/image", files={"file": ("meadow.png", coded(meadow(), ".png"))}).json()
    assert not found["ready"] and found["faces"] == [] and found["problem"]
    job_id = _generate(client, found["filename"], text=TEXT)
    ended = until_ended(client, [job_id])[job_id]
    assert ended["status"] == "failed" and ended["error"]["code"] == "no_face" and ended["error"]["hint"]


def test_a_text(client: httpx.Client, collins: str) -> None:
    answer = _made(client, collins, text=TEXT, captions=True)
    video = answer["video"]
    assert (video["width"], video["height"], video["fps"]) == (512, 512, 25)
    assert video["frames"] == pytest.approx(answer["duration_ms"] / 40, abs=1.01) and abs(video["av_offset_ms"]) <= 20
    reply = client.get(video["url"])
    assert reply.headers["content-type"] == "video/mp4" and len(reply.content) == video["size_bytes"]
    assert reply.content.index(b"moov") < reply.content.index(b"mdat")
    with av.open(io.BytesIO(reply.content)) as container:
        codecs = [stream.codec_context.name for stream in container.streams]
        assert codecs[:2] == ["h264", "aac"] and len(codecs) == 3
    frames = _frames(reply.content)
    assert len(frames) == video["frames"] and frames[0].shape == (512, 512, 3)
    assert np.abs(frames[0].astype(int) - frames[10].astype(int)).max() > 20  # it moves
    picture = client.get(video["thumbnail_url"])
    assert picture.headers["content-type"] == "image/jpeg" and picture.content.startswith(b"\xff\xd8")
    assert answer["mouth_cues"] and answer["engines"]["avatar"] == "warp"


def test_parts_of_the_file(client: httpx.Client, collins: str) -> None:
    url = _made(client, collins, text=TEXT, captions=True)["video"]["url"]
    whole = client.get(url)
    part = client.get(url, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == whole.content[100:200]
    assert client.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert client.head(url).headers["content-length"] == str(len(whole.content))


def test_progress_counts_frames(client: httpx.Client, collins: str) -> None:
    job_id = _generate(client, collins, text="Progress is a row of frames.", cache="bypass")
    until_ended(client, [job_id])
    steps = events(client, job_id)
    check_events(steps, "completed")
    frames = [step for step in steps if step["stage"] in {"avatar", "video"}]
    assert len(frames) >= 3 and all(step["message"].startswith("Frame ") for step in frames)
    assert [step["progress"] for step in frames] == sorted(step["progress"] for step in frames)


def test_what_was_made_is_not_made_again(client: httpx.Client, collins: str) -> None:
    text = "Nobody draws this face a second time."
    first, again = _made(client, collins, text=text), _made(client, collins, text=text)
    assert again["cached"] and again["render_id"] != first["render_id"]
    assert client.get(again["video"]["url"]).content == client.get(first["video"]["url"]).content
    spoken = client.post(RENDER, json={"text": text}).json()
    assert spoken["cached"] and spoken["mouth_cues"] == first["mouth_cues"] and spoken["video"] is None
    other = _made(client, collins, text=text, background="#102030", fps=30)
    assert not other["cached"] and "tts" not in other["timings"] and other["video"]["fps"] == 30
    assert other["timings"]["join"]["cached"] == 1 and other["timings"]["avatar"]["cached"] == 0


def test_a_recording(client: httpx.Client, settings: Settings, collins: str, tmp_path: Path) -> None:
    times = np.arange(2 * RATE) / RATE
    name = keep(settings.uploads, (0.3 * np.sin(2 * np.pi * 200 * times)).astype(np.float32), tmp_path)
    answer = _made(client, collins, audio_filename=name, width=256, height=384)
    assert answer["video"]["frames"] == 50 and abs(answer["video"]["av_offset_ms"]) <= 20
    with av.open(io.BytesIO(client.get(answer["video"]["url"]).content), "r") as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert sound.std() == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_watching_it_while_it_is_made(client: httpx.Client, collins: str) -> None:
    text = " ".join(f"Number {number} is said aloud." for number in range(12))
    job_id = _generate(client, collins, text=text, cache="bypass", width=256, height=256)
    content, seen_at_work = b"", False
    with client.stream("GET", f"/stream/{job_id}.mp4") as stream:
        assert stream.status_code == 200 and stream.headers["content-type"] == "video/mp4"
        for chunk in stream.iter_raw():
            content += chunk
            seen_at_work = seen_at_work or report(client, job_id)["status"] == "processing"
    assert seen_at_work and content[4:8] == b"ftyp" and b"moof" in content
    answer = client.get(f"/v1/avatar/render/{job_id}").json()
    assert len(_frames(content)) == answer["video"]["frames"]
    late = client.get(f"/stream/{job_id}.mp4").content  # now it is the file itself
    assert late == client.get(answer["video"]["url"]).content


def test_watching_one_that_is_there_already(client: httpx.Client, collins: str) -> None:
    """An equal one was made before: nothing is drawn, and the file itself is sent."""
    made = _made(client, collins, text="This was seen before.", width=128, height=128)
    again = _generate(client, collins, text="This was seen before.", width=128, height=128)
    assert client.get(f"/stream/{again}.mp4").content == client.get(made["video"]["url"]).content


def test_cancelled_between_frames(client: httpx.Client, collins: str) -> None:
    text = " ".join(f"Sentence {number} will never be seen." for number in range(40))
    before = replica_processes("avatar", "Avatar")
    job_id = _generate(client, collins, text=text, cache="bypass")
    until(lambda: report(client, job_id)["stage"] in {"avatar", "video"})
    started = time.monotonic()
    assert client.delete(f"/jobs/{job_id}/cancel").status_code == 200
    assert report(client, job_id)["status"] == "cancelled"
    late = client.get(f"/stream/{job_id}.mp4")
    assert late.status_code >= 400 and "cancel" in error_of(late)["message"]
    _made(client, collins, text=TEXT)
    assert time.monotonic() - started < WAIT_S and replica_processes("avatar", "Avatar") == before
    assert client.get(f"/download/{job_id}.mp4").status_code == 404


def test_a_replica_that_dies_takes_no_video_with_it(client: httpx.Client, collins: str) -> None:
    text = " ".join(f"Sentence {number} is drawn whatever happens." for number in range(20))
    job_id = _generate(client, collins, text=text, width=256, height=256)
    until(lambda: report(client, job_id)["stage"] in {"avatar", "video"})
    (replica,) = replica_processes("avatar", "Avatar")
    replica.kill()
    ended = until_ended(client, [job_id])[job_id]
    assert ended["status"] == "completed" and ended["attempt"] == 2, ended
    answer = client.get(ended["poll_url"]).json()
    assert len(_frames(client.get(answer["video"]["url"]).content)) == answer["video"]["frames"]


def test_built_in_portraits(client: httpx.Client) -> None:
    listed = client.get("/portraits").json()
    assert len(listed) >= 2
    for each in listed:
        assert client.get(each["url"]).content.startswith(b"\x89PNG")
        answer = _made(client, each["image_filename"], text="Hello.", width=128, height=128)
        assert answer["video"]["frames"] > 10


@pytest.mark.parametrize(
    ("fields", "status", "code", "says"),
    [
        ({"image_filename": "0" * 32 + ".png"}, 404, "upload_not_found", "image_filename"),
        ({"image_filename": "nobody"}, 404, "upload_not_found", "image_filename"),
        ({"image_filename": "../etc/passwd"}, 422, "invalid_request", "image_filename"),
        ({"engine": "hollywood"}, 422, "invalid_request", "engine"),
        ({"parameters": {"warp": 9}}, 422, "invalid_request", "parameters: warp"),
        ({"width": 511}, 422, "invalid_request", "width"),
        ({"height": 4000}, 422, "invalid_request", "height"),
        ({"fps": 0}, 422, "invalid_request", "fps"),
        ({"background": "red"}, 422, "invalid_request", "background"),
        ({"background": "0" * 32 + ".png"}, 404, "upload_not_found", "background"),
        ({"text": None}, 422, "invalid_request", "text"),
        ({"audio_filename": "0" * 32 + ".wav", "text": None}, 404, "upload_not_found", "audio_filename"),
        ({"codec": "av1"}, 422, "invalid_request", "codec"),
        ({"landmarks": {"points": [[1, 2]]}}, 422, "invalid_request", "landmarks"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
def test_what_cannot_be(client: httpx.Client, collins: str, fields: Answer, status: int, code: str, says: str) -> None:
    body = {"image_filename": collins, "text": TEXT, **fields}
    reply = client.post(GENERATE, json={name: value for name, value in body.items() if value is not None})
    assert reply.status_code == status, reply.text
    error = error_of(reply)
    assert error["code"] == code and says in error["message"] and error["hint"]


def test_a_recording_that_is_too_long_is_refused_at_once(client: httpx.Client, collins: str) -> None:
    long = wav(AudioClip(np.zeros(661 * 8000, np.float32), 8000))
    name = client.post("/upload/audio", files={"file": ("long.wav", long)}).json()["filename"]
    reply = client.post(GENERATE, json={"image_filename": collins, "audio_filename": name})
    assert reply.status_code == 422 and "600" in error_of(reply)["message"]


def test_next_to_nothing_is_a_video_too(client: httpx.Client, settings: Settings, collins: str, tmp_path: Path) -> None:
    name = keep(settings.uploads, np.full(RATE // 100, 0.1, np.float32), tmp_path)
    video = _made(client, collins, audio_filename=name, width=128, height=128)["video"]
    assert video["frames"] == 1 and len(_frames(client.get(video["url"]).content)) == 1


def test_no_video_of_what_is_none(client: httpx.Client) -> None:
    render_id = client.post(RENDER, json={"text": TEXT}).json()["render_id"]
    for address in (f"/download/{render_id}.mp4", f"/stream/{render_id}.mp4", f"/download/{'0' * 32}.mp4"):
        assert client.get(address).status_code == 404
    assert client.get(f"/download/{render_id}.avi").status_code == 404


def test_who_watches_a_copy_sees_it_too(client: httpx.Client, collins: str) -> None:
    """Of two equal jobs one is made and the other is its copy, of which there are no parts."""
    fields = {"text": " ".join(f"Part {number} is for two." for number in range(8)), "width": 256, "height": 256}
    job_ids = [_generate(client, collins, **fields) for _ in range(2)]
    seen = [client.get(f"/stream/{job_id}.mp4").content for job_id in job_ids]
    assert [len(_frames(content)) for content in seen] == [_frames_of(client, job_id) for job_id in job_ids]


def _frames_of(client: httpx.Client, job_id: str) -> int:
    """How many a finished video has."""
    return int(client.get(f"/v1/avatar/render/{job_id}").json()["video"]["frames"])
