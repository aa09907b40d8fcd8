"""Where faces are: MediaPipe's short-range detector (BlazeFace, Bazarevsky et al. 2019, arXiv:1907.05047).

Anchors, decoding and suppression as mediapipe/modules/face_detection/face_detection.pbtxt and the calculators that it
names (SsdAnchorsCalculator, TensorsToDetectionsCalculator, NonMaxSuppressionCalculator, "WEIGHTED").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .region import Region
from .session import Session

SIZE = 128
"""Pixels of a side that the model looks at."""
_GRIDS = ((16, 2), (8, 6))
"""Cells of a side, anchors in each."""
_OVERLAP = 0.3
"""Of two boxes, intersection over union, above which they are one face: min_suppression_threshold."""
_ROI_SCALE = 1.5
"""Of the box: face_detection_front_detection_to_roi.pbtxt."""


@dataclass(frozen=True, eq=False)
class Detection:
    """A face, roughly."""

    box: NDArray[np.float64]
    """(4,) float64: left, top, right, bottom; pixels."""
    points: NDArray[np.float64]
    """(6, 2) float64, pixels: right eye, left eye, tip of the nose, mouth, right ear, left ear."""
    score: float
    """0-1."""

    def region(self) -> Region:
        """What the mesh looks at: turned as the eyes are."""
        left, top, right, bottom = (float(edge) for edge in self.box)
        along = self.points[1] - self.points[0]
        angle = math.atan2(along[1], along[0])
        return Region((left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) * _ROI_SCALE, angle)


class Detector:
    """One onnxruntime session."""

    def __init__(self) -> None:
        self._session = Session("detector.onnx")
        self._anchors = anchors()

    def raw(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the model says.

        Args:
            picture: (SIZE, SIZE, 3) uint8 RGB.

        Returns:
            (896, 16) float32, offsets in pixels of the picture, and (896,) float32, logits.
        """
        scaled = picture.astype(np.float32) * np.float32(2 / 255) - 1
        boxes, logits = self._session.run(("boxes", "logits"), scaled)
        return boxes[0], logits[0, :, 0]

    def find(self, picture: NDArray[np.uint8], region: Region, threshold: float) -> list[Detection]:
        """Faces in a region of a picture, the surest first.

        Args:
            picture: (H, W, 3) uint8 RGB.
            region: upright.
            threshold: least score, 0-1.
        """
        offsets, logits = self.raw(region.cut(picture, SIZE, border=0))
        scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
        sure = scores >= threshold
        boxes, points = decode(offsets[sure], self._anchors[sure])
        faces = [Detection(*face) for face in zip(boxes, points, scores[sure].tolist(), strict=True)]
        return [_placed(face, region) for face in weighted(faces)]


def anchors() -> NDArray[np.float64]:
    """(896, 2) float64: centres, 0-1 of the picture."""
    rows = []
    for cells, count in _GRIDS:
        line = (np.arange(cells) + 0.5) / cells
        centres = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        rows.append(np.repeat(centres, count, axis=0))
    return np.concatenate(rows)


def decode(
    offsets: NDArray[np.float32], centres: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes and points, 0-1 of the picture.

    Args:
        offsets: (N, 16) float32: centre, size and six points, as x, y in pixels from the anchor.
        centres: (N, 2) float64: of the anchors, 0-1 of the picture.

    Returns:
        (N, 4) float64: left, top, right, bottom; and (N, 6, 2) float64.
    """
    pairs = offsets.astype(np.float64).reshape(-1, 8, 2) / SIZE
    middle, size = pairs[:, 0] + centres, pairs[:, 1]
    return np.concatenate((middle - size / 2, middle + size / 2), axis=1), pairs[:, 2:] + centres[:, None]


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes, 0-1; 0 where both are empty."""
    inside = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(inside, 0)))
    union = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared
    return shared / union if union > 0 else 0.0


def weighted(faces: Sequence[Detection]) -> list[Detection]:
    """One for each group of overlapping ones: their mean, weighted by the scores, with the best score."""
    left = sorted(faces, key=lambda face: -face.score)
    kept = []
    while left:
        best = left[0]
        near = [face for face in left if face is best or overlap(face.box, best.box) > _OVERLAP]
        left = [face for face in left if all(face is not one for one in near)]
        weights = np.array([face.score for face in near]) / sum(face.score for face in near)
        box = np.tensordot(weights, np.stack([face.box for face in near]), axes=1)
        points = np.tensordot(weights, np.stack([face.points for face in near]), axes=1)
        kept.append(Detection(box, points, best.score))
    return kept


def distinct(faces: Sequence[Detection]) -> list[Detection]:
    """The surest of every group of overlapping ones: those of different regions, which may show only a part."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) <= _OVERLAP for other in kept):
            kept.append(face)
    return kept


def _placed(face: Detection, region: Region) -> Detection:
    corners = region.to_picture(face.box.reshape(2, 2)).ravel()
    return Detection(corners, region.to_picture(face.points), face.score)
