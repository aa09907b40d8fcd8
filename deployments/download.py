"""Fetches files of known size and digest: resumable, checked, and there only once they are whole.

What has come of a file waits beside it as `.NAME.part`, with the server's name for that version of it (its ETag) in
`.NAME.part.etag`: the next try asks for the rest on the condition that the server still has that version (Range and
If-Range: RFC 9110, 14.2 and 13.1.5). Without a strong ETag nothing is kept, for two versions could be mixed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NoReturn

import httpx
from tqdm import tqdm

from deployments.core.errors import DownloadFailed

TIMEOUT_S = 30.0
"""Longest silence of the server, not the longest download: a large file on a slow line takes many minutes."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that is wanted."""

    url: str
    path: Path
    """Where it is to lie."""
    size_bytes: int
    digest: str
    """Hexadecimal digits."""
    algorithm: Literal["sha256", "md5"] = "sha256"
    """md5 tells of damage, not of malice: for publishers who give nothing else."""

    def is_there(self) -> bool:
        """Whether the file lies at `path`, whole and unharmed. Blocking: reads all of it, 1 s for about 500 MB.

        Raises:
            OSError: it is there and cannot be read.
        """
        return _size(self.path) == self.size_bytes and self.digest_of(self.path) == self.digest

    def digest_of(self, path: Path) -> str:
        """Digest of what lies there, hexadecimal."""
        with path.open("rb") as content:
            return hashlib.file_digest(content, self._hash).hexdigest()

    def _hash(self) -> hashlib._Hash:
        return hashlib.new(self.algorithm, usedforsecurity=self.algorithm != "md5")


def fetch(files: Sequence[RemoteFile], mirror: str, progress: bool = True, timeout_s: float = TIMEOUT_S) -> None:
    """Brings files here, in this order; those that are there already and right are left as they are.

    Args:
        files: their folders are made if need be.
        mirror: the environment variable that names another server, for the hints of errors.
        progress: whether to show bars on stderr.
        timeout_s: seconds that the server may be silent.

    Raises:
        DownloadFailed: the network, the server, the disk or a digest.
    """
    with httpx.Client(timeout=timeout_s, follow_redirects=True) as client:
        for file in files:
            with _explained(file.url, mirror):
                file.path.parent.mkdir(parents=True, exist_ok=True)
                with _alone(file.path.parent):
                    if not file.is_there():
                        _fetch(client, file, mirror, progress)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps two downloads from writing into the same unfinished file."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # file systems without locks of folders (NFS): the digest tells, if need be
            _lock(lock, folder)
        yield
    finally:
        os.close(lock)


def _lock(folder: int, path: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DownloadFailed(f"another download into {path} is under way.", hint="Wait until it is done.") from error


def _fetch(client: httpx.Client, file: RemoteFile, mirror: str, progress: bool) -> None:
    part = _Part(file)
    if part.fault() and not _receive(client, file, part, progress):
        part.drop()  # the server will not go on with it
        _receive(client, file, part, progress)
    if not (fault := part.fault()):
        os.replace(part.path, file.path)
    part.drop()
    if fault:
        raise DownloadFailed(
            f"{file.path.name} {fault}; it was not kept.",
            hint=f"Try again; if that does not help, the server ({mirror}) has another version of the file.",
        )


def _receive(client: httpx.Client, file: RemoteFile, part: _Part, progress: bool) -> bool:
    """Adds what is missing to `part`; whether the server could go on where it ends."""
    # identity: sizes and ranges are those of the file itself, not of a packed one.
    headers = {"Accept-Encoding": "identity", **part.condition()}
    with client.stream("GET", file.url, headers=headers) as response:
        if part.held and not part.goes_on_with(response):
            return False
        response.raise_for_status()
        with part.open(response) as target, _bar(file, part.held, progress) as bar:
            for chunk in response.iter_bytes():
                target.write(chunk)
                bar.update(len(chunk))
                if target.tell() > file.size_bytes:
                    break  # an endless file is no reason to fill the disk; `fault` says what is wrong
    return True


def _bar(file: RemoteFile, held: int, progress: bool) -> tqdm[NoReturn]:
    return tqdm(
        total=file.size_bytes, initial=held, unit="B", unit_scale=True, desc=file.path.name, disable=not progress
    )


class _Part:
    """What has come of a file so far."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        # In the same folder, so that the last step is a rename; hidden, so that nobody takes it for the file.
        self.path = file.path.with_name(f".{file.path.name}.part")
        self._etag_path = file.path.with_name(f".{file.path.name}.part.etag")
        self._etag = _strong(self._etag_path.read_text(errors="replace")) if self._etag_path.is_file() else ""
        self.held = (_size(self.path) or 0) if self._etag else 0
        """Bytes that need not be sent again."""

    def condition(self) -> dict[str, str]:
        """Headers that ask for the rest of the same version of the file, or for all of another."""
        return {"Range": f"bytes={self.held}-", "If-Range": self._etag} if self.held else {}

    def goes_on_with(self, response: httpx.Response) -> bool:
        """Whether the answer is one to `condition`: the rest, or the whole file anew."""
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            size = self._file.size_bytes
            return bool(response.headers.get("Content-Range") == f"bytes {self.held}-{size - 1}/{size}")
        return response.status_code != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE

    @contextmanager
    def open(self, response: httpx.Response) -> Iterator[IO[bytes]]:
        """The unfinished file, at the place where the answer goes on; what cannot be resumed does not stay."""
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            self.drop()
        _check_space(self._file, self.held)
        if not self.held:
            self._remember(_strong(response.headers.get("ETag", "")))
        try:
            with self.path.open("ab") as target:
                yield target
        except BaseException:  # Ctrl-C is one
            if not self._etag:
                self.path.unlink(missing_ok=True)
            raise

    def _remember(self, etag: str) -> None:
        if etag:
            self._etag_path.write_text(etag)
            self._etag = etag

    def fault(self) -> str | None:
        """What is wrong with the file that came; None if nothing is."""
        size, wanted = _size(self.path) or 0, self._file.size_bytes
        if size > wanted:
            return f"is longer than {wanted} bytes"
        if size < wanted:
            return f"ended after {size} of {wanted} bytes"
        digest = self._file.digest_of(self.path)
        if digest != self._file.digest:
            name = {"md5": "MD5", "sha256": "SHA-256"}[self._file.algorithm]
            return f"has {name} {digest} instead of {self._file.digest}"
        return None

    def drop(self) -> None:
        """Forgets what has come."""
        self.path.unlink(missing_ok=True)
        self._etag_path.unlink(missing_ok=True)
        self.held, self._etag = 0, ""


def _strong(etag: str) -> str:
    """The ETag if it names exact bytes, else "": W/"..." is weak, the bytes may differ (RFC 9110, 8.8.1)."""
    return etag if etag.startswith('"') and etag.endswith('"') and etag.isascii() and etag.isprintable() else ""


def _size(path: Path) -> int | None:
    """Bytes of a file; None where there is none."""
    return path.stat().st_size if path.is_file() else None


def _check_space(file: RemoteFile, held: int) -> None:
    """Before the first byte rather than after the last that fits."""
    missing, free = file.size_bytes - held, shutil.disk_usage(file.path.parent).free
    if missing > free:
        raise DownloadFailed(
            f"{file.path.name} needs {missing / 1e6:.0f} MB, and {file.path.parent} has {free / 1e6:.0f} MB left.",
            hint="Free some space or choose another folder.",
        )


@contextmanager
def _explained(url: str, mirror: str) -> Iterator[None]:
    """Turns what can go wrong on the way into DownloadFailed with the next step."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise DownloadFailed(
            f"{error.request.url} answered {error.response.status_code}.",
            hint=f"See whether {mirror} is the right place, or try again later.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DownloadFailed(
            f"the download from {url} failed: {str(error) or type(error).__name__}.",
            hint=f"Run the command again, it goes on where it stopped. If that does not help: check the network "
            f"(HTTPS_PROXY for a proxy), or set {mirror} to a mirror.",
        ) from error
    except OSError as error:
        raise DownloadFailed(
            f"the file cannot be written: {error}.", hint="Free some space or choose another folder."
        ) from error
