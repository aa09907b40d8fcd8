"""Portraits from the PNGs that the server keeps of its users' pictures: what is opened here, it has written itself."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from deployments.core.errors import BadPicture

from .contract import Portrait

_TO_RGBA = {1: cv2.COLOR_GRAY2RGBA, 3: cv2.COLOR_BGR2RGBA, 4: cv2.COLOR_BGRA2RGBA}
"""By the number of channels, in OpenCV's order."""


def read(path: Path) -> Portrait:
    """The picture of a file: see `decode`."""
    return decode(path.read_bytes())


def decode(content: bytes) -> Portrait:
    """
    Args:
        content: an upright 8-bit PNG in sRGB, grey, RGB or RGBA.

    Raises:
        BadPicture: it is none.
    """
    # OpenCV raises over no bytes at all, where it returns None for any others.
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    if pixels is None or pixels.dtype != np.uint8:
        raise BadPicture("image: what is kept of it cannot be read.", hint="Upload it again.")
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return Portrait(np.asarray(cv2.cvtColor(pixels, _TO_RGBA[channels]), np.uint8))
