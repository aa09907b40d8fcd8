"""The store of finished renders: results/<render_id>/, local or in a bucket, removed by their own time limit alone.

An answer given again has a render ID of its own: locally a symbolic link to the folder of the render that it repeats,
which takes no block of the disk. A bucket, and a file system without such links, has a file that names that render.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow.fs as fs

from deployments.cache.stores.filesystem import PART, open_filesystem, write_stream, write_whole
from deployments.core.errors import NotFound, StorageFailed

from . import folders
from .results import RenderResult, document, read

_RENDER_ID = re.compile(r"[0-9a-f]{32}")
_FOLDER = re.compile(r"[0-9a-f]{32}(-[0-9]{1,9})?")
"""Of a render, or of one attempt at it, which nobody can ask for by name."""
_SWEPT = re.compile(rf"{_FOLDER.pattern}|[0-9a-f]{{32}}\.[0-9a-f]{{8}}")
"""Those, and what a crash leaves of a link that is being replaced."""
_LINK = "same_as"
"""File that holds the ID of the render whose files are meant."""
_LINKED = "linked"
"""File whose age is that of the youngest link, but for _LINKED_EVERY_S or _LINKED_EVERY."""
_LINKED_EVERY_S = 3600.0
_LINKED_EVERY = 0.1
"""Of the time limit, where that is less: else a link would end with a render that is as old as the limit already."""
_LINKED_REMEMBERED = 10_000
"""Renders: a megabyte."""
_UNPUBLISHED_S = 3600.0
"""An attempt that ends becomes its job's within milliseconds; no attempt writes for so long."""
_FULL_HINT = "Free space in the results folder (DATA_DIR), or lower storage.results_ttl_hours."
_CHUNK_BYTES = 256 * 1024
"""Read at a time when a file is sent."""


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
    """The folder of all results. Blocking."""

    def __init__(self, url: str, ttl_hours: float) -> None:
        """
        Args:
            url: file:///… or s3://bucket/prefix.
            ttl_hours: age at which `sweep` removes a render.
        """
        self._files, self._root = open_filesystem(url)
        self._local = isinstance(self._files, fs.LocalFileSystem)
        self._ttl_s = ttl_hours * 3600
        self._linked_every_s = min(_LINKED_EVERY_S, _LINKED_EVERY * self._ttl_s)
        self._linked: dict[str, float] = {}
        """Render ID -> time.monotonic() at which its age was last set back."""

    def save(self, result: RenderResult, media: Mapping[str, Iterable[bytes]]) -> None:
        """Writes all files of a render; response.json last, so that a render with it is whole.

        Args:
            result: the render.
            media: its media_files.

        Raises:
            StorageFailed: nothing of the render stays.
            AvatarError: as what gives the media does.
        """
        try:
            for name, content in {**media, "response.json": (document(result),)}.items():
                write_stream(self._files, self._path(result.folder, name), content)
        except OSError as error:
            # What is there already would keep a full disk full for as long as results live.
            with contextlib.suppress(OSError):
                self._delete(result.folder)
            raise StorageFailed(f"{self._root}: {error}", hint=_FULL_HINT) from error

    def add(self, ref: str, name: str, content: bytes) -> None:
        """Writes one more file into a folder of results.

        Raises:
            StorageFailed
        """
        try:
            write_whole(self._files, self._path(ref, name), content)
        except OSError as error:
            raise StorageFailed(f"{self._root}: {error}", hint=_FULL_HINT) from error

    def discard(self, ref: str) -> None:
        """Removes what a render that was given up has written so far; says nothing where that fails."""
        with contextlib.suppress(OSError):
            self._delete(ref)

    def publish(self, render_id: str, ref: str) -> None:
        """Makes a folder of results that of a render, in place of what was so before, at once.

        Raises:
            StorageFailed
        """
        try:
            if not (self._local and self._replace_link(render_id, ref)):
                write_whole(self._files, self._path(render_id, _LINK), ref.encode())
        except OSError as error:
            raise StorageFailed(f"{self._root}: {error}", hint=_FULL_HINT) from error

    def _replace_link(self, render_id: str, ref: str) -> bool:
        made = self._path(f"{render_id}.{secrets.token_hex(4)}")
        try:
            os.symlink(ref, made)
            os.replace(made, self._path(render_id))
        except OSError:  # the file system has no such links; or it is full, and then a file fails too
            with contextlib.suppress(OSError):
                os.unlink(made)
            return False
        return True

    def read(self, render_id: str) -> RenderResult:
        """What is known of a finished render; its own render_id is that of the render that made the files.

        Args:
            render_id: or the folder of one attempt at it.

        Raises:
            NotFound: no such render, or it has expired.
        """
        file = self.find_in(render_id, "response.json")
        try:
            return read(b"".join(file.read(0, file.size_bytes)))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise NotFound(f"render {render_id} cannot be read: {error}", hint="Render it again.") from error

    def link(self, render_id: str, origin_id: str) -> None:
        """Makes the files of another render those of `render_id` too, for as long as results live.

        Args:
            render_id: a new one.
            origin_id: of a render that was saved, not linked.

        Raises:
            NotFound: the other render has expired, or was removed.
            StorageFailed: the link cannot be written.
        """
        try:
            if not (_FOLDER.fullmatch(origin_id) and self._is_file(self._path(origin_id, "response.json"))):
                raise NotFound(f"render {origin_id} is gone")
            self._keep_alive(origin_id)
            if not (self._local and self._symlink(render_id, origin_id)):
                write_whole(self._files, self._path(render_id, _LINK), origin_id.encode())
        except OSError as error:
            raise StorageFailed(f"{self._root}: {error}", hint=_FULL_HINT) from error

    def _symlink(self, render_id: str, origin_id: str) -> bool:
        try:
            os.symlink(origin_id, self._path(render_id))  # relative: the folder of results may be moved
        except OSError:  # the file system has none; or it is full, and then a file fails too
            return False
        return True

    def _keep_alive(self, origin_id: str) -> None:
        """Its age counts from now on: noted only every _LINKED_EVERY_S."""
        now = time.monotonic()
        if self._linked.get(origin_id, -float("inf")) < now - self._linked_every_s:
            write_whole(self._files, self._path(origin_id, _LINKED), b"")
            if len(self._linked) > _LINKED_REMEMBERED:
                self._linked.clear()
            self._linked[origin_id] = now

    def find(self, render_id: str, name: str) -> ResultFile:
        """A file of a render.

        Raises:
            NotFound: no such render, no such file, or it has expired.
        """
        if not _RENDER_ID.fullmatch(render_id):
            raise NotFound("That is no render ID.", hint="Use the render_id of a render's answer.")
        return self.find_in(render_id, name)

    def find_in(self, render_id: str, name: str) -> ResultFile:
        """The same for a folder of results: a render's, or that of one attempt at it.

        Raises:
            NotFound
        """
        for owner in self._owners(render_id):
            info = self._files.get_file_info(self._path(owner, name))
            if info.type == fs.FileType.File:
                return ResultFile(self._files, info.path, info.size)
        raise NotFound(f"There is no {name} for render {render_id}.", hint="It may have expired: render it again.")

    def _owners(self, render_id: str) -> Iterator[str]:
        """The render itself, which may be a symbolic link; then the one that its _LINK names."""
        yield render_id
        try:
            with self._files.open_input_file(self._path(render_id, _LINK)) as file:
                origin_id: str = file.read(64).decode(errors="replace")
        except OSError:
            return
        if _FOLDER.fullmatch(origin_id):
            yield origin_id

    def sweep(self) -> int:
        """Removes the renders and the links that are older than the time limit; how many.

        Raises:
            OSError
        """
        oldest_s = time.time() - self._ttl_s
        return self._sweep_folder(oldest_s) if self._local else self._sweep_bucket(oldest_s)

    def _sweep_folder(self, oldest_s: float) -> int:
        """One at a time: there may be millions of links."""
        try:
            entries = os.scandir(self._root)
        except FileNotFoundError:
            return 0
        with entries:
            return sum(self._expire(entry, oldest_s) for entry in entries if _SWEPT.fullmatch(entry.name))

    def _expire(self, entry: os.DirEntry[str], oldest_s: float) -> bool:
        """Never follows a link: what it leads to has an age of its own."""
        try:
            if entry.is_symlink():
                if expired := entry.stat(follow_symlinks=False).st_mtime < oldest_s:
                    os.unlink(entry.path)
                return expired
            if not entry.is_dir(follow_symlinks=False):
                return False
            if expired := self._is_over(entry.name, folders.newest_s(entry), oldest_s):
                self._delete(entry.name)
            else:  # parts take as much as the video, and are for who watches it being made
                folders.drop(entry, PART, _UNPUBLISHED_S)
            return expired
        except FileNotFoundError:  # another replica was faster
            return False

    def _sweep_bucket(self, oldest_s: float) -> int:
        newest_s: dict[str, float] = {}
        selector = fs.FileSelector(self._root, recursive=True, allow_not_found=True)
        for info in self._files.get_file_info(selector):
            # By its files, not by response.json: what a crash left half-written expires too.
            render_id = info.path.removeprefix(f"{self._root}/").split("/")[0]
            if info.type == fs.FileType.File and _FOLDER.fullmatch(render_id):
                newest_s[render_id] = max(info.mtime_ns / 1e9, newest_s.get(render_id, 0.0))
        removed = 0
        for render_id in [name for name, written_s in newest_s.items() if self._is_over(name, written_s, oldest_s)]:
            with contextlib.suppress(FileNotFoundError):  # another replica was faster
                self._delete(render_id)
                removed += 1
        return removed

    def _is_over(self, folder: str, written_s: float, oldest_s: float) -> bool:
        """Too old; or an attempt that never became a job's, because whoever asked for it died."""
        if written_s < oldest_s:
            return True
        render_id, is_attempt, _ = folder.partition("-")
        return bool(is_attempt) and written_s < time.time() - _UNPUBLISHED_S and not self._leads_to(render_id, folder)

    def _leads_to(self, render_id: str, folder: str) -> bool:
        if self._local and os.path.islink(self._path(render_id)):
            return os.readlink(self._path(render_id)) == folder
        return folder in self._owners(render_id)

    def _delete(self, render_id: str) -> None:
        if self._local:
            shutil.rmtree(self._path(render_id))  # refuses links; pyarrow empties what they lead to
        else:
            self._files.delete_dir(self._path(render_id))

    def _is_file(self, path: str) -> bool:
        return bool(self._files.get_file_info(path).type == fs.FileType.File)

    def _path(self, *names: str) -> str:
        return "/".join((self._root, *names))
