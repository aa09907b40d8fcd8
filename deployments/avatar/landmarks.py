"""What the 478 points of a face are called: indices into Face.landmarks.

Right and left are those of the person: the right eye is on the left side of a picture. Rows run from left to right in
the picture (of an unmirrored face), so that `landmarks[LIPS_OUTER_UPPER]` is a line that can be drawn, and an upper and
a lower row of the same part share their first and their last point.

Source: mediapipe 0.10.21, python/solutions/face_mesh_connections.py (Apache-2.0), put in order along the edges; the
centres of the irises are the points in front of their rings (modules/face_landmark, attention model).
"""

from __future__ import annotations

COUNT = 478
"""Points of a face."""
MESH_COUNT = 468
"""Those before the irises, which other models of MediaPipe give alone."""

Row = tuple[int, ...]

LIPS_OUTER_UPPER: Row = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
"""Where the upper lip meets the skin."""
LIPS_OUTER_LOWER: Row = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
"""Where the lower lip meets the skin."""
LIPS_INNER_UPPER: Row = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
"""Lower edge of the upper lip."""
LIPS_INNER_LOWER: Row = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
"""Upper edge of the lower lip: lies on the row above where the mouth is closed."""

RIGHT_EYE_UPPER: Row = (33, 246, 161, 160, 159, 158, 157, 173, 133)
"""Edge of the upper lid."""
RIGHT_EYE_LOWER: Row = (33, 7, 163, 144, 145, 153, 154, 155, 133)
"""Edge of the lower lid."""
LEFT_EYE_UPPER: Row = (362, 398, 384, 385, 386, 387, 388, 466, 263)
"""Edge of the upper lid."""
LEFT_EYE_LOWER: Row = (362, 382, 381, 380, 374, 373, 390, 249, 263)
"""Edge of the lower lid."""

RIGHT_BROW_UPPER: Row = (70, 63, 105, 66, 107)
RIGHT_BROW_LOWER: Row = (46, 53, 52, 65, 55)
LEFT_BROW_UPPER: Row = (336, 296, 334, 293, 300)
LEFT_BROW_LOWER: Row = (285, 295, 282, 283, 276)

RIGHT_IRIS_CENTRE = 468
RIGHT_IRIS_RING: Row = (469, 470, 471, 472)
"""Edge of the iris; in the picture right, top, left, bottom."""
LEFT_IRIS_CENTRE = 473
LEFT_IRIS_RING: Row = (474, 475, 476, 477)
"""Edge of the iris; in the picture right, top, left, bottom."""

# fmt: off
OVAL: Row = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
# fmt: on
"""Around the face, clockwise in the picture from the top of the forehead; closed."""

NOSE_BRIDGE: Row = (168, 6, 197, 195, 5, 4)
"""From between the eyes down to the tip."""
NOSE_BASE: Row = (48, 64, 98, 97, 2, 326, 327, 294, 278)
"""Around the nostrils, from wing to wing."""

FOREHEAD = 10
"""Top of the oval, below the hair line."""
CHIN = 152
NOSE_TIP = 1
CHEEKS = (234, 454)
"""Where the face ends at the right and at the left ear."""
MOUTH_CORNERS = (61, 291)
"""Right and left."""
RIGHT_EYE_CORNERS = (33, 133)
"""Outer, inner."""
LEFT_EYE_CORNERS = (263, 362)
"""Outer, inner."""


def around(upper: Row, lower: Row) -> Row:
    """A closed ring of two rows with the same ends: along the upper, back along the lower."""
    return (*upper, *reversed(lower[1:-1]))


LIPS_OUTER = around(LIPS_OUTER_UPPER, LIPS_OUTER_LOWER)
LIPS_INNER = around(LIPS_INNER_UPPER, LIPS_INNER_LOWER)
RIGHT_EYE = around(RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)
LEFT_EYE = around(LEFT_EYE_UPPER, LEFT_EYE_LOWER)
RIGHT_BROW: Row = (*RIGHT_BROW_UPPER, *reversed(RIGHT_BROW_LOWER))
LEFT_BROW: Row = (*LEFT_BROW_UPPER, *reversed(LEFT_BROW_LOWER))
