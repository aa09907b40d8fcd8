"""A whole mesh from the few points of a face that somebody gives: the mean face, bent until it goes through them."""

from __future__ import annotations

import math
from importlib.resources import files
from io import BytesIO
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deployments.avatar import landmarks
from deployments.core.errors import BadInput

from .given import Box, Given, Named

# fmt: off
IBUG_68: tuple[int, ...] = (
    234, 93, 132, 58, 172, 150, 176, 148, 152, 377, 400, 379, 397, 288, 361, 323, 454,  # jaw, from ear to ear
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,                                      # brows
    168, 197, 5, 4, 98, 97, 2, 326, 327,                                                # nose: bridge, base
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,                          # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,                                # lips, outside
    78, 82, 13, 312, 308, 317, 14, 87,                                                  # lips, inside
)
# fmt: on
"""Landmark for each point of the 300-W/iBUG annotation (Sagonas et al. 2016, "300 Faces In-The-Wild Challenge"), by
what that annotation calls it; along the jaw evenly spread."""
NAMED = {
    "mouth_left": 61,
    "mouth_right": 291,
    "upper_lip_top": 0,
    "upper_lip_bottom": 13,
    "lower_lip_top": 14,
    "lower_lip_bottom": 17,
    "left_eye_left": 33,
    "left_eye_right": 133,
    "left_eye_top": 159,
    "left_eye_bottom": 145,
    "right_eye_left": 362,
    "right_eye_right": 263,
    "right_eye_top": 386,
    "right_eye_bottom": 374,
    "chin": 152,
}
"""Landmark for each name of Named: left and right as in the picture."""
_FACE = (10, 234, 454)
"""Landmarks that Named.face gives: hair line, and both ears at their height."""
_ROWS = (
    landmarks.LIPS_OUTER_UPPER,
    landmarks.LIPS_OUTER_LOWER,
    landmarks.LIPS_INNER_UPPER,
    landmarks.LIPS_INNER_LOWER,
    landmarks.RIGHT_EYE_UPPER,
    landmarks.RIGHT_EYE_LOWER,
    landmarks.LEFT_EYE_UPPER,
    landmarks.LEFT_EYE_LOWER,
    (*landmarks.OVAL, landmarks.OVAL[0]),
)
"""Lines that bend as one."""
_INNER_CORNERS = {78: 61, 308: 291}
"""Corner of the mouth inside the lips -> outside: one goes with the other where it is not given."""
_EYES = {
    landmarks.RIGHT_IRIS_CENTRE: (landmarks.RIGHT_EYE, landmarks.RIGHT_EYE_CORNERS),
    landmarks.LEFT_IRIS_CENTRE: (landmarks.LEFT_EYE, landmarks.LEFT_EYE_CORNERS),
}
"""Iris -> the edge of its lids, and their corners."""
_GAZE = 0.45
"""Of the width of an eye: how far the iris may be from the middle. At 0.28 its edge touches the corner."""
_LARGEST_RESIDUAL = 0.2
"""Of the width of the face: how far points are, root mean square, from where the mean face has them once it is moved,
turned and stretched. True faces stay below 0.06, those with points in another order reach 0.4."""


def template() -> NDArray[np.float64]:
    """(478, 3) float64: MediaPipe's canonical face, mouth closed; centimetres, x to the right, y down, z away."""
    stored = (files("deployments.avatar.faces") / "models" / "template.npy").read_bytes()
    points: NDArray[np.float32] = np.load(BytesIO(stored), allow_pickle=False)
    return points.astype(np.float64)


def fit(given: Given) -> NDArray[np.float64]:
    """The landmarks of a face of which points are given.

    Returns:
        (478, 3) float64, pixels.

    Raises:
        BadInput: the points are in no order of a face.
    """
    if given.points is None and given.named is None:
        raise ValueError("no points")
    if given.points is not None:
        points = np.array(given.points, np.float64)
        if len(points) == landmarks.COUNT and points.shape[1] == 3:
            _check(template(), points[:, :2], "points")
            return points
        places = IBUG_68 if len(points) == len(IBUG_68) else tuple(range(len(points)))
        return _through(places, points, "points")
    assert given.named is not None
    places, points = _of_names(given.named)
    return _through(places, points, "named")


def fit_box(box: Box) -> NDArray[np.float64]:
    """(478, 3) float64, pixels: the mean face, put into a box from brows to chin and from ear to ear."""
    face = template()
    low, high = face[:, :2].min(axis=0), face[:, :2].max(axis=0)
    low[1] = face[[*landmarks.RIGHT_BROW, *landmarks.LEFT_BROW], 1].min()
    corners = np.array(box, np.float64).reshape(2, 2)
    scale = (corners[1] - corners[0]) / (high - low)
    flat = (face[:, :2] - low) * scale + corners[0]
    return np.column_stack((flat, face[:, 2] * scale.mean()))


def _of_names(named: Named) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Landmarks, and (N, 2) pixels where they are."""
    found = {NAMED[name]: point for name, point in named.points().items()}
    if named.upper_lip_bottom is None and named.lower_lip_top is None:
        upper, lower = np.array(named.upper_lip_top), np.array(named.lower_lip_bottom)
        between = upper * 0.55 + lower * 0.45  # the lower lip is the fuller one: Farkas 1994 has 8 and 10 mm
        found[13] = found[14] = (float(between[0]), float(between[1]))
    if named.face is not None:
        left, top, right, _ = named.face
        eyes = np.mean([found[index] for index in (33, 133, 362, 263)], axis=0)
        found |= dict(zip(_FACE, [((left + right) / 2, top), (left, eyes[1]), (right, eyes[1])], strict=True))
    return tuple(found), np.array(list(found.values()), np.float64)


def _through(places: tuple[int, ...], points: NDArray[np.float64], field: str) -> NDArray[np.float64]:
    """The mean face, moved, turned and stretched as the points say, and bent so that it goes through them.

    What is left behind the affine map is spread by radial basis functions with the kernel r (biharmonic in space), as
    in Carr et al. 2001, "Reconstruction and Representation of 3D Objects with Radial Basis Functions".

    Args:
        places: N different landmarks.
        points: (N, 2 or 3) float64, pixels.
        field: of the request.
    """
    face = template()
    moved = _check(face, points[:, :2], field, places)
    shifts = _along_rows(dict(zip(places, points[:, :2] - moved[list(places)], strict=True)))
    sources = face[list(shifts)]
    distances = np.linalg.norm(sources[:, None] - sources[None], axis=2)
    weights = np.linalg.lstsq(distances, np.stack(list(shifts.values())), rcond=None)[0]
    flat = moved + np.linalg.norm(face[:, None] - sources[None], axis=2) @ weights
    scale = np.ptp(flat[:, 0]) / np.ptp(face[:, 0])
    whole = np.column_stack((flat, face[:, 2] * scale))
    for centre, (eye, corners) in _EYES.items():
        _place_iris(whole, centre, eye, corners, face)
    whole[list(places), : points.shape[1]] = points
    return whole


def mend_irises(points: NDArray[np.float64]) -> None:
    """In place, (478, 3): an iris that lies outside its eye, as it happens with drawn faces, is put into its middle."""
    for centre, (eye, corners) in _EYES.items():
        middle, width = points[list(eye), :2].mean(axis=0), np.linalg.norm(np.diff(points[list(corners), :2], axis=0))
        if np.linalg.norm(points[centre, :2] - middle) > _GAZE * width:
            _place_iris(points, centre, eye, corners, template())


def _place_iris(
    whole: NDArray[np.float64],
    centre: int,
    eye: landmarks.Row,
    corners: tuple[int, int],
    face: NDArray[np.float64],
) -> None:
    """In place: round, in the middle of its eye, as large against its width as in the mean face."""
    outer, inner = corners
    iris = slice(centre, centre + 5)
    scale = np.linalg.norm((whole[outer] - whole[inner])[:2]) / np.linalg.norm((face[outer] - face[inner])[:2])
    whole[iris] = whole[list(eye)].mean(axis=0) + (face[iris] - face[centre]) * scale


def _along_rows(known: dict[int, NDArray[np.float64]]) -> dict[int, NDArray[np.float64]]:
    """Shifts of all points of the rows of which some are known: they go over into each other smoothly along a row,
    where the kernel would leave a spike at each known point."""
    shifts = dict(known)
    for inner, outer in _INNER_CORNERS.items():
        if inner not in shifts and outer in shifts:
            shifts[inner] = shifts[outer]
    for row in _ROWS:
        stops = [i for i, point in enumerate(row) if point in shifts]
        for start, stop in pairwise(stops):
            for i in range(start + 1, stop):
                share = (1 - math.cos(math.pi * (i - start) / (stop - start))) / 2
                shifts[row[i]] = shifts[row[start]] * (1 - share) + shifts[row[stop]] * share
    return shifts


def _check(
    face: NDArray[np.float64], points: NDArray[np.float64], field: str, places: tuple[int, ...] | None = None
) -> NDArray[np.float64]:
    """(478, 2) float64, pixels: the mean face under the affine map that brings it nearest to the points.

    Raises:
        BadInput: that is not near.
    """
    flat = np.column_stack((face[:, :2], np.ones(len(face))))
    used = flat if places is None else flat[list(places)]
    affine = np.linalg.lstsq(used, points, rcond=None)[0]
    moved = flat @ affine
    away = float(np.sqrt(((used @ affine - points) ** 2).sum(axis=1).mean()))
    size = float(np.sqrt(abs(np.linalg.det(affine[:2])))) * float(np.ptp(face[:, 0]))
    if np.linalg.det(affine[:2]) <= 0 or away > _LARGEST_RESIDUAL * size:
        raise BadInput(
            f"landmarks: {field} are not those of a face.",
            hint="Keep their order; left is the left side of the picture, y grows downwards.",
        )
    return moved
