"""The contract of every engine, in whatever room: one file, a docstring, closed Options, an example that works."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

import deployments
from deployments.avatar.contract import Canvas, Part, Portrait
from deployments.avatar.faces.finder import FaceFinder
from deployments.core import engines
from deployments.core.types import Animation, AudioClip, EyeTrack, Reading, Speech, VisemeTrack
from deployments.rvc.contract import Part as Spoken
from deployments.rvc.folder import ENGINE
from deployments.tts.contract import Sentence
from tests.deployments.avatar.engines.wav2lip import models as wav2lip
from tests.deployments.rvc.models import save_contentvec, save_voice
from tests.portraits import astronaut


def _speak(engine: Any) -> Any:
    voice = engine.load(engine.default_voice)
    return engine.speak(voice, Sentence(engine.example, engine.default_voice))


def _read(engine: Any) -> Any:
    return engine.read(engine.example)


def _convert(engine: Any) -> Any:
    (clip,) = engine.convert([Spoken(engine.example, engine.load(_model(engine)))])
    assert len(clip.samples) == round(len(engine.example.samples) * clip.sample_rate / engine.example.sample_rate)
    return clip


def _model(engine: Any) -> str:
    """A model with random weights, where the engine looks for models by default; none for one without."""
    if engine.__module__.split(".")[3] != ENGINE:
        return ""
    save_contentvec(Path("data/models"))
    save_voice(Path("data/models"))
    return "Ara.pth"


def _film(engine: Any) -> Any:
    portrait = Portrait(np.dstack([astronaut(), np.full((512, 512), 255, np.uint8)]))
    canvas = Canvas(160, 192)
    state = engine.prepare(portrait, FaceFinder().find(portrait).face, canvas)
    assert engine.size_bytes(state) > 0 and engine.frames_at_a_time > 0
    sound = engine.example
    track = VisemeTrack(np.zeros(1), np.zeros(1, np.uint8), np.ones(1, np.float32), sound.duration_s)
    (frames,) = engine.render([Part(state, sound, Animation(sound, track, EyeTrack(()), ()), range(2, 5))])
    assert frames.shape == (3, 192, 160, 3) and frames.dtype == np.uint8
    return frames


VERBS: dict[str, tuple[Callable[[Any], Any], type]] = {
    "tts": (_speak, Speech),
    "rvc": (_convert, AudioClip),
    "lipsync": (_read, Reading),
    "avatar": (_film, np.ndarray),
}
"""Room -> how its verb runs on the example, and what comes out."""


def _options(room: str, name: str) -> dict[str, Any]:
    """What an engine does not start without."""
    if (room, name) != ("avatar", "wav2lip"):
        return {}
    wav2lip.save(Path("data/models"), wav2lip.random_weights())
    return {"accept_license": "research"}


def _rooms() -> list[str]:
    root = Path(deployments.__path__[0])
    return sorted(folder.parent.name for folder in root.glob("*/engines") if folder.is_dir())


def _engines() -> list[tuple[str, str]]:
    return [
        (room, module.name)
        for room in _rooms()
        for module in pkgutil.iter_modules(importlib.import_module(f"deployments.{room}.engines").__path__)
    ]


ALL = _engines()


def _module(room: str, name: str) -> ModuleType:
    return importlib.import_module(f"deployments.{room}.engines.{name}")


def test_every_room_has_a_verb_here() -> None:
    assert set(_rooms()) == set(VERBS)
    assert {room for room, _ in ALL} == set(VERBS), "no room without an engine"


def test_the_app_finds_the_same_engines() -> None:
    assert [(room, name) for room in _rooms() for name in engines.names(room)] == ALL


@pytest.mark.parametrize(("room", "name"), ALL)
def test_module_says_what_it_is(room: str, name: str) -> None:
    module = _module(room, name)
    assert module.__doc__
    assert "licence" in module.__doc__.lower()
    assert module.Engine.__doc__


@pytest.mark.parametrize(("room", "name"), ALL)
def test_options_are_closed(room: str, name: str) -> None:
    options = _module(room, name).Options
    assert issubclass(options, BaseModel)
    assert options.model_config.get("extra") == "forbid"
    options()
    with pytest.raises(ValidationError):
        options(no_such_option=1)


@pytest.mark.parametrize(("room", "name"), ALL)
def test_example_works(room: str, name: str, tmp_path: Path) -> None:
    verb, result_type = VERBS[room]
    with contextlib.chdir(tmp_path):  # an engine must not depend on where it is started
        result = verb(engines.load(room, name, _options(room, name)))
    assert isinstance(result, result_type)
