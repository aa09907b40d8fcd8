"""Makes deployments/avatar/faces/models/template.npy: the mean face that given points and boxes are filled up with.

    npm pack @mediapipe/face_mesh@0.4.1657299874    # Apache-2.0
    pip install mediapipe==0.10.21                  # for its schema of the file
    python -m tests.deployments.avatar.faces.template mediapipe-face_mesh-0.4.1657299874.tgz

MediaPipe's canonical face model (468 points, centimetres, y up, z to the viewer), turned into what Face.landmarks says
(y down, z away from the viewer), its slightly open mouth closed, irises put into its eyes.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deployments.avatar import landmarks

TEMPLATE = Path(__file__).parents[4] / "deployments" / "avatar" / "faces" / "models" / "template.npy"
NAME = "geometry_pipeline_metadata_landmarks.binarypb"
SHA256 = "bdbcda96dfcb7da883da124aaa2c55dee49770d934f0fcc71747f8c21bdc75b4"
CLOSED = 0.9
"""How far the lips are closed: points that are given for both edges must not fall together here."""
IRIS_CM = 0.585
"""Radius: the iris of an adult is 11.7 mm wide (Rüfer, Schröder, Erb 2005, Cornea 24(3))."""
RINGS = (
    (landmarks.LIPS_OUTER_UPPER, landmarks.LIPS_OUTER_LOWER),
    ((76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306), (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306)),
    ((62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292), (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292)),
    (landmarks.LIPS_INNER_UPPER, landmarks.LIPS_INNER_LOWER),
)
"""Of the lips, from the outer to the inner edge; tensors_to_face_landmarks_with_attention.pbtxt."""


def canonical(package: Path) -> NDArray[np.float64]:
    """(468, 3) float64, centimetres, y down, z away from the viewer.

    Raises:
        ValueError: it is not the file that this script was written for.
    """
    from mediapipe.modules.face_geometry.protos import (  # type: ignore[import-not-found]
        geometry_pipeline_metadata_pb2,
    )

    with tarfile.open(package) as files:
        loader = files.extractfile("package/face_mesh_solution_packed_assets_loader.js")
        assets = files.extractfile("package/face_mesh_solution_packed_assets.data")
        assert loader and assets
        place = re.search(NAME + r'", "start": (\d+), "end": (\d+)', loader.read().decode())
        assert place
        data = assets.read()[int(place[1]) : int(place[2])]
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError(f"{NAME} of {package} is another version")
    metadata = geometry_pipeline_metadata_pb2.GeometryPipelineMetadata.FromString(data)
    vertices = np.array(metadata.canonical_mesh.vertex_buffer).reshape(-1, 5)[:, :3]  # position, texture
    return vertices * [1, -1, -1]


def close_mouth(points: NDArray[np.float64]) -> None:
    """In place: the inner edges meet in the middle, the rings around them follow a third and two thirds of the way."""
    gap = (points[list(landmarks.LIPS_INNER_LOWER)] - points[list(landmarks.LIPS_INNER_UPPER)]) / 2 * CLOSED
    for ring, (upper, lower) in enumerate(RINGS):
        points[list(upper[1:-1])] += gap[1:-1] * ring / 3
        points[list(lower[1:-1])] -= gap[1:-1] * ring / 3


def irises(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(10, 3): centre, right, top, left, bottom of each."""
    ring = np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0], [0, 1, 0]]) * IRIS_CM
    return np.concatenate([points[list(eye)].mean(axis=0) + ring for eye in (landmarks.RIGHT_EYE, landmarks.LEFT_EYE)])


def main() -> None:
    """Writes the file."""
    points = canonical(Path(sys.argv[1]))
    close_mouth(points)
    points = np.concatenate((points, irises(points)))
    points[:, 2] -= points[: landmarks.MESH_COUNT, 2].mean()
    np.save(TEMPLATE, points.astype(np.float32))


if __name__ == "__main__":
    main()
