"""Finds an engine by its name: the name of its file in a room's engines/ folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any


def names(room: str) -> tuple[str, ...]:
    """Names of all engines of a room, sorted.

    Args:
        room: folder below deployments ("tts").
    """
    package = importlib.import_module(f"deployments.{room}.engines")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))


def load(room: str, name: str, options: Mapping[str, Any]) -> Any:
    """The engine itself, ready to work.

    Args:
        room: folder below deployments.
        name: one of `names(room)`.
        options: fields of the engine's `Options`, which is closed.

    Raises:
        ValueError: no such engine, or an option that it does not have (pydantic's ValidationError is one).
    """
    if name not in names(room):
        raise ValueError(f"there is no {room} engine {name!r}; there are: {', '.join(names(room))}")
    module = importlib.import_module(f"deployments.{room}.engines.{name}")
    return module.Engine(module.Options(**options))
