"""The face of a portrait: as the user says, else by model, else by model with less to ask for, else by a user's box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.avatar.contract import Face, Portrait
from deployments.core.errors import NoFace

from . import fitting
from .detector import Detection, Detector, distinct, overlap
from .given import Box, Given
from .judging import box_of, judge, judge_size, not_upright, roll_of, width_of
from .mesh import Mesh, region_of
from .picture import Picture, seen
from .region import Region

_SURE = 0.5
"""Least score of the detector, and least presence of the mesh: min_score_thresh of face_detection_short_range.pbtxt and
the default of FaceMesh."""
_SURE_OF_TURN = 0.7
"""The same, where it only says that a picture lies on its side."""
_RELAXED = 0.3
"""The same, for faces that are drawn, dark or partly hidden."""
_PADDED = 1.5
"""Of the side of a picture: a face that fills it is larger than any the detector was trained on."""
_LOOKS = 3
"""Of the mesh at a face: faces agree at the second look, a bad box or a turned head at the third; of 12 pictures
without a face that the mesh took for one, a clock, a colour wheel and cells among them, none did."""
_AGREE = 0.02
"""Of the width of a face: mean distance of the landmarks of two looks. Faces have 0.003-0.016."""
_MAX_FACES = 8
"""Meshes that are made of one picture, those of its largest faces: 12 CPU ms each."""
_SAME = 0.5
"""Intersection over union of the boxes of two meshes, above which they are one face."""
_OF_BOX = 0.2
"""Intersection over union with a user's box, from which on a face is the one that is meant: boxes are drawn loosely."""


@dataclass(frozen=True, eq=False)
class Found:
    """What is known of the faces of a portrait."""

    width: int
    """Of the portrait, pixels."""
    height: int
    """Of the portrait, pixels."""
    face: Face
    """The one to animate."""
    faces: tuple[Face, ...]
    """All, the largest first."""
    notes: tuple[str, ...]
    """Sentences for the user."""


class FaceFinder:
    """Blocking, and for one thread at a time. Both models are loaded here: 0.15 CPU seconds, 30 MB."""

    def __init__(self) -> None:
        self._detector = Detector()
        self._mesh = Mesh()

    def find(self, portrait: Portrait, given: Given | None = None) -> Found:
        """The face to animate: the largest that can be.

        Args:
            portrait: a picture of somebody.
            given: what the user knows; checked against the size of the portrait by `given.parse`.

        Raises:
            NoFace: there is none, or none that can be animated; says which and what to do.
            BadInput: the points that are given are not those of a face.
        """
        height, width = portrait.pixels.shape[:2]
        faces = self.look(portrait, given)
        if not faces:
            raise self._nobody(portrait)
        problems = [problem_of(face, width, height) for face in faces]
        good = [face for face, problem in zip(faces, problems, strict=True) if problem is None]
        if not good:
            raise next(problem for problem in problems if problem)
        return Found(width, height, good[0], faces, _notes(faces, good))

    def look(self, portrait: Portrait, given: Given | None = None) -> tuple[Face, ...]:
        """All faces, the largest first, whether they can be animated or not; arguments and errors as of `find`."""
        if given and (given.points is not None or given.named is not None):
            return (_face(fitting.fit(given), 1.0, "given"),)
        if given and given.box:
            return (self._in_box(portrait, given.box),)
        picture = seen(portrait)
        for method, least, regions in _stages(picture):
            faces = self._faces(picture, regions, least, method)
            if faces:
                return tuple(faces)
        return ()

    def _in_box(self, portrait: Portrait, box: Box) -> Face:
        """The face that fits a user's box best, seen at full resolution; else a mean one."""
        left, top, right, bottom = box
        margin = max(right - left, bottom - top)
        picture = seen(portrait, (left - margin, top - margin, right + margin, bottom + margin))
        x, y = ((left + right) / 2 - picture.left) / picture.scale, ((top + bottom) / 2 - picture.top) / picture.scale
        regions = [Region(x, y, margin * factor / picture.scale) for factor in (1.5, 2.5)]
        meant = np.array(box)
        for method, least in (("model", _SURE), ("relaxed model", _RELAXED)):
            faces = self._faces(picture, regions, least, method)
            best = max(faces, key=lambda face: overlap(np.array(face.box), meant), default=None)
            if best and overlap(np.array(best.box), meant) > _OF_BOX:
                return best
        return _face(fitting.fit_box(box), 1.0, "box")

    def _faces(self, picture: Picture, regions: Iterable[Region], least: float, method: str) -> list[Face]:
        """All that the regions show, the largest first."""
        detections = distinct(
            [face for region in regions for face in self._detector.find(picture.pixels, region, least)]
        )
        detections.sort(key=lambda face: -_area(face.box))
        faces: list[Face] = []
        for detection in detections[:_MAX_FACES]:
            face = self._meshed(picture, detection, least, method)
            if face and all(overlap(np.array(face.box), np.array(other.box)) <= _SAME for other in faces):
                faces.append(face)
        return sorted(faces, key=lambda face: -_area(np.array(face.box)))

    def _meshed(self, picture: Picture, detection: Detection, least: float, method: str) -> Face | None:
        """Looks again where the landmarks are, as MediaPipe does from frame to frame: that halves the scatter of the
        oval (astronaut, 40 turns and sizes: 0.82 to 0.47 pixels). What is no face wanders: it is none unless two looks
        agree."""
        points, presence = self._mesh.find(picture.pixels, detection.region())
        for _ in range(_LOOKS - 1):
            before = points
            points, presence = self._mesh.find(picture.pixels, region_of(points))
            if np.linalg.norm((points - before)[:, :2], axis=1).mean() < _AGREE * width_of(points):
                break
        else:
            return None
        if presence < least:
            return None
        fitting.mend_irises(points)
        return _face(picture.to_portrait(points), min(detection.score, presence), method)

    def _nobody(self, portrait: Portrait) -> NoFace:
        """With a hint of what would help: a picture that lies on its side shows a face when it is turned."""
        picture = seen(portrait)
        for quarters in (1, 2, 3):
            pixels = np.ascontiguousarray(np.rot90(picture.pixels, quarters))
            turned = Picture(pixels)
            faces = self._faces(turned, [turned.whole], _SURE_OF_TURN, "")
            if faces:
                return not_upright(roll_of(faces[0].landmarks) + 90 * quarters)  # rot90 turns anticlockwise
        return NoFace(
            "image: no face was found.",
            hint='Send a picture of one face from the front, or say where it is, as in {"box": [left, top, right, '
            "bottom]}, brows to chin and ear to ear in pixels.",
        )


def problem_of(face: Face, width: int, height: int) -> NoFace | None:
    """Why a face of a picture cannot be animated, or None: where a user says that it is, only its size counts.

    Args:
        face: of a portrait.
        width: of the portrait, pixels.
        height: of the portrait, pixels.
    """
    told = face.method in {"given", "box"}
    return judge_size(face.landmarks) if told else judge(face.landmarks, width, height)


def values(portrait: Portrait, faces: Iterable[Face]) -> dict[str, Any]:
    """What is known of the faces of a portrait as plain values, for JSON: lengths in pixels, to a tenth."""
    height, width = portrait.pixels.shape[:2]
    return {
        "width": width,
        "height": height,
        "faces": [
            {
                "box": [round(edge, 1) for edge in face.box],
                "score": round(face.score, 3),
                "method": face.method,
                "problem": str(problem) if (problem := problem_of(face, width, height)) else None,
                "hint": problem.hint if problem else None,
                "landmarks": [[round(float(value), 1) for value in point] for point in face.landmarks],
            }
            for face in faces
        ],
    }


def _stages(picture: Picture) -> Iterator[tuple[str, float, list[Region]]]:
    """Where to look and how sure to be, one after another until somebody is found."""
    whole = picture.whole
    padded = Region(whole.x, whole.y, whole.side * _PADDED)
    yield "model", _SURE, [whole, *picture.tiles(2)]
    yield "model", _SURE, [padded]
    yield "model", _SURE, picture.tiles(4)
    yield "relaxed model", _RELAXED, [padded, whole, Region(whole.x, whole.y, whole.side / _PADDED)]


def _face(points: NDArray[np.float64], score: float, method: str) -> Face:
    return Face(points.astype(np.float32), box_of(points), score, method)


def _area(box: NDArray[np.float64]) -> float:
    return float(np.prod(box[2:] - box[:2]))


def _notes(faces: tuple[Face, ...], good: list[Face]) -> tuple[str, ...]:
    notes = []
    if len(faces) > 1:
        which = "largest" if good[0] is faces[0] else "largest that can be animated"
        notes.append(f"The picture shows {len(faces)} faces: the {which} is taken.")
    if good[0].method == "relaxed model":
        notes.append("The face is hard to see: look whether its mouth sits right, or say where it is.")
    if good[0].method == "box":
        notes.append("No face is seen in the box: a mean face is put there.")
    return tuple(notes)
