"""Downloads voices of the catalogue: every file is checked while it streams and appears only once it is whole."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
from tqdm import tqdm

from deployments.core.errors import DownloadFailed, UnknownVoice

from .voices import VoiceFile, VoiceInfo, catalogue

BASE_URL = "https://huggingface.co/rhasspy/piper-voices/resolve/v1.0.0"
"""Where the catalogue's paths begin."""
TIMEOUT_S = 30.0
"""Longest silence of the server, not the longest download: a large voice on a slow line takes many minutes."""


def download(
    voice_ids: Sequence[str],
    folder: Path,
    base_url: str = BASE_URL,
    progress: bool = True,
    *,
    voices: Mapping[str, VoiceInfo] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> tuple[Path, ...]:
    """Installs voices; files that are there already and right are left as they are.

    Args:
        voice_ids: IDs in the catalogue; all are looked up before the first byte moves.
        folder: made if need be.
        base_url: of a mirror, with the same paths below it.
        progress: whether to show bars on stderr.
        voices: the catalogue; that of piper-voices unless given.
        timeout_s: seconds that the server may be silent.

    Returns:
        The .onnx file of each voice.

    Raises:
        UnknownVoice: not in the catalogue.
        DownloadFailed: the network, the server, the disk or a checksum.
    """
    known = catalogue() if voices is None else voices
    wanted = [_entry(known, voice_id) for voice_id in voice_ids]
    with _explained(base_url), httpx.Client(timeout=timeout_s, follow_redirects=True) as client:
        folder.mkdir(parents=True, exist_ok=True)
        for voice in wanted:
            for file in _needed(voice):
                if not _is_good(folder / file.name, file):
                    _fetch(client, f"{base_url.rstrip('/')}/{file.path}", file, folder, progress)
    return tuple(folder / f"{voice.voice_id}.onnx" for voice in wanted)


def _entry(known: Mapping[str, VoiceInfo], voice_id: str) -> VoiceInfo:
    if voice_id not in known:
        raise UnknownVoice(
            f"there is no voice {voice_id[:80]!r} in the catalogue.", hint="Run: avatar-serve voices list"
        )
    return known[voice_id]


def _needed(voice: VoiceInfo) -> list[VoiceFile]:
    """The config first: it is small, and a voice without a model does not count as installed."""
    files = [file for file in voice.files if file.name.endswith((".onnx", ".onnx.json"))]
    return sorted(files, key=lambda file: file.size_bytes)


def _is_good(path: Path, file: VoiceFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, _md5).hexdigest() == file.md5


def _md5() -> hashlib._Hash:
    """Against damage, not against malice: the catalogue has nothing else."""
    return hashlib.md5(usedforsecurity=False)


def _fetch(client: httpx.Client, url: str, file: VoiceFile, folder: Path, progress: bool) -> None:
    # In the same folder, so that the last step is a rename; no voice ends in .part.
    part = folder / f".{file.name}.{secrets.token_hex(4)}.part"
    try:
        with part.open("wb") as target, client.stream("GET", url) as response:
            response.raise_for_status()
            _receive(response, target, file, progress)
        os.replace(part, folder / file.name)
    finally:
        part.unlink(missing_ok=True)


def _receive(response: httpx.Response, target: IO[bytes], file: VoiceFile, progress: bool) -> None:
    digest, size = _md5(), 0
    with tqdm(total=file.size_bytes, unit="B", unit_scale=True, desc=file.name, disable=not progress) as bar:
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > file.size_bytes:
                raise _damaged(file, f"is longer than {file.size_bytes} bytes")
            digest.update(chunk)
            target.write(chunk)
            bar.update(len(chunk))
    if size < file.size_bytes:
        raise _damaged(file, f"ended after {size} of {file.size_bytes} bytes")
    if digest.hexdigest() != file.md5:
        raise _damaged(file, f"has MD5 {digest.hexdigest()} instead of {file.md5}")


def _damaged(file: VoiceFile, reason: str) -> DownloadFailed:
    return DownloadFailed(
        f"{file.name} {reason}; it was not kept.",
        hint="Try again; if that does not help, the server (AVATAR_VOICES_URL) has another version of the file.",
    )


@contextmanager
def _explained(base_url: str) -> Iterator[None]:
    """Turns what can go wrong on the way into DownloadFailed with the next step."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise DownloadFailed(
            f"{error.request.url} answered {error.response.status_code}.",
            hint="See whether AVATAR_VOICES_URL is the right place, or try again later.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DownloadFailed(
            f"the download from {base_url} failed: {str(error) or type(error).__name__}.",
            hint="Check the network (HTTPS_PROXY for a proxy), or set AVATAR_VOICES_URL to a mirror.",
        ) from error
    except OSError as error:
        raise DownloadFailed(
            f"the file cannot be written: {error}.", hint="Free some space or choose another folder."
        ) from error
