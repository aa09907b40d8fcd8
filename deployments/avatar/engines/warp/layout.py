"""Which pixels of a frame move, and which of them the mouth can reach."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.avatar.contract import Canvas
from deployments.core.errors import NoFace

from .anatomy import Anatomy
from .body import Body, locate
from .fields import Grid
from .framing import Framed

Area = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Parts of a frame."""

    area: Area
    """Of the frame: what moves; beyond it a frame is its still."""
    body_area: Area
    """The same in the pixels of the body's grid."""
    mouth_area: Area
    """Of `area`: what the lips can reach."""
    mouth_cells: NDArray[np.float32]
    """(h, w, 2) float32: column and row in the body's grid of every pixel of mouth_area."""


def lay_out(anatomy: Anatomy, grid: Grid, canvas: Canvas) -> Layout:
    """Parts of a frame.

    Args:
        anatomy: the face.
        grid: of the body; a cell larger than what moves, as its border is known up to half a cell.
        canvas: the frame.

    Raises:
        NoFace: the mouth is not in the frame.
    """
    rows = slice(max(grid.top + grid.cell, 0), min(grid.top + grid.height - grid.cell, canvas.height))
    columns = slice(max(grid.left + grid.cell, 0), min(grid.left + grid.width - grid.cell, canvas.width))
    mouth = _mouth(anatomy, (rows, columns))
    return Layout(
        (rows, columns),
        _moved((rows, columns), grid.left, grid.top),
        _moved(mouth, columns.start, rows.start),
        _cells(grid, mouth),
    )


def _mouth(anatomy: Anatomy, area: Area) -> Area:
    """Rows and columns of the frame that lips can reach."""
    corners = np.array(((-0.8, -0.45), (0.8, -0.45), (-0.8, 0.75), (0.8, 0.75)), np.float32)
    places = anatomy.pixels(corners) + anatomy.centre
    (left, top), (right, bottom) = np.floor(places.min(0)), np.ceil(places.max(0))
    rows = slice(max(int(top), area[0].start), min(int(bottom), area[0].stop))
    columns = slice(max(int(left), area[1].start), min(int(right), area[1].stop))
    if rows.stop - rows.start < 2 or columns.stop - columns.start < 2:
        raise NoFace(
            "image: the mouth is outside of the video.",
            hint="Ask for a video that is less wide or less high, or for a picture with more around the face.",
        )
    return rows, columns


def _moved(area: Area, left: int, top: int) -> Area:
    """Rows and columns counted from another origin."""
    rows, columns = area
    return slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)


def _cells(grid: Grid, area: Area) -> NDArray[np.float32]:
    x = (np.arange(area[1].start, area[1].stop) - grid.left + 0.5) / grid.cell - 0.5
    y = (np.arange(area[0].start, area[0].stop) - grid.top + 0.5) / grid.cell - 0.5
    return np.dstack(np.meshgrid(x, y)).astype(np.float32)


def body_of(anatomy: Anatomy, framed: Framed, cell: int) -> Body:
    """Head and chest, on a grid no larger than what moves.

    Raises:
        NoFace: nothing is there.
    """
    height, width = framed.pixels.shape[:2]
    whole = Grid(-cell, -cell, -(-width // cell) + 2, -(-height // cell) + 2, cell)
    body = locate(anatomy, whole, free=not framed.opaque)
    moving = (body.head > 0) | (body.chest > 0)
    if not framed.opaque:
        reach = round(0.25 * anatomy.eyes)
        there = cv2.dilate((framed.pixels[..., 3] > 0).astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1)))
        places = np.clip(np.rint(whole.nodes).astype(int), 0, (width - 1, height - 1))
        moving &= there[places[..., 1], places[..., 0]] > 0
    rows, columns = (np.flatnonzero(moving.any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        raise NoFace("image: the picture is transparent where the face is.", hint="Keep the face in the cut-out.")
    first_row, first_column = max(rows[0] - 1, 0), max(columns[0] - 1, 0)
    last_row, last_column = min(rows[-1] + 2, whole.rows), min(columns[-1] + 2, whole.columns)
    grid = Grid(
        whole.left + int(first_column) * cell,
        whole.top + int(first_row) * cell,
        int(last_column - first_column),
        int(last_row - first_row),
        cell,
    )
    return locate(anatomy, grid, free=not framed.opaque)
