"""The contract of every engine, in whatever room: one file, a docstring, closed Options, an example that works."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import deployments
from deployments.core import engines
from deployments.core.types import AudioClip, Reading, Speech
from deployments.rvc.contract import Part
from deployments.rvc.folder import ENGINE
from deployments.tts.contract import Sentence
from tests.deployments.rvc.models import save_contentvec, save_voice


def _speak(engine: Any) -> Any:
    voice = engine.load(engine.default_voice)
    return engine.speak(voice, Sentence(engine.example, engine.default_voice))


def _read(engine: Any) -> Any:
    return engine.read(engine.example)


def _convert(engine: Any) -> Any:
    (clip,) = engine.convert([Part(engine.example, engine.load(_model(engine)))])
    assert len(clip.samples) == round(len(engine.example.samples) * clip.sample_rate / engine.example.sample_rate)
    return clip


def _model(engine: Any) -> str:
    """A model with random weights, where the engine looks for models by default; none for one without."""
    if engine.__module__.split(".")[3] != ENGINE:
        return ""
    save_contentvec(Path("data/models"))
    save_voice(Path("data/models"))
    return "Ara.pth"


VERBS: dict[str, tuple[Callable[[Any], Any], type]] = {
    "tts": (_speak, Speech),
    "rvc": (_convert, AudioClip),
    "lipsync": (_read, Reading),
}
"""Room -> how its verb runs on the example, and what comes out."""


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
        result = verb(engines.load(room, name, {}))
    assert isinstance(result, result_type)
