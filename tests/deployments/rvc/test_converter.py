"""A replica's work with real engines and random weights: batches, what is wrong with one of them, changed files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deployments.core import engines
from deployments.core.errors import BadInput, StageChanged, SynthesisFailed, UnknownSpeaker
from deployments.core.types import AudioClip, Conversion
from deployments.rvc.contract import Part
from deployments.rvc.converter import Converter, Item
from deployments.rvc.folder import ModelFolder
from tests.deployments.rvc.models import save_contentvec, save_voice

WORLD = Conversion("world", "", engines.parameters("rvc", "world", {"pitch_semitones": 4}))


def buzz(seconds: float, rate: int = 16_000) -> AudioClip:
    phases = np.arange(round(seconds * rate)) * 120 / rate % 1
    return AudioClip((0.3 * (phases - 0.5)).astype(np.float32), rate)


def rvc(model: str = "Ara.pth", **parameters: object) -> Conversion:
    return Conversion("rvc", model, engines.parameters("rvc", "rvc", parameters))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    root = tmp_path_factory.mktemp("models")
    save_contentvec(root)
    save_voice(root)
    return ModelFolder(root)


@pytest.fixture(scope="module")
def converter(folder: ModelFolder) -> Converter:
    options = {"models_dir": folder.folder, "device": "cpu", "dtype": "float32"}
    return Converter({"rvc": options, "world": {}}, folder, 100_000_000)


def test_a_batch_of_both_engines_keeps_its_order_and_lengths(converter: Converter, folder: ModelFolder) -> None:
    items = [Item(buzz(0.5), WORLD, ""), Item(buzz(0.7), rvc(), folder.weights(rvc())), Item(buzz(0.3), WORLD, "")]
    clips = converter.convert(items)
    assert [(len(clip.samples), clip.sample_rate) for clip in clips if isinstance(clip, AudioClip)] == [
        (8000, 16_000),
        (28_000, 40_000),
        (4800, 16_000),
    ]


def test_what_is_wrong_with_one_is_no_fault_of_the_others(converter: Converter, folder: ModelFolder) -> None:
    weights = folder.weights(rvc())
    good, nobody = Item(buzz(0.4), rvc(), weights), Item(buzz(0.4), rvc(speaker=900), weights)
    stale = Item(buzz(0.4), rvc(), "another digest")
    first, second, third, fourth = converter.convert([good, nobody, stale, good])
    assert isinstance(second, UnknownSpeaker) and isinstance(third, StageChanged)
    assert isinstance(first, AudioClip) and isinstance(fourth, AudioClip)
    assert np.array_equal(first.samples, fourth.samples)


def test_an_engine_that_fails_says_so_for_each(folder: ModelFolder) -> None:
    """A setting that no machine here can follow: the fault is not one of ours."""
    converter = Converter({"rvc": {"models_dir": folder.folder, "dtype": "float16", "device": "mps"}}, folder, 1)
    (outcome,) = converter.convert([Item(buzz(0.4), rvc(), folder.weights(rvc()))])
    assert isinstance(outcome, BadInput | SynthesisFailed)
    converter.warm_up(rvc())  # is logged: the replica starts all the same


def test_a_contentvec_put_in_its_place_is_heard_at_once(folder: ModelFolder, tmp_path: Path) -> None:
    save_contentvec(tmp_path)
    save_voice(tmp_path)
    own = ModelFolder(tmp_path)
    options = {"models_dir": tmp_path, "device": "cpu", "dtype": "float32"}
    converter = Converter({"rvc": options}, own, 100_000_000)
    item = Item(buzz(0.5), rvc(), own.weights(rvc()))
    (before,) = converter.convert([item])
    (tmp_path / "contentvec" / "pytorch_model.bin").unlink()
    save_contentvec(tmp_path, seed=5)
    (refused,) = converter.convert([item])
    assert isinstance(refused, StageChanged)
    fresh = Item(buzz(0.5), rvc(), own.weights(rvc()))
    (after,) = converter.convert([fresh])
    assert isinstance(before, AudioClip) and isinstance(after, AudioClip)
    assert not np.array_equal(before.samples, after.samples)
    engine = engines.load("rvc", "rvc", options)
    (alone,) = engine.convert([Part(fresh.audio, engine.load("Ara.pth"), fresh.conversion.parameters)])
    assert np.array_equal(after.samples, alone.samples)
