"""avatar-serve render: the whole DAG in this process, without Ray."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from pydantic import ValidationError
from tqdm import tqdm

from deployments.cache.memo import Memo
from deployments.core.errors import BadInput
from deployments.core.types import AudioClip
from deployments.media.recording import Recording
from deployments.tts.sentences import split

from . import config_file
from .api.schemas import RenderBody, RenderResponse
from .inprocess import in_process, shelf
from .pipeline import render
from .results import describe, media_files, new_render_id
from .settings import Settings


def run(parsed: argparse.Namespace) -> int:
    """Renders; writes audio, captions and response.json.

    Raises:
        BadInput, ConfigError: with what to do in their text.
    """
    settings = config_file.read(parsed.config).settings
    started = time.monotonic()
    body = _body(parsed)
    parsed.out.mkdir(parents=True, exist_ok=True)  # before the work, so that a wrong folder is said at once
    files = asyncio.run(_render(settings, body, started))
    for name, content in files.items():
        (parsed.out / name).write_bytes(content)
        print(parsed.out / name)
    return 0


def _body(parsed: argparse.Namespace) -> RenderBody:
    text = sys.stdin.read() if parsed.text == "-" else parsed.text
    fields = ("voice_id", "speed", "speaker", "viseme_set", "timing", "cache")
    try:
        return RenderBody(text=text, **{name: getattr(parsed, name) for name in fields})
    except ValidationError as error:
        problems = (f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise BadInput("\n".join(problems)) from error


async def _render(settings: Settings, body: RenderBody, started: float) -> dict[str, bytes]:
    request = settings.cast.choose(body.to_request())
    voice = settings.voices.find(request.voice_id)
    language = voice.language.split("_")[0]
    cache = shelf(settings) if settings.cache.enabled else None
    memo = Memo([cache] if cache else [], request.cache)
    with tqdm(total=len(split(request.text, language)), unit="sentence", disable=None) as bar:

        async def advance(_sound: AudioClip) -> None:
            bar.update()

        recording = Recording(settings.voice.media, request.timing, on_sentence=advance)
        try:
            take = await render(in_process(settings, request), request, language, recording, memo)
            await memo.settled()
            if cache:
                await cache.drain()
        finally:
            if cache:
                await cache.close()
    result = describe(new_render_id(), request, take, voice.language, settings.engines, memo.tallies)
    response = RenderResponse.of(result, "", "", (time.monotonic() - started) * 1000)
    local = {"audio_url": f"audio.{result.audio_format}", "captions_url": "captions.vtt"}
    document = response.model_copy(update=local).model_dump_json(indent=1)
    return {**media_files(result, take), "response.json": document.encode()}
