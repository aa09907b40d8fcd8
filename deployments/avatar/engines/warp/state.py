"""A portrait made ready: everything about it that does not change while it talks."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.avatar.contract import Canvas, Face, Portrait
from deployments.avatar.landmarks import OVAL
from deployments.core.errors import NoFace

from .anatomy import EYES, Anatomy, measure
from .body import Body
from .eyes import Eye, look
from .fields import Grid, solve
from .framing import frame, over
from .interior import Mouth, furnish
from .layout import Layout, body_of, lay_out
from .lips import Lips, rims
from .muscles import LOWER, UPPER, moves
from .neutral import neutralise

_SMALLEST = 10.0
"""Pixels between the eyes in a frame: below that a mouth is a smudge."""
_SHARPER = 0.3
"""What is bent is sampled between pixels, which softens it by about that much."""


@dataclass(frozen=True, eq=False)
class State:
    """A portrait, ready to talk."""

    picture: NDArray[np.uint8]
    """The face at rest: (H, W, 3) uint8 RGB, or (H, W, 4) premultiplied where a picture is behind it. On a plain ground
    it is bent with the ground, which is the same in every place."""
    background: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""
    still: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB: the face at rest on the background, unmoved."""
    anatomy: Anatomy
    """At rest."""
    face: Grid
    """Where the fields are."""
    face_local: NDArray[np.float32]
    """(rows, columns, 2) float32: its nodes, in pixels along the face's own axes from the middle of the lips."""
    upper: NDArray[np.float32]
    """(K, rows, columns, 2) float32, pixels: of every muscle, above the line between the lips."""
    lower: NDArray[np.float32]
    """The same below."""
    body: Body
    layout: Layout
    lips: Lips
    mouth: Mouth
    eyes: tuple[Eye, ...]
    fps: int


def prepare(portrait: Portrait, face: Face, canvas: Canvas, backdrop: Portrait | None) -> State:
    """Frames the portrait, closes its mouth, and solves its fields.

    Raises:
        NoFace: it is too small in the picture.
    """
    framed = frame(portrait, face, canvas, backdrop)
    parted = measure(framed.landmarks)
    _check_size(parted)
    grid = _grid(parted)
    anchors = _anchors(grid)
    closed, anatomy = neutralise(framed.pixels, parted, grid, anchors)
    picture = _sharpen(closed)
    still = over(picture, framed.background)
    upper, lower = moves(anatomy, UPPER), moves(anatomy, LOWER)
    body = body_of(anatomy, framed, grid.cell)
    eyes = (look(picture, anatomy.points, marks) for marks in EYES)
    return State(
        picture=still if framed.opaque or backdrop is None else picture,
        background=framed.background,
        still=still,
        anatomy=anatomy,
        face=grid,
        face_local=anatomy.turned(grid.nodes),
        upper=_solve(grid, anatomy, UPPER.all, upper, anchors),
        lower=_solve(grid, anatomy, LOWER.all, lower, anchors),
        body=body,
        layout=lay_out(anatomy, body.grid, canvas),
        lips=rims(anatomy, upper, lower),
        mouth=furnish(anatomy.mouth, _skin(picture, anatomy)),
        eyes=tuple(eye for eye in eyes if eye is not None),
        fps=canvas.fps,
    )


def _check_size(anatomy: Anatomy) -> None:
    if anatomy.eyes < _SMALLEST or anatomy.mouth < _SMALLEST / 2:
        apart = f"{anatomy.eyes:.0f} pixels from eye to eye in the video, {_SMALLEST:.0f} are needed"
        raise NoFace(
            f"image: the face is too small: {apart}.",
            hint="Cut the picture closer to the face, or ask for crop: face.",
        )


def _grid(anatomy: Anatomy) -> Grid:
    """Around the face, with room for all that bends."""
    cell = max(2, round(anatomy.eyes / 20))
    oval = anatomy.points[list(OVAL)]
    (left, top), (right, bottom) = oval.min(0), oval.max(0)
    width, height = float(right - left), float(bottom - top)
    x, y = int(left - 0.2 * width), int(top - 0.12 * height)
    return Grid(
        x, y, int(np.ceil((right + 0.2 * width - x) / cell)), int(np.ceil((bottom + 0.45 * height - y) / cell)), cell
    )


def _anchors(grid: Grid) -> NDArray[np.float32]:
    """(24, 2) float32: points of the grid's border; nothing moves there."""
    along = np.linspace(0, 1, 7, dtype=np.float32)[:-1]
    zero, one = np.zeros_like(along), np.ones_like(along)
    x = np.concatenate((along, one, 1 - along, zero)) * (grid.width - 1) + grid.left
    y = np.concatenate((zero, along, one, 1 - along)) * (grid.height - 1) + grid.top
    return np.stack((x, y), axis=1).astype(np.float32)


def _solve(
    grid: Grid, anatomy: Anatomy, indices: list[int], shifts: NDArray[np.float32], anchors: NDArray[np.float32]
) -> NDArray[np.float32]:
    points = np.concatenate((anatomy.points[indices], anchors))
    still = np.zeros((len(shifts), len(anchors), 2), np.float32)
    return solve(grid, points, np.concatenate((shifts, still), axis=1), 0.06 * anatomy.mouth)


def _skin(picture: NDArray[np.uint8], anatomy: Anatomy) -> NDArray[np.float32]:
    """(3,) float32 RGB 0-255: the median of both cheeks and the chin."""
    height, width = picture.shape[:2]
    around = np.stack(np.meshgrid(*[np.linspace(-0.08, 0.08, 7)] * 2), -1).reshape(-1, 2) * anatomy.mouth
    places = (anatomy.points[[205, 425, 50, 280, 199], None] + around).reshape(-1, 2)
    x, y = np.clip(np.rint(places).astype(int), 0, (width - 1, height - 1)).T
    found: NDArray[np.float32] = np.median(picture[y, x, :3], axis=0).astype(np.float32)
    return found


def _sharpen(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    sharp = cv2.addWeighted(pixels, 1 + _SHARPER, soft, -_SHARPER, 0)
    sharp[..., 3] = pixels[..., 3]
    found: NDArray[np.uint8] = np.minimum(sharp, pixels[..., 3:])  # premultiplied
    return found


def size_bytes(value: Any) -> int:
    """Memory of all arrays in a dataclass."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, tuple):
        return sum(size_bytes(each) for each in value)
    if is_dataclass(value):
        return sum(size_bytes(getattr(value, each.name)) for each in fields(value))
    return 64
