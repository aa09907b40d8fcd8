"""avatar-serve voices add: checks a voice model of the user's own and installs it as a character."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
from pathlib import Path

import yaml

from deployments.core.errors import BadInput
from deployments.core.types import Conversion
from deployments.rvc.folder import VOICES
from deployments.tts.voices import catalogue

from . import characters, config_file
from .settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
"""Of a character: a file name everywhere, and no path."""


def add_voice(parsed: argparse.Namespace) -> int:
    """Installs NAME.pth, NAME.index and NAME.yaml into the folder of models.

    Raises:
        BadModel: a file cannot be used; the text names it and says why.
        BadInput: the name is taken, or is none.
    """
    settings = config_file.read(parsed.config).settings
    name = parsed.name or parsed.checkpoint.stem
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name for a character.", hint="Choose one with --name: letters, digits, . _ -")
    folder = settings.models_folder / VOICES
    taken = [path for ending in ("pth", "index", "yaml") if (path := folder / f"{name}.{ending}").exists()]
    if taken or name in settings.cast.characters.all() or name in settings.voices.installed() or name in catalogue():
        where = taken[0] if taken else "a voice or character"
        raise BadInput(f"The name {name} is taken: {where}", hint="Delete it first, or choose a --name.")
    entry = {"tts": parsed.tts, "pitch_semitones": parsed.pitch_semitones, "speed": parsed.speed}
    entry = {"rvc_model": f"{name}.pth", **{key: value for key, value in entry.items() if value is not None}}
    characters.parse(folder / f"{name}.yaml", name, entry)
    if parsed.tts:
        settings.voices.find(parsed.tts)
    print(_inspect(parsed.checkpoint, parsed.index))
    _install(folder, name, parsed, yaml.safe_dump({characters.SECTION: {name: entry}}, sort_keys=False))
    return _report(settings, name)


def _inspect(checkpoint: Path, index: Path | None) -> str:
    """What the files hold, in a line. Imports torch: some seconds."""
    from deployments.rvc.engines.rvc import checkpoint as checkpoints
    from deployments.rvc.engines.rvc import index as indexes

    config = checkpoints.inspect(checkpoint)
    pitch = "with pitch" if config.has_f0 else "without pitch"
    found = f"{checkpoint.name}: RVC {config.version}, {config.sample_rate} Hz, {pitch}, {config.speakers} speakers"
    if index is None:
        return f"{found}; no index"
    return f"{found}; {index.name}: {indexes.inspect(index, config.phone_width)} vectors"


def _install(folder: Path, name: str, parsed: argparse.Namespace, document: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if parsed.index:
        _copy(parsed.index, folder / f"{name}.index")
    _copy(parsed.checkpoint, folder / f"{name}.pth")
    (folder / f"{name}.yaml").write_text(document, encoding="utf-8")  # last: whoever reads it finds the rest


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all: a running server may look at any time."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        shutil.copyfile(source, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _report(settings: Settings, name: str) -> int:
    print(f"{name} is installed: {settings.models_folder / VOICES / name}.yaml has its parameters.")
    if missing := settings.voice_models.missing(Conversion("rvc", f"{name}.pth")):
        print(f"It still needs: avatar-serve models pull {' '.join(missing)}")
    else:
        print(f'A running server has it at once: {{"text": "Hello", "voice_id": "{name}"}}')
    return 0
