"""Finished renders: files under results/<render_id>/, local or in a bucket, removed by their own time limit alone."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.fs as fs

from deployments.cache.memo import Tally
from deployments.cache.stores.filesystem import open_filesystem, write_whole
from deployments.core.errors import NotFound, StorageFailed
from deployments.core.types import EyeEvent, RenderRequest, Take, VisemeSet, WordSpan
from deployments.media import captions, encoding
from deployments.media.projection import BlendShapes, MouthCue, arkit, mouth_cues

_RENDER_ID = re.compile(r"[0-9a-f]{32}")
_LINK = "same_as"
"""File that holds the ID of the render whose files are meant."""
_LINKED = "linked"
"""File whose age is that of the youngest link, to an hour."""
_LINKED_EVERY_S = 3600
_LINKED_REMEMBERED = 10_000
"""Renders: a megabyte."""
_FULL_HINT = "Free space in the results folder (DATA_DIR), or lower storage.results_ttl_hours."
_CHUNK_BYTES = 256 * 1024
"""Read at a time when a file is sent."""


def new_render_id() -> str:
    """128 random bits: who has the ID may fetch the media."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class StageTiming:
    """What became of the calls of a stage."""

    ms: float
    """From the first call to the last value."""
    calls: int
    cached: int
    """Calls whose value was there, or was being made for somebody else."""


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
    stages: dict[str, StageTiming] = field(default_factory=dict)
    """Stage -> what became of its calls."""
    cached: bool = False
    """True: nothing was computed for it."""

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory: a small frozen dataclass is 250 bytes with its numbers."""
        spans = len(self.mouth_cues) + len(self.eye_events) + len(self.words) + 4
        return 250 * spans + 8 * len(self.request.text) + (self.blend_shapes.frames.nbytes if self.blend_shapes else 0)


def describe(
    render_id: str,
    request: RenderRequest,
    take: Take,
    language: str,
    engines: dict[str, str],
    tallies: Mapping[str, Tally],
) -> RenderResult:
    """Projects a take onto the viseme set that was asked for."""
    stages = {
        stage: StageTiming(round(tally.seconds * 1000, 1), tally.calls, tally.cached)
        for stage, tally in tallies.items()
    }
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
        stages=stages,
        cached=all(stage.calls == stage.cached for stage in stages.values()),
    )


def media_files(result: RenderResult, take: Take) -> dict[str, bytes]:
    """File name -> content: audio and captions."""
    files = {"audio.wav": encoding.wav(take.animation.audio), **({"audio.ogg": take.ogg} if take.ogg else {})}
    text = result.request.text
    for extension, write in captions.FORMATS.items():
        files[f"captions.{extension}"] = write(text, result.words).encode()
    return files


@dataclass(frozen=True)
class ResultFile:
    """A file of a finished render."""

    files: fs.FileSystem
    path: str
    size_bytes: int

    def read(self, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from `start` on, in chunks. Blocking."""
        with self.files.open_input_file(self.path) as file:
            file.seek(start)
            while length > 0 and (chunk := file.read(min(_CHUNK_BYTES, length))):
                length -= len(chunk)
                yield chunk


class ResultStore:
    """The folder of all results."""

    def __init__(self, url: str, ttl_hours: float) -> None:
        """
        Args:
            url: file:///… or s3://bucket/prefix.
            ttl_hours: age at which `sweep` removes a render.
        """
        self._files, self._root = open_filesystem(url)
        self._ttl = timedelta(hours=ttl_hours)
        self._linked: dict[str, float] = {}
        """Render ID -> time.monotonic() at which its age was last set back."""

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
            raise StorageFailed(f"{self._root}: {error}", hint=_FULL_HINT) from error

    def _save(self, result: RenderResult, take: Take) -> None:
        document = json.dumps(_plain(result), ensure_ascii=False).encode()
        folder = f"{self._root}/{result.render_id}"
        for name, content in {**media_files(result, take), "response.json": document}.items():
            write_whole(self._files, f"{folder}/{name}", content)

    def link(self, render_id: str, origin_id: str) -> None:
        """Makes the files of another render those of `render_id` too, for as long as results live.

        Raises:
            NotFound: the other render has expired, or was removed.
            StorageFailed: the link cannot be written.
        """
        if not self._is_file(f"{self._root}/{origin_id}/response.json"):
            raise NotFound(f"render {origin_id} is gone")
        try:
            self._keep_alive(origin_id)
            write_whole(self._files, f"{self._root}/{render_id}/{_LINK}", origin_id.encode())
        except OSError as error:
            raise StorageFailed(f"{self._root}: {error}", hint=_FULL_HINT) from error

    def _keep_alive(self, origin_id: str) -> None:
        """Its age counts from now on: noted at most once an hour."""
        now = time.monotonic()
        if self._linked.get(origin_id, -float("inf")) < now - _LINKED_EVERY_S:
            write_whole(self._files, f"{self._root}/{origin_id}/{_LINKED}", b"")
            if len(self._linked) > _LINKED_REMEMBERED:
                self._linked.clear()
            self._linked[origin_id] = now

    def _is_file(self, path: str) -> bool:
        return bool(self._files.get_file_info(path).type == fs.FileType.File)

    def find(self, render_id: str, name: str) -> ResultFile:
        """A file of a render. Blocking.

        Raises:
            NotFound: no such render, no such file, or it has expired.
        """
        if not _RENDER_ID.fullmatch(render_id):
            raise NotFound("That is no render ID.", hint="Use the render_id of a render's answer.")
        for owner in (render_id, self._origin(render_id)):
            info = self._files.get_file_info(f"{self._root}/{owner}/{name}")
            if info.type == fs.FileType.File:
                return ResultFile(self._files, info.path, info.size)
        raise NotFound(f"There is no {name} for render {render_id}.", hint="It may have expired: render it again.")

    def _origin(self, render_id: str) -> str:
        """The render whose files are meant; itself where it is no link."""
        try:
            with self._files.open_input_file(f"{self._root}/{render_id}/{_LINK}") as file:
                origin_id: str = file.read(64).decode(errors="replace")
        except OSError:
            return render_id
        return origin_id if _RENDER_ID.fullmatch(origin_id) else render_id

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
    if isinstance(value, dict):
        return {name: _plain_value(item) for name, item in value.items()}
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value
