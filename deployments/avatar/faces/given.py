"""Where a user says that the face is: JSON text of a request, checked. Light: callers of the room parse with it too.

One of three: `points` (478, 468 or 68 of them), `named` (nine to fifteen by name), or `box`, within which the face is
looked for, and into which a mean one is put where none is seen. Pixels of the upright picture, the origin at its upper
left corner. Left and right are those of the picture.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployments.avatar import landmarks
from deployments.core.errors import BadInput

COUNTS = (landmarks.COUNT, landmarks.MESH_COUNT, 68)
"""How many points may be given; 68 are those of the 300-W/iBUG annotation."""
MAX_TEXT = 64_000
"""Characters: 478 points of three numbers with 17 digits take 30,000."""
_FIELD = "landmarks"
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Depth = Annotated[float, Field(ge=-100_000, le=100_000)]
"""Pixels; no picture is so large, and float32 holds it."""
Point = tuple[_Number, _Number]
"""x, y."""
Box = tuple[_Number, _Number, _Number, _Number]
"""Left, top, right, bottom."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Named(_Closed):
    """The least that a mouth and a face are known by. What is inside the lips may be left out where they are closed."""

    mouth_left: Point
    mouth_right: Point
    upper_lip_top: Point
    """In the middle, where the lip meets the skin."""
    lower_lip_bottom: Point
    """In the middle, where the lip meets the skin."""
    left_eye_left: Point
    """Corner."""
    left_eye_right: Point
    right_eye_left: Point
    right_eye_right: Point
    chin: Point
    """Lowest point."""
    upper_lip_bottom: Point | None = None
    """In the middle."""
    lower_lip_top: Point | None = None
    """In the middle."""
    left_eye_top: Point | None = None
    """Edge of the upper lid, in the middle."""
    left_eye_bottom: Point | None = None
    right_eye_top: Point | None = None
    right_eye_bottom: Point | None = None
    face: Box | None = None
    """From the hair line to the chin, from ear to ear."""

    def points(self) -> dict[str, Point]:
        """Those that are given, by name."""
        return {name: value for name, value in self if name != "face" and value is not None}


class Given(_Closed):
    """What a user knows of the face: one of these."""

    points: tuple[Point | tuple[_Number, _Number, _Depth], ...] | None = None
    """478 or 468 of MediaPipe's face mesh, with or without depth, or the 68 of 300-W/iBUG."""
    named: Named | None = None
    box: Box | None = None
    """Brows to chin, ear to ear."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(value is not None for value in (self.points, self.named, self.box)) != 1:
            raise ValueError("one of points, named and box is needed")
        if self.points is not None and len(self.points) not in COUNTS:
            raise ValueError(f"points: {len(self.points)} of them, but 478, 468 or 68 are expected")
        if self.points is not None and len({len(point) for point in self.points}) > 1:
            raise ValueError("points: some have a depth and others have none")
        return self


def parse(text: str, width: int, height: int) -> Given | None:
    """Reads Filming.landmarks.

    Args:
        text: JSON; empty where the user says nothing.
        width: pixels of the picture.
        height: pixels of the picture.

    Raises:
        BadInput: it is no JSON of a Given, or a point lies outside the picture.
    """
    if not text.strip():
        return None
    if len(text) > MAX_TEXT:
        raise BadInput(f"{_FIELD}: longer than {MAX_TEXT} characters.", hint="Numbers need no more than two decimals.")
    try:
        given = Given.model_validate_json(text)
    except ValidationError as error:
        raise BadInput(_message(error), hint=_HINT) from None
    _check_inside(given, width, height)
    return given


_HINT = (
    'Send {"points": [[x, y], …]} with 478, 468 or 68 of them, {"named": {"mouth_left": [x, y], …}} or '
    '{"box": [left, top, right, bottom]}, in pixels of the picture.'
)


def _message(error: ValidationError) -> str:
    """The first mistake, after the way to it; of a point, which may be of two kinds, what is said most precisely."""
    found = [
        (".".join(str(part) for part in mistake["loc"] if "[" not in str(part)), mistake["msg"])
        for mistake in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = found[0][0]
    path, message = max((one for one in found if one[0].startswith(first)), key=lambda one: one[0].count("."))
    return ": ".join([_FIELD, *([path] if path else []), message.removeprefix("Value error, ")]) + "."


def _check_inside(given: Given, width: int, height: int) -> None:
    for name, x, y in _points(given):
        if not (0 <= x <= width and 0 <= y <= height):
            raise BadInput(
                f"{_FIELD}: {name} is ({x:g}, {y:g}), outside the picture of {width} x {height} pixels.",
                hint="Count pixels of the upright picture from its upper left corner.",
            )
    boxes = {"box": given.box, "named.face": given.named and given.named.face}
    for name, box in boxes.items():
        if box and not (box[0] < box[2] and box[1] < box[3]):
            raise BadInput(
                f"{_FIELD}: {name} is empty or turned round.",
                hint="Give left, top, right, bottom, left below right and top below bottom.",
            )


def _points(given: Given) -> list[tuple[str, float, float]]:
    """Everything that has a place, by name."""
    found = [(f"points.{i}", point[0], point[1]) for i, point in enumerate(given.points or ())]
    found += [(f"named.{name}", *point) for name, point in (given.named.points() if given.named else {}).items()]
    for name, box in (("box", given.box), ("named.face", given.named and given.named.face)):
        if box:
            found += [(name, box[0], box[1]), (name, box[2], box[3])]
    return found
