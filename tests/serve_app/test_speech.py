"""/v1/audio/speech and /v1/models, asked by OpenAI's own client: what chat front ends use. On real Ray."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import av
import httpx
import numpy as np
import openai
import pytest

from deployments.core.types import SpeechFormat
from serve_app.settings import Settings
from tests.serve_app.jobs import Report, check_events, events, report, reports
from tests.serve_app.test_cache import check, http_many, render, until
from tests.serve_app.test_jobs import ended
from tests.serve_app.test_server import RENDER, error_of
from tests.voices import BROKEN, GERMAN

SPEECH = "/v1/audio/speech"
FORMATS: tuple[SpeechFormat, ...] = get_args(SpeechFormat)
MEDIA = {"wav": "audio/wav", "mp3": "audio/mpeg", "opus": "audio/ogg", "flac": "audio/flac", "pcm": "audio/pcm"}
TEN = " ".join(f"This is sentence number {number}, and there are several words in it." for number in range(10))
MANY = " ".join(f"This is sentence number {number}, and nobody will hear all of them." for number in range(70))


@pytest.fixture
def ai(server_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{server_url}/v1",
        api_key="none",
        max_retries=0,
        timeout=120,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    ) as client:
        yield client


def speak(ai: openai.OpenAI, text: str, **fields: Any) -> bytes:
    return ai.audio.speech.create(**{"model": "tts-1", "voice": "alloy", "input": text, **fields}).content


def sound(content: bytes, kind: str) -> tuple[float, float]:
    """Seconds and loudness (0-1) of a file; pcm is 24,000 Hz, 16 bits, and has no header."""
    if kind == "pcm":
        samples = np.frombuffer(content, "<i2") / 2**15
        return len(samples) / 24_000, float(np.sqrt(np.mean(samples**2)))
    with av.open(io.BytesIO(content), mode="r") as container:
        (stream,) = container.streams.audio
        resampler = av.AudioResampler(format="flt", layout="mono", rate=stream.rate)
        parts = [part.to_ndarray() for frame in container.decode(stream) for part in resampler.resample(frame)]
        parts += [part.to_ndarray() for part in resampler.resample(None)]
        samples = np.concatenate(parts, axis=1)[0]
        return len(samples) / stream.rate, float(np.sqrt(np.mean(samples**2)))


def job_of(client: httpx.Client, text: str) -> Report:
    """The newest job of a text."""
    preview = text if len(text) <= 80 else f"{text[:80]}…"
    return next(job for job in reports(client) if job["text"] == preview)


def pieces(settings: Settings) -> set[Path]:
    """Files of speech that is sent part by part."""
    return set((settings.storage.data_dir / "results").rglob("speech-*"))


# --- Files ---


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_speech_of_the_right_length(
    ai: openai.OpenAI, client: httpx.Client, kind: SpeechFormat
) -> None:
    """Sentence by sentence as it is spoken, then whole out of the cache."""
    text = f"Ladies and gentlemen. We will now hear {kind}. It lasts some seconds."
    answer = ai.audio.speech.create(model="tts-1", voice="alloy", input=text, response_format=kind)
    assert answer.response.headers["content-type"] == MEDIA[kind]
    render_ms = render(client, text)["duration_ms"]
    for content in (answer.content, speak(ai, text, response_format=kind)):
        seconds, loudness = sound(content, kind)
        assert seconds * 1000 == pytest.approx(render_ms, abs=60 if kind == "mp3" else 21)
        assert 0.01 < loudness < 0.5


def test_the_default_is_mp3(client: httpx.Client) -> None:
    answer = client.post(SPEECH, json={"input": "Nothing else was said."})
    assert answer.status_code == 200 and answer.headers["content-type"] == "audio/mpeg"
    assert sound(answer.content, "mp3")[0] > 0.5


@pytest.mark.parametrize("kind", ["wav", "pcm", "flac"])
def test_the_same_again_is_whole_and_out_of_the_cache(
    ai: openai.OpenAI, client: httpx.Client, kind: SpeechFormat
) -> None:
    text = f"Otters listen twice. They like {kind} best. So they say."
    first = speak(ai, text, response_format=kind)
    second = speak(ai, text, response_format=kind)
    assert samples(second, kind) == samples(first, kind), "nothing speaks twice in the same way"
    job = job_of(client, text)
    steps = events(client, job["job_id"])
    check_events(steps, "completed")
    assert [step["stage"] for step in steps].count("speech") == 1, "it came in one part"
    check(client, client.get(f"{RENDER}/{job['job_id']}").json(), text)  # it is a render as any other


def samples(content: bytes, kind: str) -> bytes:
    """Without the header, whose lengths are unknown as long as more may come."""
    if kind == "pcm":
        return content
    with av.open(io.BytesIO(content), mode="r") as container:
        return b"".join(frame.to_ndarray().tobytes() for frame in container.decode(audio=0))


def test_speed(ai: openai.OpenAI) -> None:
    text = "The quick brown fox jumps over the lazy dog and runs away."
    lasts = {
        speed: sound(speak(ai, text, speed=speed, response_format="pcm"), "pcm")[0] for speed in (0.25, 0.5, 1, 2, 4)
    }
    assert 0.4 < lasts[2] / lasts[1] < 0.75 and 1.4 < lasts[0.5] / lasts[1] < 2.2  # pauses keep some of their length
    assert lasts[4] == lasts[2] and lasts[0.25] == lasts[0.5]  # out of the cache: the same speech


# --- Voices and models ---


@pytest.mark.parametrize(
    ("voice", "speaks"),
    [("alloy", "en_US-joe-medium"), ("verse", "en_US-joe-medium"), (GERMAN, GERMAN), ({"id": GERMAN}, GERMAN)],
    ids=["alloy", "verse", "ours", "custom"],
)
def test_voices(ai: openai.OpenAI, client: httpx.Client, voice: Any, speaks: str) -> None:
    text = f"Panthers greet {'everybody' if isinstance(voice, dict) else voice}."
    assert sound(speak(ai, text, voice=voice), "mp3")[0] > 0.5
    assert job_of(client, text)["voice_id"] == speaks


def test_an_unknown_voice_is_an_error_that_says_what_to_do(ai: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="xx_XX-nobody-high") as refused:
        speak(ai, "Hello.", voice="xx_XX-nobody-high")
    assert isinstance(refused.value.body, dict) and refused.value.code == "unknown_voice"
    assert "voices" in refused.value.body["hint"]
    with pytest.raises(openai.UnprocessableEntityError) as missing:
        speak(ai, "Hello.", voice="en_GB-alan-medium")
    assert isinstance(missing.value.body, dict) and missing.value.code == "voice_not_installed"
    assert "avatar-serve voices download en_GB-alan-medium" in missing.value.body["hint"]


def test_models(ai: openai.OpenAI) -> None:
    names = [model.id for model in ai.models.list()]
    assert names[0] == "avatar-serve" and {"tts-1", "tts-1-hd", "gpt-4o-mini-tts"} <= set(names)
    for name in names:
        model = ai.models.retrieve(name)
        assert model.id == name and model.object == "model" and model.owned_by
        assert sound(speak(ai, "Every one of them speaks.", model=name, response_format="wav"), "wav")[0] > 0.5
    with pytest.raises(openai.NotFoundError) as unknown:
        ai.models.retrieve("whisper-1")
    assert "whisper-1" in str(unknown.value) and unknown.value.code == "not_found"


# --- What is refused ---


@pytest.mark.parametrize(
    ("fields", "names", "hint"),
    [
        ({"input": ""}, "input", "5000"),
        ({"input": " \n "}, "input", "5000"),
        ({"input": "a" * 5001}, "input", "5000"),
        ({"input": 5}, "input", "5000"),
        ({}, "input", "5000"),
        ({"input": "..."}, "text", "words"),
        ({"input": "Hi", "speed": 0.2}, "speed", "0.25"),
        ({"input": "Hi", "speed": 4.1}, "speed", "4"),
        ({"input": "Hi", "response_format": "aac"}, "response_format", "opus"),
        ({"input": "Hi", "stream_format": "ws"}, "stream_format", "sse"),
        ({"input": "Hi", "model": "whisper-1"}, "model", "tts-1"),
        ({"input": "Hi", "voice": 5}, "voice", "/v1/voices"),
        ({"input": "Hi", "voice": {"name": "alloy"}}, "voice", "/v1/voices"),
        ({"input": "Hi", "text": "Hi"}, "text", "response_format"),
    ],
)
def test_bad_input_is_422_that_names_the_field(
    client: httpx.Client, fields: dict[str, Any], names: str, hint: str
) -> None:
    answer = client.post(SPEECH, json=fields)
    assert answer.status_code == 422, answer.text
    error = error_of(answer)
    assert error["message"].startswith(names) and hint in error["hint"], error


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_a_fault_before_the_first_sound_is_an_error(ai: openai.OpenAI, stream_format: Literal["audio", "sse"]) -> None:
    with pytest.raises(openai.InternalServerError) as failed:
        speak(ai, "A measure of treasure.", voice=BROKEN, stream_format=stream_format)
    assert failed.value.status_code == 500 and failed.value.code == "synthesis_failed"
    with pytest.raises(openai.UnprocessableEntityError) as nothing:
        speak(ai, "... --", stream_format=stream_format)
    assert nothing.value.code == "nothing_to_speak"


# --- Streaming ---


def test_the_first_sound_comes_before_the_last_sentence_is_spoken(ai: openai.OpenAI, client: httpx.Client) -> None:
    with ai.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=TEN, response_format="pcm"
    ) as stream:
        chunks = stream.iter_bytes()
        first = next(chunks)
        job = job_of(client, TEN)
        content = first + b"".join(chunks)
    assert job["status"] == "processing" and job["stage"] == "speech" and job["progress"] < 95
    steps = events(client, job["job_id"])
    check_events(steps, "completed")
    assert [step["stage"] for step in steps].count("speech") >= 10
    assert sound(content, "pcm")[0] * 1000 == pytest.approx(render(client, TEN)["duration_ms"], abs=21)


def test_events_carry_the_sound_in_parts(ai: openai.OpenAI, client: httpx.Client) -> None:
    text = "Quails send letters. Rooks read them aloud. Seals reply."
    with ai.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="nova", input=text, response_format="wav", stream_format="sse"
    ) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in stream.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    *deltas, done = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert {each["type"] for each in deltas} == {"speech.audio.delta"} and len(deltas) >= 3
    content = b"".join(base64.b64decode(each["audio"], validate=True) for each in deltas)
    assert sound(content, "wav")[0] * 1000 == pytest.approx(render(client, text)["duration_ms"], abs=21)
    assert done["type"] == "speech.audio.done"
    usage = done["usage"]
    assert set(usage) == {"input_tokens", "output_tokens", "total_tokens"}
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] and usage["input_tokens"] > 0


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_who_leaves_in_mid_stream_cancels(
    ai: openai.OpenAI, client: httpx.Client, settings: Settings, stream_format: Literal["audio", "sse"]
) -> None:
    text = f"{stream_format.title()} it is. {MANY}"
    before = pieces(settings)
    with ai.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=text, response_format="mp3", stream_format=stream_format
    ) as stream:
        chunks = stream.iter_bytes()
        next(chunks)
        job = job_of(client, text)
        assert report(client, job["job_id"])["status"] == "processing" and pieces(settings) > before
    assert ended(client, job["job_id"])["status"] == "cancelled"
    until(lambda: pieces(settings) == before)
    check_events(events(client, job["job_id"]), "cancelled")


async def test_who_leaves_before_the_first_sound_cancels(server_url: str, client: httpx.Client) -> None:
    text = f"Nobody waits for this. {MANY}"
    async with http_many(server_url) as leaving:
        waiting = asyncio.create_task(leaving.post(SPEECH, json={"input": text}))
        await asyncio.to_thread(until, lambda: any(job["text"] == f"{text[:80]}…" for job in reports(client)))
        waiting.cancel()
        job = await asyncio.to_thread(job_of, client, text)
        job = await asyncio.to_thread(ended, client, job["job_id"])
    assert job["status"] == "cancelled"


def test_a_cancelled_job_ends_the_stream(client: httpx.Client) -> None:
    """What goes wrong behind the head cannot be said any more: the body breaks off, and every client notices."""
    text = f"Somebody else stops this. {MANY}"
    with client.stream("POST", SPEECH, json={"input": text, "response_format": "pcm"}) as stream:
        chunks = stream.iter_raw()
        next(chunks)
        assert client.delete(f"/jobs/{job_of(client, text)['job_id']}/cancel").status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            b"".join(chunks)
    assert job_of(client, text)["status"] == "cancelled"
