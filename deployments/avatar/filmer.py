"""The work of a replica without Ray: engines, prepared portraits in memory, and frames of several videos at a time."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deployments.core import engines
from deployments.core.errors import AvatarError, BadInput, FilmingFailed, StageChanged
from deployments.core.keys import Node
from deployments.core.types import Animation, AudioClip, EyeTrack, VisemeTrack
from deployments.core.video import Filming
from deployments.core.visemes import REST
from deployments.loaded import Loaded

from . import portraits
from .contract import SAMPLE_RATE, Canvas, Face, Part, Picture, Portrait
from .faces import given
from .faces.finder import FaceFinder
from .files import decode

logger = logging.getLogger("ray.serve")

_VERSION = f"1, av {version('av')}"
"""Another whenever faces are found, or frames encoded, in another way."""

Frames: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Shot:
    """Frames of one video."""

    engine: str
    part: Part[Any]


class Filmer:
    """Blocking, and for one thread at a time."""

    def __init__(
        self,
        choices: Mapping[str, Mapping[str, Any]],
        open_picture: Callable[[str], Picture],
        memory_bytes: int,
    ) -> None:
        """
        Args:
            choices: engine -> its Options. None is loaded yet.
            open_picture: gives a picture by its name, or raises UploadNotFound.
            memory_bytes: of all prepared portraits in memory.
        """
        self._choices = choices
        self._open = open_picture
        self._engines: dict[str, tuple[str, Any]] = {}
        """Engine -> digest of its weights, and itself."""
        self._states: Loaded[Any] = Loaded(memory_bytes)
        self._finder = FaceFinder()

    def try_out(self, name: str) -> Frames:
        """(2, H, W, 3) uint8: a built-in portrait, which says nothing.

        Args:
            name: of the engine.

        Raises:
            AvatarError, ValueError: it cannot work here.
        """
        filming = Filming(
            portraits.image_of(portraits.names()[0]), name, engines.parameters("avatar", name, {}, "avatar.engines")
        )
        engine = self._engine(name)
        at_rest = _at_rest(engine.example.duration_s)
        part = Part(self.prepare(filming), engine.example, at_rest, range(2), filming.parameters)
        frames: Frames = engine.render([part])[0]
        return frames

    def warm_up(self, name: str) -> None:
        """What a first request would wait for; an engine that cannot work is the affair of those who ask for it."""
        try:
            self.try_out(name)
        except Exception:  # whatever its weights can do: all other engines are to draw
            logger.exception("warming up %s failed", name)

    def frames_at_a_time(self, engine: str) -> int:
        """How many frames of a video are drawn in one go.

        Raises:
            AvatarError: the engine cannot work here.
        """
        return int(self._engine(engine).frames_at_a_time)

    def check_weights(self, engine: str, weights: str) -> None:
        """Nothing may be kept under the digest of other weights.

        Raises:
            StageChanged: its files are others than the caller thinks.
            AvatarError: there are none.
        """
        if engines.weights("avatar", engine, self._choices.get(engine, {})) != weights:
            raise StageChanged(f"avatar: the weights of {engine} are not those that the caller knows")

    def prepare(self, filming: Filming) -> Any:
        """A portrait as the engine needs it, from memory where it is there.

        Raises:
            NoFace, BadPicture, UploadNotFound, BadInput
            FilmingFailed: the engine failed on it.
        """
        engine = self._engine(filming.engine)
        canvas = canvas_of(filming)

        def load() -> tuple[Any, int]:
            picture = self._open(filming.image)
            portrait = decode(picture.png)
            face = self._face(portrait, picture, filming.landmarks)
            state = engine.prepare(portrait, face, canvas, self._backdrop(filming.background))
            return state, engine.size_bytes(state)

        key = repr((filming.engine, filming.image, canvas, filming.background, filming.landmarks))
        try:
            return self._states.get(key, load)
        except AvatarError:
            raise
        except Exception as error:  # whatever a library can say of a strange picture
            logger.exception("preparing %s with %s failed", filming.image, filming.engine)
            raise FilmingFailed(f"{filming.engine}: {type(error).__name__}: {error}") from error

    def render(self, shots: Sequence[Shot]) -> list[Frames | AvatarError]:
        """Together where that goes well, else one by one: what is wrong with one is no fault of the others."""
        if len({shot.engine for shot in shots}) == 1:
            with contextlib.suppress(Exception):
                return self._render(shots)
        return [self._render_one(shot) for shot in shots]

    def _render_one(self, shot: Shot) -> Frames | AvatarError:
        try:
            return self._render([shot])[0]
        except AvatarError as error:
            return error
        except Exception as error:  # out of memory, or a state that computes nonsense
            logger.exception("drawing with %s failed", shot.engine)
            return FilmingFailed(f"{shot.engine}: {type(error).__name__}: {error}")

    def _render(self, shots: Sequence[Shot]) -> list[Frames | AvatarError]:
        drawn: list[Frames | AvatarError] = self._engine(shots[0].engine).render([shot.part for shot in shots])
        return drawn

    def _face(self, portrait: Portrait, picture: Picture, landmarks: str) -> Face:
        if picture.face and not landmarks:
            return picture.face
        height, width = portrait.pixels.shape[:2]
        return self._finder.find(portrait, given.parse(landmarks, width, height)).face

    def _backdrop(self, background: str) -> Portrait | None:
        if not background or background.startswith("#"):
            return None
        return decode(self._open(background).png)

    def _engine(self, name: str) -> Any:
        """Made when it is first needed: torch takes 300 MB, for nothing where nobody asks for it."""
        if name not in self._choices:
            raise StageChanged(f"avatar: asked for the engine {name!r}, there are {', '.join(self._choices)}")
        weights = engines.weights("avatar", name, self._choices[name])
        known, engine = self._engines.get(name, ("", None))
        if engine is None or known != weights:
            self._states.clear()  # they may be of the weights before
            engine = engines.load("avatar", name, self._choices[name])
            self._engines[name] = weights, engine
        return engine


def node_of(choices: Mapping[str, Mapping[str, Any]]) -> Node:
    """What a video depends on besides its inputs, weights aside.

    Args:
        choices: engine -> its Options.

    Raises:
        ValueError: as core.engines.load.
    """
    node = engines.combined("avatar", choices)
    return replace(node, version=f"{_VERSION} {node.version}", kind="video")


def _at_rest(duration_s: float) -> Animation:
    """Nobody speaks."""
    silence = VisemeTrack(np.zeros(1), np.array([REST], np.uint8), np.ones(1, np.float32), duration_s)
    return Animation(AudioClip(np.zeros(0, np.float32), SAMPLE_RATE), silence, EyeTrack(()), ())


def canvas_of(filming: Filming) -> Canvas:
    """What the frames look like.

    Raises:
        BadInput: the background is no colour.
    """
    asked = Canvas(filming.width, filming.height, filming.fps, filming.crop)
    if not filming.background.startswith("#"):
        return asked
    try:
        red, green, blue = bytes.fromhex(filming.background[1:])
    except ValueError:
        raise BadInput("background: that is no colour.", hint="As in #3060a0.") from None
    return Canvas(asked.width, asked.height, asked.fps, asked.crop, (red, green, blue))
