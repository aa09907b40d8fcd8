"""avatar-serve render: the whole DAG in this process, without Ray."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError
from tqdm import tqdm

from deployments.cache.memo import Memo
from deployments.core.errors import BadInput
from deployments.core.types import AudioClip
from deployments.media.recording import Recording
from deployments.tts.sentences import split

from . import config_file
from .api.bodies import RenderBody
from .api.schemas import RenderResponse
from .inprocess import in_process, shelf
from .intake import Intake
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
    recorded = _upload(settings, parsed.audio) if parsed.audio else None
    body = _body(parsed, recorded)
    parsed.out.mkdir(parents=True, exist_ok=True)  # before the work, so that a wrong folder is said at once
    files = asyncio.run(_render(settings, body, started))
    for name, content in files.items():
        with (parsed.out / name).open("wb") as file:
            file.writelines(content)
        print(parsed.out / name)
    return 0


def _upload(settings: Settings, path: Path) -> str:
    """Takes a recording in as the server would; its name from then on."""
    with path.open("rb") as file:
        intake = Intake(settings.uploads, settings.limits.max_audio_seconds)
        known = asyncio.run(intake.take_audio(_LocalFile(file)))
    for note in known["notes"]:
        print(note, file=sys.stderr)
    return str(known["filename"])


class _LocalFile:
    """A file that is read as one of a form is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        return self._file.read(size)


def _body(parsed: argparse.Namespace, recorded: str | None) -> RenderBody:
    given = parsed.text if parsed.said is None else parsed.said
    text = sys.stdin.read() if given == "-" else given
    fields = ("voice_id", "speed", "speaker", "viseme_set", "timing", "cache", "language", "lipsync")
    try:
        return RenderBody(text=text, audio_filename=recorded, **{name: getattr(parsed, name) for name in fields})
    except ValidationError as error:
        problems = (f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise BadInput("\n".join(problems)) from error


async def _render(settings: Settings, body: RenderBody, started: float) -> dict[str, Iterable[bytes]]:
    request = settings.cast.choose(body.to_request())
    whole_name = request.language if request.audio else settings.voices.find(request.voice_id).language
    language = whole_name.split("_")[0]
    cache = shelf(settings) if settings.cache.enabled else None
    memo = Memo([cache] if cache else [], request.cache)
    stages = in_process(settings, request)
    sound = stages.upload(request.audio) if request.audio and stages.upload else None
    total, unit = (round(sound.duration_s), "s") if sound else (len(split(request.text, language)), "sentence")
    with tqdm(total=total, unit=unit, disable=None) as bar:

        async def advance(part: AudioClip) -> None:
            bar.update(round(part.duration_s) if sound else 1)

        recording = Recording(settings.voice.media, request.timing, on_sentence=advance, recorded=bool(sound))
        try:
            take = await render(stages, request, language, recording, memo)
            await memo.settled()
            if cache:
                await cache.drain()
        finally:
            if cache:
                await cache.close()
    result = describe(new_render_id(), request, take, whole_name, settings.engines, memo.tallies)
    response = RenderResponse.of(result, "", "", (time.monotonic() - started) * 1000)
    local = {"audio_url": f"audio.{result.audio_format}", "captions_url": "captions.vtt"}
    document = response.model_copy(update=local).model_dump_json(indent=1)
    media = media_files(result, take, sound.chunks() if sound else None)
    return {**media, "response.json": (document.encode(),)}
