"""Reads a Serve config file strictly: Serve's own schema passes over keys that it does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema

from .app import DEPLOYMENTS, compose
from .settings import Settings

IMPORT_PATH = "serve_app.app:build"


class ConfigError(ValueError):
    """The file cannot be used; the text says where and why, a line for each fault."""


@dataclass(frozen=True)
class ConfigFile:
    """What a config file says."""

    settings: Settings
    """`args:`, with the environment on top."""
    deployments: Mapping[str, Mapping[str, Any]]
    """Deployment name -> options for Deployment.options()."""
    host: str
    port: int


def read(path: Path) -> ConfigFile:
    """Reads and checks a file.

    Raises:
        ConfigError: not a file, not YAML, an unknown key, a value out of range.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        schema = ServeDeploySchema.model_validate(raw)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    except ValidationError as error:
        raise ConfigError(_explain(path, error)) from error
    faults = [f"{path}: {fault}" for fault in _faults(raw, schema)]
    if faults:
        raise ConfigError("\n".join(faults))
    application = raw["applications"][0]
    overrides = {
        entry["name"]: {key: value for key, value in entry.items() if key != "name"}
        for entry in application.get("deployments", [])
    }
    try:
        settings = Settings(**application.get("args", {}))
        compose(settings, overrides)  # Serve's own rules between options
    except ValidationError as error:
        raise ConfigError(_explain(path, error)) from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return ConfigFile(settings, overrides, schema.http_options.host, schema.http_options.port)


def _faults(raw: Mapping[str, Any], schema: ServeDeploySchema) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in _unknown(raw, schema.model_dump(exclude_unset=True), ""))
    if [application.import_path for application in schema.applications] != [IMPORT_PATH]:
        yield f"applications: exactly one is wanted, with import_path {IMPORT_PATH}"
        return
    listed = [entry["name"] for entry in raw["applications"][0].get("deployments", [])]
    yield from (f"deployment {name} is listed twice" for name in sorted(set(listed)) if listed.count(name) > 1)
    names = [deployment.__name__ for deployment in DEPLOYMENTS]
    for entry in raw["applications"][0].get("deployments", []):
        if entry["name"] not in names:
            yield f"there is no deployment {entry['name']}; there are: {', '.join(names)}"
        autoscaling = entry.get("autoscaling_config") or {}
        # Serve keeps this as a free dictionary until it deploys.
        known = AutoscalingConfig.model_fields
        yield from (f"unknown key {entry['name']}.autoscaling_config.{key}" for key in autoscaling if key not in known)


def _unknown(raw: Any, known: Any, place: str) -> Iterator[str]:
    """Keys of the file that did not arrive in the schema."""
    if isinstance(raw, Mapping) and isinstance(known, Mapping):
        for key, value in raw.items():
            if key not in known:
                yield f"{place}{key}"
            else:
                yield from _unknown(value, known[key], f"{place}{key}.")
    elif isinstance(raw, list) and isinstance(known, list):
        for index, (value, counterpart) in enumerate(zip(raw, known, strict=False)):
            yield from _unknown(value, counterpart, f"{place}{index}.")
    elif isinstance(raw, Mapping) and isinstance(known, BaseModel):
        yield from _unknown(raw, known.model_dump(exclude_unset=True), place)


def _explain(path: Path, error: ValidationError) -> str:
    return "\n".join(
        f"{path}: {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in error.errors()
    )
