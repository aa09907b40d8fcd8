"""Finished renders: files under results/<render_id>/, local or in a bucket, removed by their own time limit alone."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.fs as fs

from deployments.core.errors import NotFound, StorageFailed
from deployments.core.types import EyeEvent, RenderRequest, Take, VisemeSet, WordSpan
from deployments.media import captions, encoding
from deployments.media.projection import BlendShapes, MouthCue, arkit, mouth_cues

_RENDER_ID = re.compile(r"[0-9a-f]{32}")
_CHUNK_BYTES = 256 * 1024
"""Read at a time when a file is sent."""


def new_render_id() -> str:
    """128 random bits: who has the ID may fetch the media."""
    return secrets.token_hex(16)


@dataclass(frozen=True, eq=False)
class RenderResult:
    """All of a finished render but its media bytes."""

    render_id: str
    request: RenderRequest
    duration_ms: int
    audio_format: str
    """ogg, or wav where Opus encoding failed."""
    mouth_cues: tuple[MouthCue, ...]
    """Empty for arkit."""
    blend_shapes: BlendShapes | None
    """Only for arkit."""
    eye_events: tuple[EyeEvent, ...]
    words: tuple[WordSpan, ...]
    language: str
    engines: dict[str, str]
    """Room -> engine."""
    timings_ms: dict[str, float] = field(default_factory=dict)
    """Stage -> milliseconds."""


def describe(
    render_id: str, request: RenderRequest, take: Take, language: str, engines: dict[str, str]
) -> RenderResult:
    """Projects a take onto the viseme set that was asked for."""
    animation = take.animation
    viseme_set: VisemeSet = request.viseme_set
    shapes = arkit(animation.visemes, animation.eyes) if viseme_set == "arkit" else None
    return RenderResult(
        render_id=render_id,
        request=request,
        duration_ms=round(animation.duration_s * 1000),
        audio_format="ogg" if take.ogg else "wav",
        mouth_cues=() if shapes else mouth_cues(animation.visemes, viseme_set),
        blend_shapes=shapes,
        eye_events=animation.eyes.events,
        words=animation.words,
        language=language,
        engines=engines,
    )


def media_files(result: RenderResult, take: Take) -> dict[str, bytes]:
    """File name -> content: audio and captions."""
    files = {"audio.wav": encoding.wav(take.animation.audio), **({"audio.ogg": take.ogg} if take.ogg else {})}
    text = result.request.text
    for extension, write in captions.FORMATS.items():
        files[f"captions.{extension}"] = write(text, result.words).encode()
    return files


class ResultStore:
    """The folder of all results."""

    def __init__(self, url: str, ttl_hours: float) -> None:
        """
        Args:
            url: file:///… or s3://bucket/prefix.
            ttl_hours: age at which `sweep` removes a render.
        """
        self._files, self._root = fs.FileSystem.from_uri(url)
        self._ttl = timedelta(hours=ttl_hours)

    def save(self, result: RenderResult, take: Take) -> None:
        """Writes all files of a render; response.json last, so that a render with it is whole.

        Raises:
            StorageFailed: nothing of the render stays.
        """
        try:
            self._save(result, take)
        except OSError as error:
            # What is there already would keep a full disk full for as long as results live.
            with contextlib.suppress(OSError):
                self._files.delete_dir(f"{self._root}/{result.render_id}")
            hint = "Free space in the results folder (DATA_DIR), or lower storage.results_ttl_hours."
            raise StorageFailed(f"{self._root}: {error}", hint=hint) from error

    def _save(self, result: RenderResult, take: Take) -> None:
        document = json.dumps(_plain(result), ensure_ascii=False).encode()
        folder = f"{self._root}/{result.render_id}"
        self._files.create_dir(folder, recursive=True)
        for name, content in {**media_files(result, take), "response.json": document}.items():
            self._write(f"{folder}/{name}", content)

    def _write(self, path: str, content: bytes) -> None:
        """A reader sees the whole file or none: object stores write so anyway, folders by renaming."""
        atomic = not isinstance(self._files, fs.LocalFileSystem)
        target = path if atomic else f"{path}.part"
        with self._files.open_output_stream(target) as stream:
            stream.write(content)
        if not atomic:
            self._files.move(target, path)

    def size(self, render_id: str, name: str) -> int:
        """Bytes of a file of a render.

        Raises:
            NotFound: no such render, no such file, or it has expired.
        """
        info = self._files.get_file_info(self._path(render_id, name))
        if info.type != fs.FileType.File:
            raise NotFound(f"There is no {name} for render {render_id}.", hint="It may have expired: render it again.")
        return int(info.size)

    def read(self, render_id: str, name: str, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes of a file from `start` on, in chunks. Blocking."""
        with self._files.open_input_file(self._path(render_id, name)) as file:
            file.seek(start)
            while length > 0 and (chunk := file.read(min(_CHUNK_BYTES, length))):
                length -= len(chunk)
                yield chunk

    def _path(self, render_id: str, name: str) -> str:
        if not _RENDER_ID.fullmatch(render_id):
            raise NotFound("That is no render ID.", hint="Use the render_id of a render's answer.")
        return f"{self._root}/{render_id}/{name}"

    def sweep(self) -> int:
        """Removes the renders that are older than the time limit; how many."""
        oldest = datetime.now(UTC) - self._ttl
        newest: dict[str, datetime] = {}
        selector = fs.FileSelector(self._root, recursive=True, allow_not_found=True)
        for info in self._files.get_file_info(selector):
            # By its files, not by response.json: what a crash left half-written expires too.
            render_id = info.path.removeprefix(f"{self._root}/").split("/")[0]
            if info.type == fs.FileType.File and _RENDER_ID.fullmatch(render_id):
                newest[render_id] = max(info.mtime, newest.get(render_id, info.mtime))
        expired = [render_id for render_id, mtime in newest.items() if mtime < oldest]
        return sum(self._remove(render_id) for render_id in expired)

    def _remove(self, render_id: str) -> bool:
        try:
            self._files.delete_dir(f"{self._root}/{render_id}")
        except FileNotFoundError:  # another replica was faster
            return False
        return True


def _plain(result: RenderResult) -> dict[str, Any]:
    shapes = result.blend_shapes
    frames = {**vars(shapes), "frames": shapes.rows()} if shapes else None
    fields = {name: value for name, value in vars(result).items() if name != "blend_shapes"}
    return {**{name: _plain_value(value) for name, value in fields.items()}, "blend_shapes": frames}


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [asdict(item) for item in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value
