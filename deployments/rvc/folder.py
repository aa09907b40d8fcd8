"""The folder of voice models: which are there, and what of it a conversion reads. Loads nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from deployments.core.errors import UnknownVoice, VoiceNotInstalled
from deployments.core.keys import digest, file_digest, file_state
from deployments.core.types import Conversion

ENGINE = "rvc"
"""The one that needs what is in here; others are effects."""
VOICES = "rvc"
"""Folder of the checkpoints: NAME.pth, and NAME.index beside it where there is one."""
CONTENTVEC = "contentvec"
RMVPE = "rmvpe.pt"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_CONFIGS = ("config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class ModelFiles:
    """Of one voice."""

    checkpoint: Path
    index: Path | None
    """faiss index of the features it was trained with."""


def file_name(model: str) -> str:
    """A model without the folders that may be named in front of it (models/rvc/Ara.pth): one spelling for each."""
    return model.removeprefix("models/").removeprefix(f"{VOICES}/")


class ModelFolder:
    """The models of this machine, as `avatar-serve models` and `avatar-serve voices add` leave them."""

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: need not exist.
        """
        self.folder = folder

    @property
    def contentvec(self) -> Path:
        """Folder of the feature extractor."""
        return self.folder / CONTENTVEC

    @property
    def rmvpe(self) -> Path:
        """Checkpoint of the f0 estimator."""
        return self.folder / RMVPE

    def installed(self) -> list[str]:
        """File names of the checkpoints, sorted."""
        return sorted(path.name for path in (self.folder / VOICES).glob("*.pth") if self._confined(path))

    def find(self, model: str) -> ModelFiles:
        """The files of a voice.

        Args:
            model: file name of its checkpoint; the folders in front of it may be named as well (models/rvc/Ara.pth).

        Raises:
            UnknownVoice: it is not there, or not inside the folder.
        """
        name = file_name(model)
        path = self.folder / VOICES / name
        plain = name == Path(name).name and name.endswith(".pth") and "\x00" not in name
        if not (plain and self._confined(path)):
            known = ", ".join(self.installed()) or "none yet"
            raise UnknownVoice(
                f"voice.model: there is no voice model {model[:80]!r}.",
                hint=f"There are: {known}. Install one with: avatar-serve voices add Ara.pth Ara.index",
            )
        index = path.with_suffix(".index")
        return ModelFiles(path, index if self._confined(index) else None)

    def models_of(self, engine: str) -> list[str]:
        """What an engine can convert with now; its empty name for one without models."""
        if engine != ENGINE:
            return [""]
        return self.installed() if self._contentvec_files() else []

    def missing(self, conversion: Conversion) -> list[str]:
        """Names of the models of the catalogue (configs/models.json) that a conversion needs and that are not here."""
        if not conversion.model:
            return []
        lacks = [] if self._contentvec_files() else [CONTENTVEC]
        return lacks + (["rmvpe"] if self._needs_rmvpe(conversion) and not self.rmvpe.is_file() else [])

    def check(self, conversion: Conversion) -> None:
        """Whether a conversion can be made with what is here.

        Raises:
            UnknownVoice: the model is not there.
            VoiceNotInstalled: what every model needs is not there.
        """
        self._files(conversion)

    def weights(self, conversion: Conversion) -> str:
        """Digest of all files that a conversion reads, empty for none; read again only when they change. Blocking.

        Raises:
            UnknownVoice, VoiceNotInstalled
        """
        files = self._files(conversion)
        return digest(tuple(file_digest(path) for path in files)) if files else ""

    def stamp(self, conversion: Conversion) -> tuple[int, ...]:
        """Changes with those files, without reading them; means nothing on another machine.

        Raises:
            UnknownVoice, VoiceNotInstalled
        """
        return tuple(number for path in self._files(conversion) for number in file_state(path))

    def shared_state(self) -> tuple[int, ...]:
        """Changes with the files that all models of an engine share; for this machine alone."""
        shared = [*self._contentvec_files(), *([self.rmvpe] if self.rmvpe.is_file() else [])]
        return tuple(number for path in shared for number in file_state(path))

    def _files(self, conversion: Conversion) -> list[Path]:
        if not conversion.model:
            return []
        voice = self.find(conversion.model)
        if missing := self.missing(conversion):
            names = " ".join(missing)
            raise VoiceNotInstalled(
                f"voice: {conversion.model} needs {' and '.join(missing)}, not installed here.",
                hint=f"Run: avatar-serve models pull {names}",
            )
        own = [voice.checkpoint, *([voice.index] if voice.index else [])]
        return [*own, *self._contentvec_files(), *([self.rmvpe] if self._needs_rmvpe(conversion) else [])]

    def _contentvec_files(self) -> list[Path]:
        """All that is read of it; empty where it is not whole."""
        there = [path for name in (*_CONFIGS, *_WEIGHTS) if (path := self.contentvec / name).is_file()]
        names = {path.name for path in there}
        return there if _CONFIGS[0] in names and names.intersection(_WEIGHTS) else []

    def _needs_rmvpe(self, conversion: Conversion) -> bool:
        return bool(json.loads(conversion.parameters).get("f0_method") == "rmvpe")

    def _confined(self, path: Path) -> bool:
        """A file that lies where its name says: what comes from a stranger must lead nowhere else."""
        try:
            return path.is_file() and path.resolve().is_relative_to(self.folder.resolve())
        except OSError:  # a name that is too long, links that go round
            return False
