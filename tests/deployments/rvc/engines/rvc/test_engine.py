"""The engine as its deployment uses it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deployments.core import engines
from deployments.core.errors import BadInput, BadModel, UnknownSpeaker, UnknownVoice, VoiceNotInstalled
from deployments.core.types import AudioClip
from deployments.rvc.contract import Part
from deployments.rvc.engines.rvc.pipeline import Voice
from tests.deployments.rvc.models import save_index, save_voice, speech


def make(models_dir: Path, **options: Any) -> Any:
    """An engine on the CPU; float32 unless said otherwise."""
    return engines.load("rvc", "rvc", {"models_dir": models_dir, "device": "cpu", "dtype": "float32"} | options)


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Any:
    """One for all."""
    return make(models_dir)


def part(voice: Voice, seconds: float = 0.5, rate: int = 16_000, seed: int = 0, **parameters: Any) -> Part[Voice]:
    """A sentence."""
    return Part(AudioClip(speech(seconds, rate, seed), rate), voice, json.dumps(parameters))


@pytest.mark.parametrize("name", ["Ara", "Bo", "Cy"])
@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000])
def test_the_result_is_as_long_as_the_input(engine: Any, name: str, rate: int) -> None:
    """To the sample, at every rate and odd length."""
    voice = engine.load(f"{name}.pth")
    new = voice.config.sample_rate
    for samples in (1, 7, 160, rate // 3, rate // 2 + 1, rate * 7 // 10):
        clip = AudioClip(speech(1.0, rate)[:samples], rate)
        (found,) = engine.convert([Part(clip, voice)])
        assert (found.sample_rate, len(found.samples)) == (new, round(samples * new / rate))
        assert np.isfinite(found.samples).all() and np.abs(found.samples).max(initial=0) <= 1


def test_nothing_becomes_nothing(engine: Any) -> None:
    """A sentence without anything to say, beside another."""
    voice = engine.load("Ara.pth")
    silent, spoken = engine.convert([Part(AudioClip(np.zeros(0, np.float32), 22_050), voice), part(voice)])
    assert (len(silent.samples), silent.sample_rate, len(spoken.samples)) == (0, 40_000, 20_000)


def test_the_same_sound_becomes_the_same_sound(engine: Any) -> None:
    """The noise in it is seeded by the sound."""
    voice = engine.load("Ara.pth")
    first, second, other = (engine.convert([part(voice, seed=seed)])[0].samples for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.01


def test_every_parameter_is_heard(engine: Any) -> None:
    """Each on its own gives another sound; pitch in octaves is that in semitones."""
    voice = engine.load("Ara.pth")
    plain = {"index_rate": 0.5, "protect": 0.33, "rms_mix_rate": 0.5, "f0_method": "harvest", "filter_radius": 0}

    def heard(**change: Any) -> np.ndarray:
        samples: np.ndarray = engine.convert([part(voice, **{**plain, **change})])[0].samples
        return samples

    usual = heard()
    changes: list[dict[str, Any]] = [
        {"pitch_semitones": 3},
        {"index_rate": 0},
        {"protect": 0.1},
        {"rms_mix_rate": 1},
        {"f0_method": "swift-f0"},
        {"unvoiced": "interpolate"},
        {"speaker": 4},
    ]
    for change in changes:
        assert np.abs(heard(**change) - usual).max() > 1e-3, change
    np.testing.assert_array_equal(heard(pitch=0.25), heard(pitch_semitones=3))


def test_a_batch_is_its_parts(engine: Any) -> None:
    """On a CPU they go one by one, whatever the voices."""
    ara, cy = engine.load("Ara.pth"), engine.load("Cy.pth")
    parts = [part(ara, 0.5), part(cy, 0.7, 22_050), part(ara, 0.31, pitch_semitones=2)]
    single = [engine.convert([each])[0].samples for each in parts]
    for alone, together in zip(single, engine.convert(parts), strict=True):
        np.testing.assert_array_equal(together.samples, alone)


def test_in_bfloat16_it_is_nearly_the_same(engine: Any, models_dir: Path) -> None:
    """The level and the envelope; the noise within is another matter with random weights."""
    fast = make(models_dir, dtype="bfloat16")
    exact, rough = (each.convert([part(each.load("Bo.pth"), 1.0)])[0].samples for each in (engine, fast))
    assert 0.8 < rough.std() / exact.std() < 1.25
    noise = ((rough - exact) ** 2).mean()
    assert 10 * np.log10((exact**2).mean() / noise) > 8


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"index_rate": 2}, "index_rate"),
        ({"speaker": -1}, "speaker"),
        ({"pitch": 3}, "pitch_semitones"),
        ({"pitch_semitones": float("nan")}, "pitch_semitones"),
        ({"pitch": 0.1, "pitch_semitones": 1}, "not both"),
        ({"f0_method": "crepe"}, "f0_method"),
        ({"protect": 0.6}, "protect"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_bad_parameters_are_named(engine: Any, parameters: dict[str, Any], field: str) -> None:
    """As bad input, before anything is computed."""
    sentence = part(engine.load("Ara.pth"), **parameters)
    for method in (engine.check, lambda each: engine.convert([each])):
        with pytest.raises(BadInput, match=field):
            method(sentence)


def test_a_speaker_that_is_not_there_is_named(engine: Any) -> None:
    """On a GPU the table would take the process with it."""
    with pytest.raises(UnknownSpeaker, match=r"Ara\.pth has no speaker 5") as caught:
        engine.check(part(engine.load("Ara.pth"), speaker=5))
    assert caught.value.hint == "Allowed: 0 to 4."


def test_rmvpe_says_how_to_get_it(engine: Any) -> None:
    """A voice without f0 needs none."""
    with pytest.raises(VoiceNotInstalled) as caught:
        engine.check(part(engine.load("Ara.pth"), f0_method="rmvpe"))
    assert "models pull rmvpe" in str(caught.value.hint)
    engine.check(part(engine.load("Cy.pth"), f0_method="rmvpe"))


def test_without_contentvec_there_is_an_engine_but_no_voice(models_dir: Path, tmp_path: Path) -> None:
    """A fresh machine starts; the error says what to do; then it works without a restart."""
    save_voice(tmp_path)
    fresh = make(tmp_path)
    with pytest.raises(VoiceNotInstalled) as caught:
        fresh.load("Ara.pth")
    assert "models pull contentvec" in str(caught.value.hint)
    shutil.copytree(models_dir / "contentvec", tmp_path / "contentvec")
    assert len(fresh.convert([part(fresh.load("Ara.pth"))])[0].samples) == 20_000


def test_a_bad_file_is_refused_and_the_engine_lives_on(models_dir: Path, tmp_path: Path) -> None:
    """Voice or index; the others are converted as before."""
    (tmp_path / "contentvec").symlink_to(models_dir / "contentvec")
    save_voice(tmp_path, "Good")
    save_voice(tmp_path, "Bad").write_bytes(b"<html>")
    save_index(save_voice(tmp_path, "Odd").with_suffix(".index"), width=256)
    strict = make(tmp_path)
    for name in ("Bad.pth", "Odd.pth"):
        with pytest.raises(BadModel, match=name.split(".")[0]):
            strict.load(name)
    with pytest.raises(UnknownVoice):
        strict.load("Nobody.pth")
    assert len(strict.convert([part(strict.load("Good.pth"))])[0].samples) == 20_000


def test_the_size_is_that_of_weights_and_index(engine: Any, models_dir: Path) -> None:
    """What the memory limit of a replica counts."""
    voice = engine.load("Ara.pth")
    weights = sum(tensor.numel() * 4 for tensor in voice.network.parameters())
    assert engine.size_bytes(voice) == weights + (models_dir / "rvc" / "Ara.index").stat().st_size


def test_who_only_asks_for_its_key_needs_no_torch() -> None:
    """The ingress checks parameters; torch would cost it seconds and 300 MB."""
    code = """
import sys
from deployments.core import engines
import deployments.rvc.contract
engines.node("rvc", "rvc", {"models_dir": "data/models"})
print(sorted({"torch", "transformers", "faiss", "scipy", "soxr", "onnxruntime"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_its_example_is_converted_without_a_trace_of_gradients(engine: Any) -> None:
    """What warms a replica up."""
    voice = engine.load("Ara.pth")
    assert engine.convert([Part(engine.example, voice)])[0].duration_s == engine.example.duration_s
    assert not any(parameter.requires_grad for parameter in voice.network.parameters())
    assert torch.is_grad_enabled()


def test_changes_of_the_voice_keep_their_time(engine: Any, tmp_path: Path, models_dir: Path) -> None:
    """Buzz and hiss in turns: when does the result change? Within 10 ms of the input, so that lips stay in time.

    A network with random weights has delays of its own, so the median over several is taken. For each, the envelope of
    the input is looked for in the log spectrum of the result, by least squares, at lags of -40 to 40 ms.
    """
    (tmp_path / "contentvec").symlink_to(models_dir / "contentvec")
    random = make(tmp_path)
    rng = np.random.default_rng(1)
    envelope = np.repeat(np.arange(40) % 2, rng.integers(1600, 4800, 40))[: 5 * 16_000].astype(np.float64)
    hiss = rng.standard_normal(len(envelope)) * 0.1
    buzz = sum(np.sin(2 * np.pi * 150 * k * np.arange(len(envelope)) / 16_000) / k for k in range(1, 20)) * 0.12
    clip = AudioClip(np.where(envelope > 0, buzz, hiss).astype(np.float32), 16_000)
    lags = []
    for seed in range(7):
        save_voice(tmp_path, f"Voice{seed}", seed=seed)
        voice = random.load(f"Voice{seed}.pth")
        (found,) = random.convert([Part(clip, voice, json.dumps({"rms_mix_rate": 1}))])
        lags.append(_lag_ms(found, envelope))
    assert abs(np.median(lags)) <= 10, lags


def _lag_ms(found: AudioClip, envelope: np.ndarray) -> int:
    """By how much the result is late."""
    width = found.sample_rate // 100
    frames = np.lib.stride_tricks.sliding_window_view(found.samples, width)[:: width // 10] * np.hanning(width)
    levels = np.log(np.abs(np.fft.rfft(frames, axis=1)[:, ::4]) ** 2 + 1e-7)
    basis, _ = np.linalg.qr(np.column_stack((levels, np.ones(len(levels)))))
    smooth = np.convolve(envelope, np.ones(160) / 160, "valid")[::16][: len(levels)]
    smooth = np.pad(smooth, (0, len(levels) - len(smooth)), mode="edge") - smooth.mean()
    return max(range(-40, 41), key=lambda lag: float(((basis.T @ np.roll(smooth, lag)) ** 2).sum()))
