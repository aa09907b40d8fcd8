"""What the network sees of a still, and what of its drawing gets back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.avatar.contract import Canvas, Face, Portrait
from deployments.avatar.engines.wav2lip.face import Crop, Paster, crop
from deployments.avatar.framing import Scene, frame
from deployments.core.errors import NoFace

from .models import somebody

CANVAS = Canvas(256, 256, crop="whole")


def _scene(alpha: int = 255, canvas: Canvas = CANVAS) -> Scene:
    portrait, face = somebody(256, alpha)
    return frame(portrait, face, canvas)


def _drawn(value: float) -> NDArray[np.float32]:
    return np.full((96, 96, 3), value, np.float32)


def _moved(scene: Scene, left: float, top: float, width: float, height: float) -> Scene:
    """The same picture with its face in this box."""
    x, y = (np.resize([0.0, 1.0], 478), np.resize([0.0, 0.0, 1.0, 1.0], 478))
    points = np.stack((left + width * x, top + height * y, 0 * x), axis=1).astype(np.float32)
    return Scene(scene.rgba, scene.backdrop, scene.still, points, scene.window)


def test_the_box_is_the_mesh_and_a_bit_of_neck() -> None:
    face = crop(_moved(_scene(), 60, 40, 100, 130))
    assert (face.left, face.top, face.right, face.bottom) == (60, 40, 160, 176)


def test_irises_do_not_count() -> None:
    scene = _moved(_scene(), 60, 40, 100, 130)
    points = scene.landmarks.copy()
    points[468:] = 255
    moved = crop(Scene(scene.rgba, scene.backdrop, scene.still, points, scene.window))
    assert (moved.right, moved.bottom) == (160, 176)


def test_the_network_gets_blue_first_and_the_lower_half_once() -> None:
    face = crop(_scene())
    seen = face.network_input
    assert seen.shape == (6, 96, 96) and seen.dtype == np.float32
    assert seen[0].max() < seen[2].max(), "the picture is reddish"
    assert (seen[:3, 48:] == 0).all() and (seen[3:, 48:] > 0.2).all()
    assert (seen[:3, :48] == seen[3:, :48]).all()
    still = _scene().still[face.top : face.bottom, face.left : face.right, ::-1]
    assert np.abs(seen[3:].mean(axis=(1, 2)) * 255 - still.mean(axis=(0, 1))).max() < 1


@given(
    st.floats(-200, 300),
    st.floats(-200, 300),
    st.floats(0, 500),
    st.floats(0, 500),
    st.sampled_from([0.02, 0.12, 0.25]),
)
def test_wherever_the_face_is_the_rest_is_the_still(
    left: float, top: float, width: float, height: float, feather: float
) -> None:
    """Faces beyond the border too; what is too small is refused."""
    scene = _moved(_scene(), left, top, width, height)
    try:
        face = crop(scene)
    except NoFace:
        return
    out = Paster(scene.still, face, feather)(_drawn(1.0))
    assert out.shape == scene.still.shape and out.dtype == np.uint8
    changed = (out != scene.still).any(axis=2)
    allowed = np.zeros_like(changed)
    allowed[(face.top + face.bottom) // 2 : face.bottom, face.left : face.right] = True
    assert changed.any() and not (changed & ~allowed).any()


def test_a_small_face_says_what_to_do() -> None:
    with pytest.raises(NoFace, match="20 x 21 pixels") as caught:
        crop(_moved(_scene(), 30, 40, 20, 20))
    assert caught.value.hint and "crop" in caught.value.hint
    with pytest.raises(NoFace, match=r"^image: "):
        crop(_moved(_scene(), 400, 40, 20, 20))


@pytest.mark.parametrize("feather", [0.05, 0.12, 0.25])
def test_edges_are_soft(feather: float) -> None:
    """A grey mouth on a white face: no step between neighbours beyond what the feather allows."""
    white = Portrait(np.full((256, 256, 4), 255, np.uint8))
    scene = frame(white, somebody()[1], CANVAS)
    face = crop(scene)
    out = Paster(scene.still, face, feather)(_drawn(0.4)).astype(int)
    drop = 255 - out.min()
    assert drop > 130, "it is pasted"
    edge = feather * (face.bottom - face.top)
    steepest = 1.5 / edge * 1.5 * drop + 2  # of a smoothstep, down times across
    assert max(np.abs(np.diff(out, axis=axis)).max() for axis in (0, 1)) <= steepest


def test_a_mouth_that_is_drawn_as_it_was_is_nearly_invisible() -> None:
    scene = _scene()
    face = crop(scene)
    out = Paster(scene.still, face, 0.12)(face.pixels)
    assert np.abs(out.astype(int) - scene.still).max() <= 2


def test_a_tint_of_the_whole_drawing_is_taken_out_but_no_more() -> None:
    """The network's colours are a little off; a strange picture is not to be recoloured as a whole."""
    scene = _scene()
    face = crop(scene)
    paster = Paster(scene.still, face, 0.12)
    out = paster(face.pixels + np.array([0.04, -0.03, 0.02], np.float32))
    assert np.abs(out.astype(int) - scene.still).max() <= 2
    far = paster(face.pixels - 0.3)
    middle = (face.top + 3 * face.bottom) // 4, (face.left + face.right) // 2
    np.testing.assert_allclose((scene.still[middle].astype(int) - far[middle]) / 255, 0.24, atol=0.01)


def test_red_stays_red() -> None:
    scene = _scene()
    blue_first = np.zeros((96, 96, 3), np.float32)
    blue_first[..., 2] = 1
    face = crop(scene)
    out = Paster(scene.still, face, 0.05)(blue_first)
    red, _, blue = out[face.bottom - 30, (face.left + face.right) // 2]
    assert red > 200 and blue < 60


def test_what_is_behind_a_portrait_stays() -> None:
    """Where it is transparent nothing is pasted, where it is half so, half."""
    portrait, face = somebody()
    pixels = portrait.pixels.copy()
    pixels[:, :128, 3] = 0
    scene = frame(Portrait(pixels), face, CANVAS)
    found: Crop = crop(scene)
    out = Paster(scene.still, found, 0.12)(_drawn(0.0))
    assert (out[:, :127] == scene.still[:, :127]).all() and (out != scene.still).any()
    clear = frame(Portrait(np.zeros((256, 256, 4), np.uint8)), Face(face.landmarks, face.box, 1, "given"), CANVAS)
    assert (Paster(clear.still, crop(clear), 0.12)(_drawn(0.0)) == clear.still).all()
