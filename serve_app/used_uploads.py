"""Uploads as the stages take them. Blocking."""

from __future__ import annotations

import numpy as np

from deployments.avatar import portraits
from deployments.avatar.contract import Face, Picture

from .sound import RecordedSound
from .upload_store import UploadStore


def open_sound(uploads: UploadStore, name: str) -> RecordedSound:
    """A recording by its name.

    Raises:
        UploadNotFound
    """
    return RecordedSound(name, uploads.find(name))


def open_picture(uploads: UploadStore, name: str) -> Picture:
    """A picture by its name, and the face that was found when it came.

    Raises:
        UploadNotFound
    """
    if own := portraits.find(name):
        return Picture(own.read_bytes())
    file = uploads.find(name, "image")
    known = uploads.known(name) or {}
    return Picture(b"".join(file.read(0, file.size_bytes)), _face(known))


def _face(known: dict[str, object]) -> Face | None:
    """The one that talks; None where none was found, which somebody may know better."""
    face = known.get("face")
    if not isinstance(face, dict):
        return None
    return Face(np.array(face["landmarks"], np.float32), tuple(face["box"]), face["score"], face["method"])
