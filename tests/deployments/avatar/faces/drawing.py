"""A face that is drawn, for tests: nobody's photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 512
EYES = ((200, 230), (312, 230))
"""Middle of the pupils, x and y in pixels, the left one in the picture first."""
MOUTH = ((210, 350), (302, 350))
"""Corners."""
CHIN = (256, 432)


def drawn() -> NDArray[np.uint8]:
    """(SIZE, SIZE, 3) uint8 RGB: hair, head, eyes, brows, nose and a closed mouth."""
    picture = np.full((SIZE, SIZE, 3), (200, 220, 240), np.uint8)

    def ellipse(
        centre: tuple[int, int], axes: tuple[int, int], colour: tuple[int, int, int], arc: tuple[int, int] = (0, 360)
    ) -> None:
        width = -1 if arc == (0, 360) else 5
        cv2.ellipse(picture, centre, axes, 0, *arc, colour, width, cv2.LINE_AA)

    hair, skin = (80, 50, 30), (224, 180, 150)
    ellipse((256, 230), (150, 190), hair)
    ellipse((256, 262), (130, 170), skin)
    for x, y in EYES:
        ellipse((x, y), (28, 16), (255, 255, 255))
        ellipse((x, y), (12, 12), (70, 50, 40))
        ellipse((x, y), (5, 5), (0, 0, 0))
        ellipse((x, y - 34), (34, 10), hair, (190, 350))
    ellipse((256, 290), (16, 14), (200, 150, 125), (0, 180))
    ellipse((256, 350), (46, 14), (190, 80, 80))
    cv2.line(picture, MOUTH[0], MOUTH[1], (120, 40, 40), 2, cv2.LINE_AA)
    return picture
