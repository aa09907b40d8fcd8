"""avatar-serve voices: list and download."""

from __future__ import annotations

import argparse
import os
import signal

from deployments.tts.download import BASE_URL, MIRROR, download
from deployments.tts.voices import VoiceInfo, catalogue

from . import config_file
from .cast import CharacterInfo


def list_voices(parsed: argparse.Namespace) -> int:
    """The installed voices, then the rest of the catalogue."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `avatar-serve voices list | head` ends quietly
    cast = config_file.read(parsed.config).settings.cast
    library = cast.library
    installed = library.installed()
    missing = [voice for voice_id, voice in catalogue().items() if voice_id not in installed]
    wanted = parsed.language or ""
    for voice in (*installed.values(), *missing):
        if voice.language == wanted or voice.language.split("_")[0] == wanted or not wanted:
            print(_line(voice, library.default))
    for person in cast.people() if not wanted else ():
        print(_person(person))
    return 0


def _person(info: CharacterInfo) -> str:
    own = info.character
    state = f"lacks: {'; '.join(info.lacks)}" if info.lacks else "ready"
    return f"{own.name:38} character {own.engine} {own.model} on {own.tts or 'the default voice'}, {state}"


def _line(voice: VoiceInfo, default: str) -> str:
    state = "default" if voice.voice_id == default else "installed" if voice.model else ""
    speakers = f", {len(voice.speakers)} speakers" if voice.speakers else ""
    place = f"{voice.language_name} ({voice.country})" if voice.country else voice.language_name
    return f"{voice.voice_id:38} {state:9} {voice.size_bytes / 1e6:6.0f} MB  {place}{speakers}"


def download_voices(parsed: argparse.Namespace) -> int:
    """Installs voices; AVATAR_VOICES_URL names a mirror."""
    folder = config_file.read(parsed.config).settings.voices_folder
    base_url = os.environ.get(MIRROR) or BASE_URL
    for model in download(parsed.voice_ids, folder, base_url):
        print(f"{model.stem} is installed: {model}")
    print("A running server has it at once.")
    return 0
