"""Finds an engine by its name: the name of its file in a room's engines/ folder.

Its module has `Options`, `Engine` and VERSION: another text whenever the same input would give another value, so that
old values are not used any more. An engine whose libraries are heavy is imported when its `Engine` is asked for.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from typing import Any

from .errors import BadInput
from .keys import Node


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
    module = _module(room, name)
    return module.Engine(module.Options(**options))


def node(room: str, name: str, options: Mapping[str, Any]) -> Node:
    """What an engine's results depend on, its weights aside.

    Options marked with exclude=True (folders, threads) say where and how fast it runs, not what it makes.

    Raises:
        ValueError: as `load`.
    """
    module = _module(room, name)
    chosen = module.Options(**options).model_dump(mode="json")
    return Node(room, name, module.VERSION, json.dumps(chosen, sort_keys=True))


def weights(room: str, name: str, options: Mapping[str, Any]) -> str:
    """Digest of the weights of an engine that has one set of them; empty for any other. Blocking.

    Raises:
        ValueError: as `load`.
        AvatarError: they are not there.
    """
    module = _module(room, name)
    return str(module.weights(module.Options(**options))) if hasattr(module, "weights") else ""


def combined(room: str, choices: Mapping[str, Mapping[str, Any]]) -> Node:
    """What values of a stage depend on that runs whichever of several engines it is asked for, weights aside.

    Args:
        room: folder below deployments.
        choices: engine -> its Options.

    Raises:
        ValueError: as `load`.
    """
    nodes = [node(room, name, options) for name, options in sorted(choices.items())]
    return Node(
        room,
        " ".join(each.engine for each in nodes),
        json.dumps([each.version for each in nodes]),
        json.dumps([each.options for each in nodes]),
    )


def parameters(room: str, name: str, chosen: Mapping[str, Any], field: str = "voice") -> str:
    """All `Parameters` of an engine as canonical JSON: equal choices are equal texts.

    Args:
        room: folder below deployments.
        name: of the engine.
        chosen: what is not left to its defaults.
        field: of the request that has them.

    Raises:
        BadInput: no such engine, or a parameter that it does not take.
    """
    return json.dumps(_checked(room, name, chosen, field).model_dump(mode="json"), sort_keys=True)


def given(room: str, name: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are chosen, by their own names.

    Raises:
        BadInput: as `parameters`.
    """
    named: dict[str, Any] = _checked(room, name, chosen, "voice").model_dump(mode="json", exclude_unset=True)
    return named


def _checked(room: str, name: str, chosen: Mapping[str, Any], field: str) -> Any:
    try:
        return _module(room, name).Parameters(**chosen)
    except (ValueError, TypeError) as error:  # pydantic's ValidationError is a ValueError; a key may be no text
        raise BadInput(f"{field}: {_reasons(error)}", hint="GET /docs shows what each engine takes.") from error


def _reasons(error: Exception) -> str:
    """In one line; of pydantic's errors without the values, which may be long."""
    faults = error.errors(include_url=False, include_input=False) if hasattr(error, "errors") else []
    return "; ".join(": ".join([".".join(map(str, each["loc"])), each["msg"]]).lstrip(": ") for each in faults) or str(
        error
    )


def _module(room: str, name: str) -> Any:
    if name not in names(room):
        raise ValueError(f"there is no {room} engine {name!r}; there are: {', '.join(names(room))}")
    return importlib.import_module(f"deployments.{room}.engines.{name}")
