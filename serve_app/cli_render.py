"""avatar-serve render: the whole DAG in this process, without Ray."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn

from pydantic import ValidationError
from tqdm import tqdm

from deployments.avatar import portraits
from deployments.cache.memo import Memo
from deployments.core.errors import BadInput
from deployments.core.types import AudioClip, RenderRequest, Take
from deployments.core.video import Footage, Video
from deployments.media.recording import Recording
from deployments.tts.sentences import split

from . import config_file
from .api.bodies import RenderBody
from .api.schemas import RenderResponse
from .api.video_bodies import VideoBody
from .filming import produce
from .inprocess import in_process, shelf
from .intake import Intake
from .results import describe, media_files, new_render_id
from .settings import Settings
from .sound import RecordedSound
from .used_uploads import open_sound


def run(parsed: argparse.Namespace) -> int:
    """Renders; writes audio, captions, response.json, and the video of a portrait.

    Raises:
        BadInput, ConfigError: with what to do in their text.
    """
    settings = config_file.read(parsed.config).settings
    started = time.monotonic()
    recorded = _upload(settings, parsed.audio, "take_audio") if parsed.audio else None
    body = _body(parsed, recorded, _portrait(settings, parsed.portrait) if parsed.portrait else None)
    alone = parsed.out.suffix.lower() == ".mp4"
    if alone and not parsed.portrait:
        raise BadInput("--out: there is a video of a portrait only.", hint="Add --portrait FILE, or name a folder.")
    folder = parsed.out.parent if alone else parsed.out
    folder.mkdir(parents=True, exist_ok=True)  # before the work, so that a wrong folder is said at once
    files = asyncio.run(_render(settings, body, started))
    wanted = {parsed.out: files["video.mp4"]} if alone else {folder / name: files[name] for name in files}
    for path, content in wanted.items():
        with path.open("wb") as file:
            file.writelines(content)
        print(path)
    return 0


def _portrait(settings: Settings, given: str) -> str:
    """Name of the picture for a request."""
    return given if given in portraits.names() else _upload(settings, Path(given), "take_picture")


def _upload(settings: Settings, path: Path, verb: Literal["take_audio", "take_picture"]) -> str:
    """Takes a recording or a picture in as the server would; its name from then on."""
    with path.open("rb") as file:
        intake = Intake(settings.uploads, settings.limits)
        known = asyncio.run(getattr(intake, verb)(_LocalFile(file)))
    for note in [*known["notes"], *known.get("face_notes", [])]:
        print(note, file=sys.stderr)
    return str(known["filename"])


class _LocalFile:
    """A file that is read as one of a form is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        return self._file.read(size)


def _body(parsed: argparse.Namespace, recorded: str | None, picture: str | None) -> RenderBody:
    given = parsed.text if parsed.said is None else parsed.said
    text = sys.stdin.read() if given == "-" else given
    fields = ("voice_id", "speed", "speaker", "viseme_set", "timing", "cache", "language", "lipsync")
    asked = {"text": text, "audio_filename": recorded, **{name: getattr(parsed, name) for name in fields}}
    size = {"width": parsed.size, "height": parsed.size, "fps": parsed.fps, "engine": parsed.engine}
    try:
        return VideoBody(image_filename=picture, **size, **asked) if picture else RenderBody(**asked)
    except ValidationError as error:
        problems = (f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise BadInput("\n".join(problems)) from error


async def _render(settings: Settings, body: RenderBody, started: float) -> dict[str, Iterable[bytes]]:
    request = settings.cast.choose(body.to_request())
    language = request.language if request.audio else settings.voices.find(request.voice_id).language
    sound = open_sound(settings.uploads, request.audio) if request.audio else None
    cache = shelf(settings) if settings.cache.enabled else None
    memo = Memo([cache] if cache else [], request.cache)
    try:
        take, video = await _produce(settings, request, language.split("_")[0], sound, memo)
        await memo.settled()
        if cache:
            await cache.drain()
    finally:
        if cache:
            await cache.close()
    result = describe(new_render_id(), request, take, language, settings.engines, memo.tallies, video)
    document = _local(RenderResponse.of(result, "", "", (time.monotonic() - started) * 1000), result.audio_format)
    media = media_files(result, take, sound.chunks() if sound else None, video)
    return {**media, "response.json": (document.encode(),)}


async def _produce(
    settings: Settings, request: RenderRequest, language: str, sound: RecordedSound | None, memo: Memo
) -> tuple[Take, Video | None]:
    """With a progress bar for what is spoken or read, and one for frames."""
    total, unit = (round(sound.duration_s), "s") if sound else (len(split(request.text, language)), "sentence")
    filmed: list[tqdm[NoReturn]] = []
    with contextlib.ExitStack() as bars, tqdm(total=total, unit=unit, disable=None) as bar:

        async def advance(part: AudioClip) -> None:
            bar.update(round(part.duration_s) if sound else 1)

        async def show(part: Footage) -> None:
            if not filmed:
                filmed.append(bars.enter_context(tqdm(total=part.frames, unit="frame", disable=None)))
            filmed[0].update(part.done - filmed[0].n)

        stages = in_process(settings, request, show)
        recording = Recording(settings.voice.media, request.timing, on_sentence=advance, recorded=bool(sound))
        return await produce(stages, request, language, recording, memo, settings.avatar.max_seconds)


def _local(response: RenderResponse, audio_format: str) -> str:
    """JSON of an answer whose addresses are the files beside it."""
    local: dict[str, object] = {"audio_url": f"audio.{audio_format}", "captions_url": "captions.vtt"}
    if response.video:
        beside = {"url": "video.mp4", "thumbnail_url": "thumbnail.jpg"}
        local["video"] = response.video.model_copy(update=beside)
    return response.model_copy(update=local).model_dump_json(indent=1)
