"""The model files that voices of the user's own need: what they are for, what is there, and how the rest comes.

They lie in one folder. Files that the user has put there are as good as those of the catalogue, and are left alone.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from deployments.core.errors import BadInput
from deployments.download import TIMEOUT_S, RemoteFile, fetch

CATALOGUE_FILE = Path(__file__).parents[1] / "configs" / "models.json"
BASE_URL = "https://huggingface.co"
"""Where the catalogue's addresses begin."""
MIRROR = "AVATAR_MODELS_URL"
"""Environment variable of the command line that names another server."""

State = Literal["ready", "own", "incomplete", "missing"]
"""ready: the catalogue's files; own: all that is needed, but other files; incomplete: some, or damaged ones."""


@dataclass(frozen=True)
class ModelFile:
    """One file of a model."""

    path: str
    """Below the models folder."""
    url: str
    """Below BASE_URL."""
    size_bytes: int
    sha256: str
    """64 hexadecimal digits."""


@dataclass(frozen=True)
class ModelInfo:
    """A model of the catalogue."""

    name: str
    purpose: str
    licence: str
    files: tuple[ModelFile, ...]
    """What a download brings."""
    needs: tuple[tuple[str, ...], ...]
    """Files that it does not work without, as paths below the models folder: one of each group."""

    @property
    def size_bytes(self) -> int:
        """Bytes to download."""
        return sum(file.size_bytes for file in self.files)

    def state(self, folder: Path) -> State:
        """What is there of it. Blocking: reads all files, 1 s for about 500 MB.

        Args:
            folder: of the models; need not exist.

        Raises:
            OSError: a file cannot be read.
        """
        whole = {file.path for file, there in zip(self.files, self.remote(folder), strict=True) if there.is_there()}
        published = {file.path for file in self.files}
        usable = published.union(*self.needs)
        present = {path for path in usable if (folder / path).is_file()}
        if present == whole == published:
            return "ready"
        if present > whole and all(present.intersection(group) for group in self.needs):
            return "own"
        return "incomplete" if present else "missing"

    def remote(self, folder: Path, base_url: str = BASE_URL) -> list[RemoteFile]:
        """What a download brings, and to where."""
        begin = base_url.rstrip("/")
        return [
            RemoteFile(f"{begin}/{file.url}", folder / file.path, file.size_bytes, file.sha256) for file in self.files
        ]


@functools.cache
def catalogue() -> Mapping[str, ModelInfo]:
    """All models by name."""
    entries = json.loads(CATALOGUE_FILE.read_text(encoding="utf-8"))["models"]
    return MappingProxyType({name: _entry(name, entry) for name, entry in entries.items()})


def _entry(name: str, entry: Mapping[str, Any]) -> ModelInfo:
    files = tuple(ModelFile(path, **file) for path, file in entry["files"].items())
    needs = tuple(tuple(group) for group in entry["needs"])
    return ModelInfo(name, entry["purpose"], entry["licence"], files, needs)


def pull(
    names: Sequence[str],
    folder: Path,
    base_url: str = BASE_URL,
    progress: bool = True,
    *,
    models: Mapping[str, ModelInfo] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> tuple[ModelInfo, ...]:
    """Brings models here; the user's own files are kept, in place of the catalogue's.

    Args:
        names: in the catalogue; all of it if there are none. Looked up before the first byte moves.
        folder: made if need be.
        base_url: of a mirror, with the same paths below it.
        progress: whether to show bars on stderr.
        models: the catalogue; ours unless given.
        timeout_s: seconds that the server may be silent.

    Returns:
        The models that were asked for.

    Raises:
        BadInput: not in the catalogue.
        DownloadFailed: the network, the server, the disk or a digest.
    """
    known = catalogue() if models is None else models
    wanted = tuple(_known(known, name) for name in names or known)
    fetched = [model for model in wanted if model.state(folder) != "own"]
    fetch([file for model in fetched for file in model.remote(folder, base_url)], MIRROR, progress, timeout_s)
    return wanted


def _known(known: Mapping[str, ModelInfo], name: str) -> ModelInfo:
    if name not in known:
        raise BadInput(f"there is no model {name[:80]!r}; there are: {', '.join(known)}.")
    return known[name]
