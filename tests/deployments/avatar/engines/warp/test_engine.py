"""What a talking portrait looks like, seen from outside."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.avatar.contract import Canvas, Face, Part, Portrait
from deployments.avatar.engines.warp import Options
from deployments.avatar.engines.warp.engine import Engine, poses
from deployments.avatar.engines.warp.muscles import MUSCLES
from deployments.avatar.engines.warp.state import State, prepare
from deployments.core.errors import NoFace
from deployments.core.types import Animation, EyeEvent
from deployments.core.visemes import VISEMES
from tests.deployments.avatar.portraits import NAMES, OPAQUE, portrait, said

Prepared = Callable[..., State]
STILL = json.dumps({"head_motion": 0})
SENTENCE = said(
    [("sil", 0.1, 1), ("AA", 0.12, 1), ("PP", 0.06, 1), ("OW_1", 0.1, 0.8), ("FF", 0.07, 1), ("I", 0.15, 0.9)],
    [EyeEvent("saccade", 0.1, 0.2, "left"), EyeEvent("blink", 0.4, 0.15)],
)


def film(
    engine: Engine, state: State, animation: Animation, frames: range, parameters: str = STILL
) -> NDArray[np.uint8]:
    return engine.render([Part(state, engine.example, animation, frames, parameters)])[0]


def grey(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (frames.astype(np.float32) @ np.array((0.299, 0.587, 0.114), np.float32)).astype(np.float32)


def mouth_area(state: State) -> tuple[slice, slice]:
    """Rows and columns of the frame that lips can reach."""
    (rows, columns), (down, right) = state.layout.mouth_area, (each.start for each in state.layout.area)
    return slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right)


def mouth_of(state: State, animation: Animation, second: float) -> tuple[float, float]:
    """Gap and width of the opening between the lips, in widths of the mouth at rest."""
    frame = int(second * state.fps)
    part = Part(state, Engine.example, animation, range(frame, frame + 1), STILL)
    contour = state.lips.contour(poses(part)[0].muscles)
    columns = np.arange(np.floor(contour.upper[0, 0]), contour.upper[-1, 0], dtype=np.float32)
    top, bottom = contour.between(columns)
    width = float(contour.upper[-1, 0] - contour.upper[0, 0])
    return float((bottom - top).max()) / state.anatomy.mouth, width / state.anatomy.mouth


@pytest.mark.parametrize("name", NAMES)
def test_any_order_and_any_split_gives_the_same_frames(name: str, engine: Engine, prepared: Prepared) -> None:
    state = prepared(name, Canvas(256, 256))
    whole = film(engine, state, SENTENCE, range(15), "{}")
    assert whole.shape == (15, 256, 256, 3) and whole.dtype == np.uint8
    parts = [Part(state, engine.example, SENTENCE, frames) for frames in (range(9, 15), range(4), range(4, 9))]
    last, first, middle = engine.render(parts)
    assert np.array_equal(np.concatenate((first, middle, last)), whole)
    again = engine.prepare(*portrait(name), Canvas(256, 256))
    assert np.array_equal(film(engine, again, SENTENCE, range(7, 8), "{}")[0], whole[7])


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_move_is_the_still(name: str, engine: Engine, prepared: Prepared) -> None:
    state = prepared(name)
    frames = film(engine, state, SENTENCE, range(4, 9), "{}").astype(int)
    outside = np.ones(state.still.shape[:2], bool)
    outside[state.layout.area] = False
    if name not in OPAQUE:  # beside a cut-out there is nothing but the background
        far = np.pad(np.abs(state.still.astype(int) - 255).max(-1) > 0, 24)
        reach = np.lib.stride_tricks.sliding_window_view(far, (49, 49)).any(axis=(2, 3))
        outside |= ~reach
    assert outside.mean() > 0.05
    assert np.abs(frames - state.still)[:, outside].max() <= 2


def test_the_background_of_a_photograph_stays_beside_the_head(engine: Engine, prepared: Prepared) -> None:
    state = prepared("astronaut")
    frames = film(engine, state, SENTENCE, range(4, 9), "{}").astype(int)
    difference = np.abs(frames - state.still).max(axis=(0, 3))
    assert difference[:60, :60].max() <= 2 and difference[:60, -60:].max() <= 2
    assert difference[:, :8].max() <= 2 and difference[:, -8:].max() <= 2


@pytest.mark.parametrize("name", NAMES)
def test_lips_at_rest_are_shut(name: str, engine: Engine, prepared: Prepared) -> None:
    state = prepared(name)
    assert mouth_of(state, said([("sil", 1, 1)]), 0.5)[0] < 0.005
    frame = film(engine, state, said([("sil", 1, 1)]), range(12, 13))[0]
    mouth = mouth_area(state)
    moved = np.abs(frame.astype(int) - state.still)[mouth]
    assert moved.mean() < 1.5  # a breath below the chin, and rounding


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("vowel", ["AA", "I", "U", "AE"])
@pytest.mark.parametrize("milliseconds", [40, 60, 90])
def test_p_b_m_shut_between_open_vowels(name: str, vowel: str, milliseconds: int, prepared: Prepared) -> None:
    state = prepared(name)
    for start in (0.30, 0.31, 0.32, 0.33):  # wherever the frames fall
        length = milliseconds / 1000
        animation = said([(vowel, start, 1), ("PP", length, 1), (vowel, 0.5, 1)])
        frame = round((start + length / 2) * state.fps - 0.5)
        assert mouth_of(state, animation, (frame + 0.5) / state.fps)[0] < 0.02
        assert mouth_of(state, animation, start - 0.15)[0] > 0.06


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_mouth_shows_no_inside(name: str, engine: Engine, prepared: Prepared) -> None:
    state = prepared(name)
    mouth = mouth_area(state)
    looks = {}
    for viseme in ("PP", "AA"):
        frame = film(engine, state, said([(viseme, 1, 1)]), range(12, 13))[0]
        looks[viseme] = float(np.abs(frame.astype(int) - state.still)[mouth].mean())
    assert looks["PP"] < 0.5 * looks["AA"]


@pytest.mark.parametrize("viseme", ["AA", "E", "O", "I", "S", "U"])
def test_a_mouth_opens_with_the_weight(viseme: str, prepared: Prepared) -> None:
    state = prepared("ada")
    gaps = [mouth_of(state, said([(viseme, 1, weight)]), 0.5)[0] for weight in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert gaps == sorted(gaps) and gaps[-1] > gaps[0] + 0.05


@pytest.mark.parametrize("name", NAMES)
def test_round_mouths_are_narrow_and_spread_ones_wide(name: str, prepared: Prepared) -> None:
    state = prepared(name)
    width = {each: mouth_of(state, said([(each, 1, 1)]), 0.5)[1] for each in ("sil", "U", "O", "I", "S", "AA")}
    assert width["U"] < width["O"] < width["sil"] < width["S"] < width["I"]
    assert width["U"] < 0.75 * width["sil"] and width["I"] > 1.1 * width["sil"]


def test_every_viseme_has_a_picture_of_its_own(engine: Engine, prepared: Prepared) -> None:
    state = prepared("ada", Canvas(256, 256))
    mouth = mouth_area(state)
    shown = {}
    for viseme in VISEMES:
        frame = film(engine, state, said([(viseme.name, 1, 1)]), range(12, 13))[0]
        shown[viseme.oculus] = frame[mouth].astype(int)
    names = sorted(shown)
    assert len(names) == 15
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert np.abs(shown[one] - shown[other]).max() > 25, (one, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_blink_hides_the_iris(name: str, engine: Engine, prepared: Prepared) -> None:
    state = prepared(name)
    animation = said([("sil", 1, 1)], [EyeEvent("blink", 0.4, 0.15)])
    frames = film(engine, state, animation, range(25))
    assert len(state.eyes) == 2
    for eye in state.eyes:
        x, y, radius = eye.iris
        near = np.s_[int(y - radius / 2) : int(y + radius / 2), int(x - radius / 2) : int(x + radius / 2)]
        light = [float(grey(frame[eye.area])[near].mean()) for frame in frames]
        assert max(light[10:14]) > light[0] + 40  # skin, where a dark iris was
        assert abs(light[8] - light[0]) < 8 and abs(light[17] - light[0]) < 8
    open_ = film(engine, state, animation, range(11, 12), json.dumps({"head_motion": 0, "blinks": False}))
    assert np.abs(open_.astype(int) - frames[8]).mean() < 0.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("direction", "sign"), [("left", -1), ("right", 1)])
def test_a_glance_moves_the_iris(name: str, direction: str, sign: int, engine: Engine, prepared: Prepared) -> None:
    state = prepared(name)
    glance = EyeEvent("saccade", 0.4, 0.3, "left" if direction == "left" else "right")
    frames = film(engine, state, said([("sil", 1, 1)], [glance]), range(8, 15))
    for eye in state.eyes:
        columns = np.arange(eye.upper.size)
        rows = np.arange(eye.area[0].stop - eye.area[0].start)[:, None]
        inside = (rows > eye.upper + 2) & (rows < eye.lower - 1)
        dark = [np.where(inside, np.clip(120 - grey(frame[eye.area]), 0, None), 0).sum(0) for frame in frames]
        middles = [float((each * columns).sum() / each.sum()) for each in dark]
        assert sign * (middles[-1] - middles[0]) > 0.02 * eye.width


@pytest.mark.parametrize(
    ("width", "height", "fps", "crop"),
    [(256, 256, 25, "face"), (720, 1280, 30, "face"), (640, 360, 24, "whole"), (130, 98, 60, "face")],
)
def test_frames_have_the_size_that_is_asked_for(
    width: int, height: int, fps: int, crop: str, engine: Engine, prepared: Prepared
) -> None:
    canvas = Canvas(width, height, fps, "whole" if crop == "whole" else "face")
    state = prepared("ada", canvas)
    frames = film(engine, state, SENTENCE, range(3))
    assert frames.shape == (3, height, width, 3)
    assert engine.size_bytes(state) > state.picture.nbytes + state.upper.nbytes + state.lower.nbytes


@pytest.mark.parametrize("shapes", [[], [("AA", 0.04, 1.0)], [("PP", 0.0, 1.0)]])
def test_the_shortest_timelines(shapes: list[tuple[str, float, float]], engine: Engine, prepared: Prepared) -> None:
    state = prepared("leo", Canvas(256, 256))
    assert film(engine, state, said(shapes), range(0)).shape == (0, 256, 256, 3)
    assert film(engine, state, said(shapes), range(2)).shape == (2, 256, 256, 3)
    assert mouth_of(state, said(shapes), 1.0)[0] < 0.005  # beyond the end the mouth is at rest


def test_the_end_is_at_rest(prepared: Prepared) -> None:
    state = prepared("astronaut")
    animation = said([("AA", 0.5, 1), ("sil", 0.3, 1)])
    assert mouth_of(state, animation, 0.25)[0] > 0.2
    assert mouth_of(state, animation, 0.78)[0] < 0.005


def test_a_transparent_portrait_shows_its_background(engine: Engine) -> None:
    green = engine.prepare(*portrait("ada"), Canvas(256, 256, background=(10, 200, 30)))
    assert green.still[2, 2].tolist() == [10, 200, 30]
    assert film(engine, green, SENTENCE, range(6, 7), "{}")[0, 2, 2].tolist() == [10, 200, 30]
    stripes = np.zeros((100, 300, 4), np.uint8)
    stripes[:, ::2, 0] = 255
    stripes[..., 3] = 255
    room = engine.prepare(*portrait("ada"), Canvas(256, 256), Portrait(stripes))
    frame = film(engine, room, SENTENCE, range(6, 7), "{}")[0]
    assert np.array_equal(frame[:20, :20], room.background[:20, :20]) and frame[:20, :20, 1].max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_still_head_stays_and_a_moving_one_moves_smoothly(name: str, prepared: Prepared) -> None:
    state = prepared(name)
    animation = said([("AA", 0.2, 1), ("N", 0.1, 1), ("I", 0.2, 1)] * 6)
    still = poses(Part(state, Engine.example, animation, range(75), STILL))
    assert {(pose.roll, pose.aside, pose.down) for pose in still} == {(0.0, 0.0, 0.0)}
    moving = poses(Part(state, Engine.example, animation, range(75)))
    path = np.array([(pose.roll * 20, pose.aside, pose.down) for pose in moving])
    assert np.ptp(path, axis=0).min() > 0.01
    assert np.abs(np.diff(path, n=2, axis=0)).max() < 0.01  # eye distances a frame squared: nobody sees a jerk


def test_expressiveness_opens_the_mouth_and_leaves_contacts_alone(prepared: Prepared) -> None:
    state = prepared("ada")
    part = Part(state, Engine.example, said([("AA", 0.5, 1), ("PP", 0.2, 1)]), range(5, 16))
    calm, lively = (
        poses(Part(part.state, part.audio, part.animation, part.frames, json.dumps({"expressiveness": strength})))
        for strength in (0.5, 1.5)
    )
    jaw = MUSCLES.index("jaw")
    assert lively[0].muscles[jaw] > 2 * calm[0].muscles[jaw]
    assert abs(lively[-1].muscles[jaw]) < 1e-3 and abs(calm[-1].muscles[jaw]) < 1e-3


def test_a_mouth_outside_of_the_video_is_refused(engine: Engine) -> None:
    picture, face = portrait("astronaut")
    lower = face.landmarks + np.array((0, 420, 0), np.float32)
    with pytest.raises(NoFace, match=r"^image: the mouth is outside of the video") as refused:
        engine.prepare(picture, Face(lower, (0, 0, 1, 1), 1.0, "given"), Canvas(256, 256, crop="whole"))
    assert refused.value.hint


def test_a_face_that_is_cut_away_is_refused(engine: Engine) -> None:
    picture, face = portrait("ada")
    with pytest.raises(NoFace, match=r"^image: the picture is transparent"):
        engine.prepare(Portrait(np.zeros_like(picture.pixels)), face, Canvas(256, 256))


def test_a_face_that_is_too_small_is_refused(engine: Engine) -> None:
    picture, face = portrait("astronaut")
    points = (face.landmarks - face.landmarks.mean(0)) * 0.1 + np.array((250, 250, 0), np.float32)
    with pytest.raises(NoFace, match=r"^image: the face is too small") as refused:
        engine.prepare(picture, Face(points, (0, 0, 1, 1), 1.0, "given"), Canvas(256, 256, crop="whole"))
    assert refused.value.hint


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([viseme.name for viseme in VISEMES]), st.sampled_from([0.04, 0.08, 0.15]), st.floats(0, 1)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_from_frame_to_frame_a_picture_changes_a_little(shapes: list[tuple[str, float, float]]) -> None:
    engine = Engine(Options())
    state = prepare(*portrait("leo"), Canvas(160, 160, 50), None)
    frames = film(engine, state, said(shapes), range(16), "{}").astype(int)
    mouth = mouth_area(state)
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    mouths = np.abs(np.diff(frames[:, *mouth], axis=0)).mean(axis=(1, 2, 3))
    assert steps.max() < 3 and mouths.max() < 25  # 20 ms of the quickest burst, "pa"
