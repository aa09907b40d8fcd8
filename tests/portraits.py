"""Pictures for tests: an astronaut by NASA, which is in the public domain, in many kinds of files, and nobody."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
import skimage.data


@cache
def astronaut() -> np.ndarray[Any, Any]:
    """(512, 512, 3) uint8 RGB: Eileen Collins, smiling."""
    pixels: np.ndarray[Any, Any] = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    return pixels


def coded(pixels: np.ndarray[Any, Any], ending: str = ".jpg") -> bytes:
    """A file of (H, W, 3 or 4) uint8 RGB or RGBA.

    Args:
        pixels: what is on it.
        ending: .jpg, .png or .webp.
    """
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    done, content = cv2.imencode(ending, cv2.cvtColor(pixels, order))
    assert done
    return content.tobytes()


def meadow() -> np.ndarray[Any, Any]:
    """(240, 320, 3) uint8: nobody is there."""
    noise = np.random.default_rng(7).integers(0, 40, (240, 320, 3))
    pixels: np.ndarray[Any, Any] = (noise + np.array([60, 140, 60])).astype(np.uint8)
    return pixels
