"""Which release a process runs: while one rolls out, values of the old and the new must not be taken for each other."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from deployments.core import keys

from .settings import Settings

_ROOT = Path(__file__).parents[1]


def release(settings: Settings) -> str:
    """A digest of all that decides what a render looks like, its request and its weights aside.

    Made when the application is built and handed to every replica: those of another build have another. It is in no key
    of the cache (a key has the engine's own version): a release that changes nothing about the voices keeps them all.
    """
    return keys.digest((_code(), settings.voice.model_dump_json(), settings.avatar.model_dump_json()))


@functools.cache
def _code() -> str:
    """Our sources, and the names and versions of what is installed."""
    folders = (_ROOT / "serve_app", _ROOT / "deployments")
    sources = tuple(keys.file_digest(path) for folder in folders for path in sorted(folder.rglob("*.py")))
    installed = {info.name for folder in sys.path for info in Path(folder).glob("*.dist-info")}
    return keys.digest((sources, tuple(sorted(installed))))
