"""The store of what users have uploaded: uploads/<digest>.wav or .png and what was found in it, local or in a bucket.

What is kept was made by us of what they sent: a name says nothing of the sender's, and a file holds nothing but sound,
or a picture.
"""

from __future__ import annotations

import json
import mmap
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow.fs as fs

from deployments.cache.stores.filesystem import PART, open_filesystem, write_whole
from deployments.core.errors import StorageFailed, UploadNotFound

from .result_store import ResultFile

Kind = Literal["audio", "image"]
SUFFIXES: dict[Kind, str] = {"audio": ".wav", "image": ".png"}
"""Of the files that are kept."""

_NAMES = {kind: re.compile(rf"[0-9a-f]{{32}}{re.escape(suffix)}") for kind, suffix in SUFFIXES.items()}
_OURS = re.compile(rf"[0-9a-f]{{32}}\.(wav|png|json)(\.[0-9a-f]{{16}}{re.escape(PART)})?")
"""Those, what describes them, and what a crash leaves of one that is being written."""
_NOTE_BYTES = 262_144
"""The landmarks of a face take 9,000; of a crowd the largest ones are described."""
_TOUCH_EVERY_S = 600.0
"""Its age is set back when an upload is used: not more often than this."""
_FULL_HINT = "Free space in the folder of uploads (DATA_DIR), or lower storage.uploads_ttl_hours."
_GONE_HINT = "Upload it again: POST /upload/{kind}. Uploads are kept for {hours:g} hours after their last use."


class UploadStore:
    """The folder of all uploads. Blocking."""

    def __init__(self, url: str, ttl_hours: float, max_mb: float) -> None:
        """
        Args:
            url: a path, file:///… or s3://bucket/prefix.
            ttl_hours: time since the last use after which `sweep` removes an upload.
            max_mb: of all of them: those that were not used for longest go first.
        """
        self._files, self._root = open_filesystem(url)
        self._ttl_hours = ttl_hours
        self._max_bytes = round(max_mb * 1e6)
        self._used: dict[str, float] = {}
        """Name -> time.monotonic() at which its age was last set back; as many as there are files."""

    def save(self, name: str, content: Path, found: Mapping[str, Any]) -> None:
        """Keeps a file under its name, in place of what is there.

        Args:
            name: 32 hexadecimal digits and one of SUFFIXES.
            content: what is copied.
            found: plain values, kept beside it.

        Raises:
            StorageFailed: nothing of it stays.
        """
        size = content.stat().st_size
        if size > self._max_bytes:
            raise StorageFailed(f"{name}: more than storage.max_uploads_mb", hint=_FULL_HINT)
        try:
            self._make_room(size)
            with _mapped(content) as pieces:
                write_whole(self._files, self._path(name), *pieces)
            self._note(name, found)  # last: an upload with it is whole
        except OSError as error:
            raise StorageFailed(f"{self._root}: {error}", hint=_FULL_HINT) from error

    def known(self, name: str) -> dict[str, Any] | None:
        """What was found in an upload that is here already, whose age begins anew; None for another."""
        try:
            with self._files.open_input_file(self._path(_note_of(name))) as file:
                found: dict[str, Any] = json.loads(file.read(_NOTE_BYTES))
            self.find(name, "image" if name.endswith(SUFFIXES["image"]) else "audio")
        except (OSError, ValueError, UploadNotFound):
            return None
        return found if isinstance(found, dict) else None

    def find(self, name: str, kind: Kind = "audio", field: str = "") -> ResultFile:
        """An upload, whose age begins anew.

        Args:
            name: as it was given out.
            kind: what it is to be.
            field: of the request that names it.

        Raises:
            UploadNotFound: nobody uploaded it, or it has expired.
        """
        field = field or f"{kind}_filename"
        if not _NAMES[kind].fullmatch(name):
            raise UploadNotFound(
                f"{field}: that is no name of an upload.",
                hint=f"Use the filename of the answer to POST /upload/{kind}.",
            )
        info = self._files.get_file_info(self._path(name))
        if info.type != fs.FileType.File:
            raise UploadNotFound(
                f"{field}: there is no upload {name}.", hint=_GONE_HINT.format(kind=kind, hours=self._ttl_hours)
            )
        self._touch(name)
        return ResultFile(self._files, info.path, info.size)

    def sweep(self) -> int:
        """Removes what nobody has used for the time limit; how many files.

        Raises:
            OSError
        """
        oldest_s = time.time() - self._ttl_hours * 3600
        return sum(self._remove(name) for name, used_s, _ in self._uploads() if used_s < oldest_s)

    def _touch(self, name: str) -> None:
        now = time.monotonic()
        if self._used.get(name, -float("inf")) > now - min(_TOUCH_EVERY_S, self._ttl_hours * 360):
            return
        try:
            path = self._path(_note_of(name))
            with self._files.open_input_file(path) as file:
                write_whole(self._files, path, file.read(_NOTE_BYTES))
        except OSError:  # it is read-only, or was swept this moment: who reads it will see
            return
        self._used[name] = now

    def _note(self, name: str, found: Mapping[str, Any]) -> None:
        write_whole(self._files, self._path(_note_of(name)), json.dumps(found, ensure_ascii=False).encode())

    def _make_room(self, size: int) -> None:
        """Removes those that were not used for longest until so many bytes more fit."""
        uploads = sorted(self._uploads(), key=lambda upload: upload[1])
        total = size + sum(held for _, _, held in uploads)
        for name, _, held in uploads:
            if total <= self._max_bytes:
                return
            self._remove(name)
            total -= held

    def _uploads(self) -> list[tuple[str, float, int]]:
        """(name without ending, time of the last use in seconds since 1970, bytes) of each."""
        found: dict[str, tuple[float, int]] = {}
        for info in self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True)):
            if info.type == fs.FileType.File and _OURS.fullmatch(info.base_name):
                used_s, size = found.get(info.base_name[:32], (0.0, 0))
                found[info.base_name[:32]] = max(used_s, info.mtime_ns / 1e9), size + info.size
        return [(name, *rest) for name, rest in found.items()]

    def _remove(self, digest: str) -> int:
        """The description first: what has none is not known any more. Leftovers of crashes go along."""
        removed = 0
        infos = self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True))
        names = [info.base_name for info in infos if info.base_name.startswith(digest)]
        for name in sorted(names, key=lambda name: not name.endswith(".json")):
            try:
                self._files.delete_file(self._path(name))
                removed += 1
            except FileNotFoundError:  # another replica was faster
                continue
        for suffix in SUFFIXES.values():
            self._used.pop(f"{digest}{suffix}", None)
        return removed

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _note_of(name: str) -> str:
    return f"{name.partition('.')[0]}.json"


@contextmanager
def _mapped(path: Path) -> Iterator[tuple[Any, ...]]:
    """The content of a file without reading it into memory."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield (content,)
