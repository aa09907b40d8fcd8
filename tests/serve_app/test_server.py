"""The whole server on real Ray with the real voice."""

from __future__ import annotations

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from serve_app.settings import Settings
from tests.voices import BROKEN, GERMAN

RENDER = "/v1/avatar/render"
SENTENCE = "Peter Piper picked a peck of very fine peppers."


def render(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post(RENDER, json={"text": SENTENCE, **fields})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def error_of(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message", "hint"}
    error: dict[str, Any] = body["error"]
    return error


def decoded_seconds(content: bytes) -> float:
    with av.open(io.BytesIO(content), mode="r") as container:
        return float(sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0)))


def test_a_render_has_all_that_the_design_promises(client: httpx.Client) -> None:
    result = render(client, cache="bypass")
    assert result["status"] == "completed" and result["cached"] is False
    assert len(result["render_id"]) == 32
    assert result["voice"]["voice_id"] == "en_US-joe-medium"
    times = [cue["t_ms"] for cue in result["mouth_cues"]]
    assert times[0] == 0 and times == sorted(set(times)) and times[-1] <= result["duration_ms"]
    assert {cue["viseme"] for cue in result["mouth_cues"]} <= {"REST", "AA", "EE", "OH", "OO", "FF", "TH"}
    assert [SENTENCE[word["start_char"] : word["end_char"]] for word in result["words"]] == SENTENCE[:-1].split()
    assert result["processing_time_ms"] > 0 and result["timings"]["tts"]["ms"] > 0


def test_its_audio_is_as_long_as_it_says(client: httpx.Client) -> None:
    result = render(client, speed=1.5)
    ogg = client.get(result["audio_url"])
    wav = client.get(result["audio_url"].replace(".ogg", ".wav"))
    assert ogg.headers["content-type"].startswith("audio/ogg") and wav.headers["content-type"] == "audio/wav"
    for content in (ogg.content, wav.content):
        assert decoded_seconds(content) * 1000 == pytest.approx(result["duration_ms"], abs=21)
    part = client.get(result["audio_url"], headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == ogg.content[10:20]


@pytest.mark.parametrize(
    ("header", "status", "content_range"),
    [
        ("bytes=-4", 206, "bytes {last4}-{last}/{size}"),
        ("bytes=4-", 206, "bytes 4-{last}/{size}"),
        ("BYTES=0-0", 206, "bytes 0-0/{size}"),
        ("bytes=999999999-", 416, "bytes */{size}"),
        ("bytes=-0", 416, "bytes */{size}"),
        (f"bytes={'9' * 5000}-", 200, None),
        ("bytes=0-1,3-4", 200, None),
        ("items=0-1", 200, None),
        ("bytes=-", 200, None),
    ],
)
def test_ranges(client: httpx.Client, audio_url: str, header: str, status: int, content_range: str | None) -> None:
    size = int(client.head(audio_url).headers["content-length"])
    answer = client.get(audio_url, headers={"Range": header})
    assert answer.status_code == status
    expected = content_range and content_range.format(size=size, last=size - 1, last4=size - 4)
    assert answer.headers.get("content-range") == expected


def test_a_known_file_is_not_sent_again(client: httpx.Client, audio_url: str) -> None:
    etag = client.head(audio_url).headers["etag"]
    for known in (etag, f'W/{etag}, "other"', "*"):
        assert client.get(audio_url, headers={"If-None-Match": known}).status_code == 304


@pytest.fixture(scope="module")
def audio_url(server_url: str) -> str:
    answer = httpx.post(f"{server_url}{RENDER}", json={"text": "Hello there."}, timeout=60, trust_env=False)
    url: str = answer.json()["audio_url"]
    return url


def test_captions(client: httpx.Client) -> None:
    result = render(client)
    vtt = client.get(result["captions_url"])
    srt = client.get(result["captions_url"].replace(".vtt", ".srt"))
    assert vtt.text.startswith("WEBVTT") and vtt.headers["content-type"].startswith("text/vtt")
    assert SENTENCE in srt.text and "Piper" in vtt.text


@pytest.mark.parametrize("viseme_set", ["oculus", "azure", "rhubarb", "arkit"])
def test_every_viseme_set(client: httpx.Client, viseme_set: str) -> None:
    result = render(client, viseme_set=viseme_set, timing="exact")
    if viseme_set == "arkit":
        shapes = result["blend_shapes"]
        assert result["mouth_cues"] == [] and {len(frame) for frame in shapes["frames"]} == {len(shapes["names"])}
    else:
        kinds = {type(cue["viseme"]) for cue in result["mouth_cues"]}
        assert kinds == ({int} if viseme_set == "azure" else {str})


def test_results_lie_in_their_folder(client: httpx.Client, settings: Settings) -> None:
    folder = settings.storage.data_dir / "results" / render(client, cache="bypass")["render_id"]
    names = {path.name for path in folder.iterdir()}
    assert names == {"audio.ogg", "audio.wav", "captions.srt", "captions.vtt", "response.json"}
    assert json.loads((folder / "response.json").read_text())["request"]["text"] == SENTENCE


def test_sentences_come_in_order_with_words_in_the_original_text(client: httpx.Client) -> None:
    text = "One is here. Two follows it!\n\nThree ends the text, doesn't it?"
    result = render(client, text=text)
    words = result["words"]
    assert [text[word["start_char"] : word["end_char"]] for word in words] == [word["text"] for word in words]
    starts = [word["start_ms"] for word in words]
    assert starts == sorted(starts)
    assert [word["text"] for word in words][:3] == ["One", "is", "here"] and words[-1]["text"] == "it"


def test_two_languages_at_once(client: httpx.Client) -> None:
    """espeak-ng keeps one voice per process: requests must not speak with each other's rules."""
    voices = ("en_US-joe-medium", GERMAN)
    alone = {voice: mouth_shapes(client, voice) for voice in voices}
    assert alone[voices[0]] != alone[voices[1]]
    asked = list(voices) * 4
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda voice: mouth_shapes(client, voice), asked))
    assert together == [alone[voice] for voice in asked]


def mouth_shapes(client: httpx.Client, voice_id: str) -> list[int]:
    """The shapes of a short sentence without pauses, whose phonemes alone decide them."""
    result = render(client, text="Maybe thirty jewels", voice_id=voice_id, viseme_set="azure", timing="exact")
    shapes = [cue["viseme"] for cue in result["mouth_cues"] if cue["viseme"]]
    return [shape for shape, before in zip(shapes, [0, *shapes], strict=False) if shape != before]


BAD: list[tuple[str, bytes, str]] = [
    ("empty text", b'{"text": ""}', "text"),
    ("blank text", b'{"text": " \\n\\t "}', "text"),
    ("too long", json.dumps({"text": "a" * 5001}).encode(), "text"),
    ("no text", b"{}", "text"),
    ("slow", b'{"text": "Hi", "speed": 0.49}', "speed"),
    ("fast", b'{"text": "Hi", "speed": 2.01}', "speed"),
    ("NaN", b'{"text": "Hi", "speed": NaN}', "speed"),
    ("infinite", b'{"text": "Hi", "speed": Infinity}', "speed"),
    ("speed as text", b'{"text": "Hi", "speed": "1.0"}', "speed"),
    ("text as number", b'{"text": 5}', "text"),
    ("unknown voice", b'{"text": "Hi", "voice_id": "xx_XX-nobody-high"}', "voice_id"),
    ("path as voice", b'{"text": "Hi", "voice_id": "../../etc/passwd"}', "voice_id"),
    ("voice not installed", b'{"text": "Hi", "voice_id": "en_GB-alan-medium"}', "voice_id"),
    ("unknown speaker", b'{"text": "Hi", "speaker": "Bob"}', "speaker"),
    ("unknown field", b'{"text": "Hi", "pitch": 2}', "pitch"),
    ("unknown set", b'{"text": "Hi", "viseme_set": "mpeg4"}', "viseme_set"),
    ("not JSON", b"text=Hello", "JSON"),
    ("half JSON", b'{"text": "He', "JSON"),
    ("bad UTF-8", b'{"text": "\xff"}', "JSON"),
    ("endless nesting", b"[" * 60_000, "JSON"),
    ("a number without end", b'{"text": "Hi", "speed": ' + b"1" * 6000 + b"}", ""),
    ("a list", b"[1, 2]", "body"),
    ("null", b"null", "body"),
    ("surrogate in a name", b'{"text": "Hi", "\\ud800": 1}', ""),
    ("SSML", b'{"text": "<speak>Hi <break/></speak>"}', "text"),
    ("dots only", b'{"text": "..."}', "text"),
    ("control characters only", b'{"text": "\\u0001\\u0002"}', "text"),
]


@pytest.mark.parametrize(("body", "names"), [(body, names) for _, body, names in BAD], ids=[name for name, *_ in BAD])
def test_bad_input_is_a_4xx_that_names_the_field(client: httpx.Client, body: bytes, names: str) -> None:
    answer = client.post(RENDER, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    error = error_of(answer)
    assert names in error["message"] and error["hint"]


def test_a_missing_voice_comes_with_its_download_command(client: httpx.Client) -> None:
    answer = client.post(RENDER, json={"text": "Hi", "voice_id": "en_GB-alan-medium"})
    assert error_of(answer)["code"] == "voice_not_installed"
    assert "avatar-serve voices download en_GB-alan-medium" in error_of(answer)["hint"]


@pytest.mark.parametrize(
    "text",
    ["😀😀", "\x00Hello\x07 there", "a" * 5000, "Hi <b>you</b> & me", "[[həloʊ]]", "Привет, 你好, مرحبا", "1" * 400],
    ids=["emoji", "control characters", "one long word", "tags", "phonemes", "scripts", "digits"],
)
def test_odd_text_is_sound_speech(client: httpx.Client, text: str) -> None:
    result = render(client, text=text)
    assert result["duration_ms"] > 200 and len(result["mouth_cues"]) > 2


def test_a_lone_surrogate_does_no_harm(client: httpx.Client) -> None:
    answer = client.post(RENDER, content=b'{"text": "Hi \\ud800 you"}', headers={"Content-Type": "application/json"})
    assert answer.status_code in {200, 422}
    assert answer.status_code == 200 or "text" in error_of(answer)["message"]


@given(text=st.text(min_size=1, max_size=60))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_spoken_or_refused(client: httpx.Client, text: str) -> None:
    answer = client.post(RENDER, json={"text": text})
    assert answer.status_code in {200, 422}, answer.text
    if answer.status_code == 200:
        cues = answer.json()["mouth_cues"]
        times = [cue["t_ms"] for cue in cues]
        assert times == sorted(set(times)) and all(0 <= cue["weight"] <= 1 for cue in cues)


def test_a_failing_synthesis_is_one_clear_5xx_and_leaves_the_server_well(client: httpx.Client) -> None:
    assert render(client, text="Hello there.", voice_id=BROKEN)["duration_ms"] > 0
    answer = client.post(RENDER, json={"text": "A pleasure. Then more. And more.", "voice_id": BROKEN})
    assert answer.status_code == 500
    error = error_of(answer)
    assert error["code"] == "synthesis_failed" and "Traceback" not in answer.text and "onnx" not in answer.text.lower()
    assert answer.headers["x-request-id"] in error["hint"]
    assert render(client)["duration_ms"] > 0


def test_voices_lists_installed_and_catalogue(client: httpx.Client) -> None:
    listing = client.get("/v1/voices").json()
    voices = {voice["voice_id"]: voice for voice in listing["voices"]}
    assert listing["default"] == "en_US-joe-medium"
    assert voices["en_US-joe-medium"]["installed"] and voices[GERMAN]["language_name"] == "German"
    assert len(voices) >= 163
    lessac = voices["en_US-lessac-medium"]
    assert not lessac["installed"] and lessac["download"] == "avatar-serve voices download en_US-lessac-medium"


def test_health_and_openapi(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "healthy", "valkey_connected": None, "pending_jobs": 0}
    schema = client.get("/openapi.json").json()
    assert schema["components"]["schemas"]["RenderBody"]["examples"]
    assert schema["components"]["schemas"]["RenderResponse"]["examples"]


@pytest.mark.parametrize(
    "path",
    [
        "/audio/0123.ogg",
        f"/audio/{'0' * 32}.ogg",
        f"/audio/{'0' * 32}.mp3",
        "/audio/..%2F..%2Fetc%2Fpasswd.wav",
        "/nope",
    ],
)
def test_unknown_things_are_404_in_the_same_words(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "not_found"


def test_a_wrong_method_is_405(client: httpx.Client) -> None:
    answer = client.get(RENDER)
    assert answer.status_code == 405 and error_of(answer)["code"] == "method_not_allowed"


def test_one_request_id_leads_through_every_stage(client: httpx.Client, ray_folder: Path) -> None:
    answer = client.post(RENDER, json={"text": SENTENCE, "cache": "bypass"}, headers={"X-Request-ID": "trace-me-42"})
    assert answer.headers["x-request-id"] == "trace-me-42"
    logs = ray_folder / "session_latest" / "logs" / "serve"
    deadline = time.monotonic() + 30
    while _stages_that_logged("trace-me-42", logs) != {"TTS", "LipSync", "Renderer", "Jobs", "Ingress"}:
        assert time.monotonic() < deadline, _stages_that_logged("trace-me-42", logs)
        time.sleep(0.05)  # the access log is written behind the answer


def _stages_that_logged(request_id: str, logs: Path) -> set[str]:
    files = logs.glob("replica_avatar_*.log")
    return {path.name.split("_")[2] for path in files if request_id in path.read_text()}
