"""The converted models say what MediaPipe's own say; record.py asked them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from deployments.avatar import landmarks
from deployments.avatar.faces.detector import Detector
from deployments.avatar.faces.mesh import Mesh, region_of

MODELS = files("deployments.avatar.faces") / "models"
CROP = np.s_[10:202, 120:312]
"""That of record.py."""


def test_detector_says_what_the_original_says(
    astronaut: NDArray[np.uint8], mediapipe: Mapping[str, NDArray[Any]]
) -> None:
    boxes, logits = Detector().raw(astronaut[::4, ::4])
    assert np.abs(boxes - mediapipe["boxes"]).max() < 1e-3
    assert np.abs(logits - mediapipe["logits"]).max() < 1e-3


def test_mesh_says_what_the_original_says(astronaut: NDArray[np.uint8], mediapipe: Mapping[str, NDArray[Any]]) -> None:
    points, presence = Mesh().raw(astronaut[CROP])
    assert np.abs(points - mediapipe["mesh"]).max() < 1e-3
    assert presence > 0.99


@pytest.mark.parametrize("look", [0, 1])
def test_mesh_follows_its_own_landmarks_as_the_original_does(
    look: int, astronaut: NDArray[np.uint8], mediapipe: Mapping[str, NDArray[Any]]
) -> None:
    before, after = mediapipe["looks"][look : look + 2].astype(np.float64)
    points, _ = Mesh().find(astronaut, region_of(before))
    assert np.linalg.norm((points - after)[:, :2], axis=1).max() < 0.1
    assert np.abs(points - after)[:, 2].max() < 0.1


def test_what_is_no_face_has_no_presence() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (192, 192, 3), np.uint8)
    assert Mesh().raw(noise)[1] < 0.1


@pytest.mark.parametrize("name", ["detector.onnx", "mesh.onnx"])
def test_a_model_is_of_standard_operators_and_says_where_it_comes_from(name: str) -> None:
    model = onnx.load_model_from_string((MODELS / name).read_bytes())
    onnx.checker.check_model(model, full_check=True)
    assert {opset.domain for opset in model.opset_import} == {""} == {node.domain for node in model.graph.node}
    origin = {entry.key: entry.value for entry in model.metadata_props}
    notice = (MODELS / "NOTICE").read_text(encoding="utf-8")
    stored = re.search(rf"{name}\s+(\S+)\s+sha256 (\w+)", notice)
    assert stored and origin["source"] == f"mediapipe 0.10.21, {stored[1]}" and origin["sha256"] == stored[2]


def edges(row: tuple[int, ...], closed: bool) -> set[frozenset[int]]:
    return {frozenset(edge) for edge in pairwise((*row, row[0]) if closed else row)}


@pytest.mark.parametrize(
    ("part", "rows", "closed"),
    [
        ("lips", (landmarks.LIPS_OUTER, landmarks.LIPS_INNER), True),
        ("right_eye", (landmarks.RIGHT_EYE,), True),
        ("left_eye", (landmarks.LEFT_EYE,), True),
        ("right_iris", (landmarks.RIGHT_IRIS_RING,), True),
        ("left_iris", (landmarks.LEFT_IRIS_RING,), True),
        ("face_oval", (landmarks.OVAL,), True),
        ("right_eyebrow", (landmarks.RIGHT_BROW_UPPER, landmarks.RIGHT_BROW_LOWER), False),
        ("left_eyebrow", (landmarks.LEFT_BROW_UPPER, landmarks.LEFT_BROW_LOWER), False),
        ("nose", (landmarks.NOSE_BRIDGE, landmarks.NOSE_BASE), False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rows_run_along_the_edges_of_the_mesh(
    part: str, rows: tuple[tuple[int, ...], ...], closed: bool, mediapipe: Mapping[str, NDArray[Any]]
) -> None:
    ours = set[frozenset[int]]().union(*(edges(row, closed) for row in rows))
    theirs = {frozenset(edge) for edge in mediapipe[part].tolist()}
    assert ours <= theirs if part == "nose" else ours == theirs


def test_rows_run_from_left_to_right_in_a_picture(mediapipe: Mapping[str, NDArray[Any]]) -> None:
    points = mediapipe["looks"][0]
    for name, row in vars(landmarks).items():
        if name.endswith(("_UPPER", "_LOWER")):
            assert (np.diff(points[list(row), 0]) > -1).all() and np.ptp(points[list(row), 0]) > 10, name
    for ring in (landmarks.RIGHT_IRIS_RING, landmarks.LEFT_IRIS_RING):
        right, top, left, bottom = points[list(ring)]
        assert right[0] > top[0] > left[0] and bottom[1] > right[1] > top[1]
