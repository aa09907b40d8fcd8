"""Characters: a name for a voice that speaks and what becomes of it, as configs/voices.yaml and a folder say.

characters:
  ara: {tts: en_US-lessac-medium, rvc_model: models/rvc/Ara.pth, pitch: 0.12, index_rate: 0.65, speed: 0.95}
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployments.core import engines
from deployments.core.errors import BadInput
from deployments.core.keys import file_state

logger = logging.getLogger("ray.serve")

SECTION = "characters"
_MAX_BYTES, _MAX_CHARACTERS = 1_000_000, 5000
"""Of a file."""


class Entry(BaseModel):
    """A character as it is written down; whatever is not a field here is a parameter of its engine."""

    model_config = ConfigDict(extra="allow", frozen=True)

    tts: str = ""
    """ID of the voice that speaks; the server's default voice if left out."""
    speaker: str | None = None
    speed: float = Field(default=1.0, ge=0.5, le=2.0, allow_inf_nan=False)
    """Times the speed of a request."""
    rvc_model: str = ""
    """Checkpoint in the folder of models; its index lies beside it."""
    rvc_speaker: int | None = None
    """Of a model with several; `speaker` is that of the voice."""
    engine: str = ""
    """rvc where there is an rvc_model, else world."""

    @model_validator(mode="after")
    def _parameters_fit(self) -> Entry:
        try:
            engines.given("rvc", self.converter, self.parameters)
        except BadInput as error:
            raise ValueError(str(error)) from error
        if bool(self.rvc_model) != (self.converter == "rvc"):
            raise ValueError("rvc_model and the engine rvc go together")
        return self

    @property
    def parameters(self) -> dict[str, Any]:
        """Of its engine, as written."""
        own = {} if self.rvc_speaker is None else {"speaker": self.rvc_speaker}
        return {**(self.model_extra or {}), **own}

    @property
    def converter(self) -> str:
        """Name of the engine."""
        return self.engine or ("rvc" if self.rvc_model else "world")


@dataclass(frozen=True)
class Character:
    """Who is asked for by its name as if it were a voice."""

    name: str
    tts: str
    """Empty for the default voice."""
    speaker: str | None
    speed: float
    engine: str
    model: str
    parameters: Mapping[str, Any] = field(hash=False)
    """Those that are written, by the engine's own names; its defaults fill the rest."""


class Characters:
    """All that are written down now: files are read again when they change."""

    def __init__(self, file: Path, folder: Path) -> None:
        """
        Args:
            file: a YAML document with a section `characters`; need not exist.
            folder: of further such files, *.yaml; need not exist. They go before the file.
        """
        self._file = file
        self._folder = folder

    def all(self) -> dict[str, Character]:
        """By name. A file that cannot be read is passed over, and logged. Blocking: a few stat calls."""
        found: dict[str, Character] = {}
        for path in (self._file, *sorted(self._folder.glob("*.yaml"))):
            if path.is_file():
                found.update(_known(path, *file_state(path)))
        return found

    def check(self) -> list[str]:
        """What is wrong with the files, a line for each."""
        return [str(error) for path in self.files() if (error := _error_of(path))]

    def files(self) -> Sequence[Path]:
        """Those that are there."""
        return [path for path in (self._file, *sorted(self._folder.glob("*.yaml"))) if path.is_file()]


@functools.lru_cache(maxsize=10_000)
def _known(path: Path, *_state: int) -> Mapping[str, Character]:
    try:
        return read(path)
    except ValueError as error:
        logger.warning("%s is passed over: %s", path, error)
        return {}


def _error_of(path: Path) -> ValueError | None:
    try:
        read(path)
    except ValueError as error:
        return error
    return None


def read(path: Path) -> dict[str, Character]:
    """The characters of a file.

    Raises:
        ValueError: it cannot be used; the text says where and why.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"{path}: more than {_MAX_BYTES} bytes")
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except ValueError:
        raise
    except Exception as error:  # values that are none of their type make PyYAML raise anything
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error
    section = document.get(SECTION) if isinstance(document, dict) else None
    if not isinstance(document, dict) or set(document) - {SECTION} or not isinstance(section or {}, dict):
        raise ValueError(f"{path}: one section is wanted, {SECTION}, with a line for each character")
    if len(section or {}) > _MAX_CHARACTERS:
        raise ValueError(f"{path}: more than {_MAX_CHARACTERS} characters")
    return {name: parse(path, name, entry) for name, entry in (section or {}).items()}


def parse(path: Path, name: object, written: object) -> Character:
    """One character of a file.

    Raises:
        ValueError: as `read`.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > 200 or not isinstance(written, dict):
        raise ValueError(f"{path}: {name!r}: a character has a name of 1 to 200 characters, and fields")
    try:
        entry = Entry.model_validate(written)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, each['loc'])) or name}: {each['msg']}" for each in error.errors())
        raise ValueError(f"{path}: {name}: {reasons}") from error
    parameters = engines.given("rvc", entry.converter, entry.parameters)
    return Character(name, entry.tts, entry.speaker, entry.speed, entry.converter, entry.rvc_model, parameters)
