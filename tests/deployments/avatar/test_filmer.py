"""Prepared portraits in memory, and frames of several videos at a time."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest

from deployments.avatar.contract import Canvas, Part, Picture
from deployments.avatar.files import decode
from deployments.avatar.filmer import Filmer, Shot, canvas_of, node_of
from deployments.core import engines
from deployments.core.errors import AvatarError, BadInput, BadPicture, NoFace, StageChanged, UploadNotFound
from deployments.core.types import Animation, AudioClip, EyeTrack, VisemeTrack
from deployments.core.video import Filming
from tests.portraits import astronaut, coded, meadow

PARAMETERS = engines.parameters("avatar", "warp", {})
ASKED = Filming("collins", "warp", PARAMETERS, width=128, height=128)


class Album:
    """Pictures by name, and how often each was opened."""

    def __init__(self) -> None:
        sky = np.full((64, 64, 3), (10, 20, 200), np.uint8)
        pictures = {"collins": astronaut(), "meadow": meadow(), "sky": sky}
        self.pictures = {name: coded(pixels, ".png") for name, pixels in pictures.items()} | {"broken": b"GIF89a"}
        self.opened: list[str] = []

    def open(self, name: str) -> Picture:
        self.opened.append(name)
        if name not in self.pictures:
            raise UploadNotFound(f"image_filename: there is no upload {name}.")
        return Picture(self.pictures[name])


@pytest.fixture(scope="module")
def album() -> Album:
    return Album()


@pytest.fixture(scope="module")
def filmer(album: Album) -> Filmer:
    return Filmer({"warp": {}}, album.open, 500_000_000)


def part(state: object, seconds: float = 1.0, first: int = 0) -> Part[object]:
    track = VisemeTrack(np.zeros(1), np.zeros(1, np.uint8), np.ones(1, np.float32), seconds)
    silence = AudioClip(np.zeros(0, np.float32), 16_000)
    return Part(state, silence, Animation(silence, track, EyeTrack(()), ()), range(first, first + 2), PARAMETERS)


def test_a_portrait_is_prepared_once(filmer: Filmer, album: Album) -> None:
    state = filmer.prepare(ASKED)
    opened = len(album.opened)
    assert (
        filmer.prepare(ASKED) is state and filmer.prepare(Filming("collins", "warp", PARAMETERS, 128, 128, 25)) is state
    )
    assert len(album.opened) == opened
    other = filmer.prepare(Filming("collins", "warp", PARAMETERS, 128, 160))
    assert other is not state and len(album.opened) == opened + 1


def test_only_so_many_stay_in_memory(album: Album) -> None:
    small = Filmer({"warp": {}}, album.open, 1)
    first = small.prepare(ASKED)
    small.prepare(Filming("collins", "warp", PARAMETERS, 160, 160))
    assert small.prepare(ASKED) is not first


def test_several_videos_at_a_time(filmer: Filmer) -> None:
    one, other = filmer.prepare(ASKED), filmer.prepare(Filming("collins", "warp", PARAMETERS, 160, 192))
    drawn = filmer.render([Shot("warp", part(one)), Shot("warp", part(other, first=3))])
    assert [frames.shape for frames in drawn if isinstance(frames, np.ndarray)] == [(2, 128, 128, 3), (2, 192, 160, 3)]
    (alone,) = filmer.render([Shot("warp", part(other, first=3))])
    np.testing.assert_array_equal(alone, drawn[1])


def test_what_is_wrong_with_one_is_no_fault_of_the_others(filmer: Filmer) -> None:
    broken, whole = filmer.render([Shot("warp", part(None)), Shot("warp", part(filmer.prepare(ASKED)))])
    assert isinstance(broken, AvatarError) and broken.code == "filming_failed" and isinstance(whole, np.ndarray)


@pytest.mark.parametrize(
    ("image", "error"), [("meadow", NoFace), ("broken", BadPicture), ("nobody", UploadNotFound)], ids=str
)
def test_pictures_that_cannot_talk(filmer: Filmer, image: str, error: type[AvatarError]) -> None:
    with pytest.raises(error):
        filmer.prepare(Filming(image, "warp", PARAMETERS))


def test_a_face_that_is_known_is_not_looked_for(filmer: Filmer, album: Album) -> None:
    found = Filmer({"warp": {}}, album.open, 1)._face
    face = found(decode(album.pictures["collins"]), Picture(b""), "")
    assert found(decode(album.pictures["meadow"]), Picture(b"", face), "") is face
    with pytest.raises(BadInput, match="landmarks"):
        found(decode(album.pictures["collins"]), Picture(b"", face), "[]")


def test_a_picture_behind(filmer: Filmer) -> None:
    state = filmer.prepare(Filming("collins", "warp", PARAMETERS, 160, 160, background="sky"))
    assert state is not None
    with pytest.raises(UploadNotFound):
        filmer.prepare(Filming("collins", "warp", PARAMETERS, 160, 160, background="nowhere"))


def test_an_engine_that_is_not_there(filmer: Filmer) -> None:
    with pytest.raises(StageChanged):
        filmer.prepare(Filming("collins", "hollywood"))
    with pytest.raises(StageChanged):
        filmer.check_weights("warp", "of another")
    filmer.check_weights("warp", "")


def test_warming_up_fails_quietly(album: Album, caplog: pytest.LogCaptureFixture) -> None:
    Filmer({"warp": {}}, album.open, 1).warm_up("warp")  # the album has no built-in portrait
    assert "warming up warp failed" in caplog.text


@pytest.mark.parametrize(
    ("background", "colour"), [("", (255, 255, 255)), ("#000000", (0, 0, 0)), ("#3060a0", (48, 96, 160))]
)
def test_colours(background: str, colour: tuple[int, int, int]) -> None:
    asked = Filming("x", width=320, height=180, fps=30, crop="whole", background=background)
    assert canvas_of(asked) == Canvas(320, 180, 30, "whole", colour)


@pytest.mark.parametrize("background", ["#", "#12", "#1234567", "#ggg000"])
def test_no_colours(background: str) -> None:
    with pytest.raises(BadInput, match="background"):
        canvas_of(Filming("x", background=background))


def test_what_values_depend_on() -> None:
    node = node_of({"warp": {}})
    assert node.stage == "avatar" and node.kind == "video" and node.engine == "warp"
    assert version("av") in node.version and engines.node("avatar", "warp", {}).version in node.version
    assert node_of({"warp": {"threads": 2}}) == node  # says how fast, not what
