"""The portraits that come with the server: drawn for it by tests/draw_portraits.py, so under its own licence."""

from __future__ import annotations

import re
from pathlib import Path

from deployments.core import keys

FOLDER = Path(__file__).parent / "portraits"
_NAME = re.compile(r"([a-z]+)-([0-9a-f]{16})")


def names() -> tuple[str, ...]:
    """Of all, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.png")))


def path_of(name: str) -> Path:
    """The file of one of `names()`."""
    return FOLDER / f"{name}.png"


def image_of(name: str) -> str:
    """What a portrait is called in keys: it follows from its content. Blocking the first time."""
    return f"{name}-{keys.file_digest(path_of(name))[:16]}"


def find(image: str) -> Path | None:
    """The file of an `image_of`; None for the name of an upload, and of a portrait that is another one now."""
    match = _NAME.fullmatch(image)
    if match and match[1] in names() and image_of(match[1]) == image:
        return path_of(match[1])
    return None
