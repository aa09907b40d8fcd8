"""Where a user says that the face is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given as example
from hypothesis import strategies as st

from deployments.avatar.faces.given import COUNTS, MAX_TEXT, Given, parse
from deployments.core.errors import BadInput

NAMED: dict[str, Any] = {
    "mouth_left": [40, 70],
    "mouth_right": [60, 70],
    "upper_lip_top": [50, 67],
    "lower_lip_bottom": [50, 75],
    "left_eye_left": [32, 40],
    "left_eye_right": [44, 40],
    "right_eye_left": [56, 40],
    "right_eye_right": [68, 40],
    "chin": [50, 92],
}


def points(count: int) -> list[list[float]]:
    return [[i % 100, i // 100] for i in range(count)]


@pytest.mark.parametrize("text", ["", "  \n"], ids=["empty", "blank"])
def test_nothing_is_none(text: str) -> None:
    assert parse(text, 100, 100) is None


@pytest.mark.parametrize("count", COUNTS)
def test_points(count: int) -> None:
    given = parse(json.dumps({"points": points(count)}), 100, 100)
    assert given and given.points and len(given.points) == count and given.points[1] == (1, 0)


def test_points_with_depth() -> None:
    given = parse(json.dumps({"points": [[*point, -3.5] for point in points(478)]}), 100, 100)
    assert given and given.points and given.points[2] == (2, 0, -3.5)


def test_a_box() -> None:
    given = parse('{"box": [1, 2, 30, 40]}', 100, 100)
    assert given and given.box == (1, 2, 30, 40) and given.points is None


def test_named() -> None:
    given = parse(json.dumps({"named": {**NAMED, "upper_lip_bottom": None, "face": [20, 5, 80, 92]}}), 100, 100)
    assert given and given.named and given.named.points() == {name: tuple(point) for name, point in NAMED.items()}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "landmarks: Invalid JSON"),
        ("[]", "landmarks: Input should be an object"),
        ({}, "landmarks: one of points, named and box is needed"),
        ({"boxes": [1, 2, 3, 4]}, "landmarks: boxes: Extra inputs are not permitted"),
        ({"points": points(70)}, "landmarks: points: 70 of them, but 478, 468 or 68 are expected"),
        ({"points": [[1, 2, 3], *points(67)]}, "landmarks: points: some have a depth and others have none"),
        ({"points": [[1], *points(67)]}, "landmarks: points.0.1: Field required"),
        ({"points": [[1, 2, 3, 4], *points(67)]}, "landmarks: points.0"),
        ({"points": [["a", 2], *points(67)]}, "landmarks: points.0.0: Input should be a valid number"),
        ({"points": points(68), "named": NAMED}, "landmarks: one of points, named and box is needed"),
        ({"points": [["1", 2], *points(67)]}, "landmarks: points.0.0: Input should be a valid number"),
        ({"points": [[1, 2, 1e6]] * 478}, "landmarks: points.0.2: Input should be less than or equal to 100000"),
        ({"named": {**NAMED, "nose": [1, 2]}}, "landmarks: named.nose: Extra inputs are not permitted"),
        ({"named": {"chin": [1, 2]}}, "landmarks: named.mouth_left: Field required"),
        ({"box": [1, 2, 3]}, "landmarks: box.3: Field required"),
        ('{"box": [1, 2, 3, NaN]}', "landmarks: "),
        ('{"box": [1, 2, 3, 1e999]}', "landmarks: box.3: Input should be a finite number"),
        ({"box": [30, 2, 3, 40]}, "landmarks: box is empty or turned round"),
        ({"box": [3, 2, 3, 40]}, "landmarks: box is empty or turned round"),
        ({"box": [3, 2, 101, 40]}, "landmarks: box is (101, 40), outside the picture of 100 x 120 pixels"),
        ({"box": [-0.5, 2, 30, 40]}, "landmarks: box is (-0.5, 2), outside the picture of 100 x 120 pixels"),
        ({"points": [*points(67), [50, 121]]}, "landmarks: points.67 is (50, 121), outside the picture"),
        ({"named": {**NAMED, "chin": [50, 130]}}, "landmarks: named.chin is (50, 130), outside the picture"),
        ({"named": {**NAMED, "face": [80, 5, 20, 92]}}, "landmarks: named.face is empty or turned round"),
        ('{"box": [1, 2, 3, 4]' + " " * MAX_TEXT + "}", "landmarks: longer than 64000 characters"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("landmarks") else "",
)
def test_mistakes_are_named(value: Any, message: str) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(BadInput) as caught:
        parse(text, 100, 120)
    assert str(caught.value).startswith(message)


@example(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(st.sampled_from(["points", "named", "box", "x"]), inner, max_size=3)
        ),
    )
)
def test_whatever_is_sent_is_given_or_refused(value: Any) -> None:
    try:
        given = parse(json.dumps(value), 100, 100)
    except BadInput as error:
        assert str(error).startswith("landmarks: ")
    else:
        assert isinstance(given, Given)
