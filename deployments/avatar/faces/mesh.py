"""478 landmarks of a face: MediaPipe's attention mesh (Grishchenko et al. 2020, arXiv:2006.10962)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deployments.avatar import landmarks

from .region import Region, around
from .session import Session

SIZE = 192
"""Pixels of a side that the model looks at."""
_ROI_SCALE = 1.5
"""Of the box of all landmarks: face_landmark_landmarks_to_roi.pbtxt. Turned as the outer corners of both eyes are: its
comment has one eye, but with both MediaPipe 0.10.21 is met to 0.02 pixels, with one to 0.6."""


class Mesh:
    """One onnxruntime session."""

    def __init__(self) -> None:
        self._session = Session("mesh.onnx")

    def raw(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
        """What the model says.

        Args:
            picture: (SIZE, SIZE, 3) uint8 RGB.

        Returns:
            (478, 3) float32, pixels of the picture; and how likely it is that a face is there, 0-1.
        """
        points, presence = self._session.run(
            ("landmarks", "presence"), picture.astype(np.float32) * np.float32(1 / 255)
        )
        return points[0], float(presence[0])

    def find(self, picture: NDArray[np.uint8], region: Region) -> tuple[NDArray[np.float64], float]:
        """Landmarks of the face in a region.

        Args:
            picture: (H, W, 3) uint8 RGB.
            region: a face fills two thirds of it and is upright in it.

        Returns:
            (478, 3) float64, pixels of the picture; and how likely it is that a face is there, 0-1.
        """
        points, presence = self.raw(region.cut(picture, SIZE))
        flat = region.to_picture(points[:, :2] / SIZE)
        return np.column_stack((flat, points[:, 2].astype(np.float64) * region.side / SIZE)), presence


def region_of(points: NDArray[np.float64]) -> Region:
    """What the mesh looks at when it knows already where the landmarks are; (478, 3) float64, pixels."""
    return around(points[:, :2], _ROI_SCALE, landmarks.RIGHT_EYE_CORNERS[0], landmarks.LEFT_EYE_CORNERS[0])
