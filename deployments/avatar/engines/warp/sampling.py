"""Looks a picture up at places between its pixels."""

from __future__ import annotations

from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

ArrayT = TypeVar("ArrayT", bound=NDArray[Any])


def sample(picture: ArrayT, places: NDArray[np.float32], *, zero: bool = False, cubic: bool = False) -> ArrayT:
    """A picture at places.

    Args:
        picture: (H, W) or (H, W, C), uint8 or float32.
        places: (h, w, 2) float32: column and row in the picture.
        zero: what lies beyond the picture is 0, not what its border is.
        cubic: between pixels by cubics, which are sharper, else by straight lines.

    Returns:
        (h, w) or (h, w, C), of the picture's type.
    """
    how = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    border = cv2.BORDER_CONSTANT if zero else cv2.BORDER_REPLICATE
    found: ArrayT = cv2.remap(picture, places, None, how, borderMode=border)  # type: ignore[call-overload]
    return found
