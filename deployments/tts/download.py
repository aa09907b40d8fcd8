"""Downloads voices of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from deployments.core.errors import UnknownVoice
from deployments.download import TIMEOUT_S, RemoteFile, fetch

from .voices import VoiceFile, VoiceInfo, catalogue

BASE_URL = "https://huggingface.co/rhasspy/piper-voices/resolve/v1.0.0"
"""Where the catalogue's paths begin."""
MIRROR = "AVATAR_VOICES_URL"
"""Environment variable of the command line that names another server."""


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
    files = [_remote(file, folder, base_url) for voice in wanted for file in _needed(voice)]
    fetch(files, MIRROR, progress, timeout_s)
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


def _remote(file: VoiceFile, folder: Path, base_url: str) -> RemoteFile:
    url = f"{base_url.rstrip('/')}/{file.path}"
    return RemoteFile(url, folder / file.name, file.size_bytes, file.md5, "md5")
