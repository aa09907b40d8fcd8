"""avatar-serve models: list and pull."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from deployments.models import BASE_URL, MIRROR, ModelInfo, catalogue, pull

from . import config_file


def list_models(parsed: argparse.Namespace) -> int:
    """What the catalogue has, and what of it is in the models folder."""
    folder = config_file.read(parsed.config).settings.models_folder
    print(f"In {folder}:")
    for model in catalogue().values():
        print(_line(model, folder))
    return 0


def _line(model: ModelInfo, folder: Path) -> str:
    return (
        f"{model.name:12} {model.state(folder):10} {model.size_bytes / 1e6:6.0f} MB  {model.purpose} ({model.licence})"
    )


def pull_models(parsed: argparse.Namespace) -> int:
    """Downloads models; AVATAR_MODELS_URL names a mirror."""
    folder = config_file.read(parsed.config).settings.models_folder
    for model in pull(parsed.names, folder, os.environ.get(MIRROR) or BASE_URL):
        if model.state(folder) == "own":
            print(f"{model.name}: your own files are kept: delete them from {folder} to get the catalogue's.")
        else:
            print(f"{model.name} is ready: {folder}")
    return 0
