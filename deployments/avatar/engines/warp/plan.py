"""One frame, before its pixels are looked up: where each comes from, and what is painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import eyes, interior
from .fields import Field, inverse
from .lips import Contour
from .sampling import sample
from .state import State


@dataclass(frozen=True, eq=False)
class Pose:
    """What a face does in one frame."""

    muscles: NDArray[np.float32]
    """(K,) float32, as muscles.MUSCLES."""
    tongue: float
    """0-1."""
    tip: float
    """0-1."""
    shut: float
    """0-1."""
    gaze: tuple[float, float]
    """Right and down, -1..1."""
    roll: float
    """Radians."""
    aside: float
    """Eye distances."""
    down: float
    """Eye distances."""
    breath: float
    """0-1."""


@dataclass(frozen=True, eq=False)
class Plan:
    """All that a frame needs but the looking up of its pixels, which is most of the work."""

    picture: NDArray[np.uint8]
    """(H, W, 3 or 4) uint8: state.picture with the eyes of this frame."""
    maps: Field
    """(rows, columns, 2) float32, pixels of `picture`: where each cell of the body's grid comes from."""
    mouth: Field
    """(h, w, 2) float32: the same for every pixel of layout.mouth_area, each lip sharp up to its rim."""
    inside: NDArray[np.uint8] | None
    """(h, w, 4) uint8 RGBA premultiplied: what is seen between the lips, in layout.mouth_area; None: they are shut."""


def plan(state: State, pose: Pose) -> Plan:
    """What the face does, as maps."""
    contour = state.lips.contour(pose.muscles)
    layers = [inverse(state.face, np.tensordot(pose.muscles, fields, 1)) for fields in (state.upper, state.lower)]
    share = contour.upper_share(state.face_local)[..., None]
    face = layers[1] + (layers[0] - layers[1]) * share
    still = state.body.back(state.body.grid.nodes, pose.roll, pose.aside, pose.down, pose.breath)
    places = sample(still, state.layout.mouth_cells)
    local = state.anatomy.turned(places)
    mouth = _lips(state, np.concatenate(layers, axis=-1), places, contour.upper_share(local)[..., None])
    inside = _inside(state, pose, local, contour)
    return Plan(_look(state, pose), still + state.face.at(face, still), mouth, inside)


def _look(state: State, pose: Pose) -> NDArray[np.uint8]:
    """The picture with the eyes of this frame."""
    picture = state.picture
    for eye in state.eyes:
        painted = eyes.paint(eye, state.picture[eye.area], pose.shut, pose.gaze)
        if painted is not None:
            picture = picture.copy() if picture is state.picture else picture
            picture[eye.area] = painted
    return picture


def _lips(state: State, layers: NDArray[np.float32], places: Field, share: NDArray[np.float32]) -> Field:
    """Both layers, (rows, columns, 4), at places of the unmoved face, each where it belongs."""
    both = state.face.at(layers, places)
    maps = both[..., :2] * share
    maps += both[..., 2:] * (1 - share)
    maps += places
    return maps


def _inside(state: State, pose: Pose, local: Field, contour: Contour) -> NDArray[np.uint8] | None:
    """What is behind the lips, for every pixel of the mouth's box, of which `local` says where it is."""
    jaw = float(pose.muscles[0] * 0.25 + pose.muscles[3] * 0.05) * state.mouth.width
    turn = np.tensordot(pose.muscles[9:11], state.lips.upper_moves[9:11].mean(1), 1)
    pucker = float(min(max(pose.muscles[2], 0), 1))
    shift = (float(turn[0]), float(turn[1]))
    painted = interior.paint(state.mouth, contour, jaw, pose.tongue, pose.tip, pucker, shift)
    if painted is None:
        return None
    picture, first = painted
    return sample(picture, local - np.array((state.mouth.left, state.mouth.top + first), np.float32), zero=True)
