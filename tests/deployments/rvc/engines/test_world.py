"""The effect `world`: what it changes, and what stays."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import soxr
import swift_f0
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployments.core import engines
from deployments.core.errors import BadInput, UnknownVoice
from deployments.core.types import AudioClip, Speech
from deployments.rvc.contract import Part
from deployments.rvc.engines.world import Options, Parameters
from deployments.rvc.engines.world.vocoder import Array, Engine, warp

RATE = 16_000
VOWELS = ((700, 1220, 2600), (500, 1500, 2500), (390, 2100, 2800))
"""F1 to F3 in Hz, about those of a man's "father", schwa and "bit", far enough apart for linear prediction."""
ENGINE = Engine(Options())
DETECTOR = swift_f0.SwiftF0(threads=1, spin=False)


def _convert(clip: AudioClip, **parameters: float) -> AudioClip:
    return ENGINE.convert([Part(clip, None, json.dumps(parameters))])[0]


def _heard(clip: AudioClip) -> swift_f0.PitchResult:
    return DETECTOR.detect(soxr.resample(clip.samples, clip.sample_rate, RATE), RATE)


def _shift(before: AudioClip, after: AudioClip) -> Array:
    """Semitones between the two, in each frame that is voiced in both."""
    first, second = _heard(before), _heard(after)
    voiced = (first.confidence >= 0.5) & (second.confidence >= 0.5)
    assert voiced.sum() > 50
    return np.asarray(12 * np.log2(second.pitch_hz[voiced] / first.pitch_hz[voiced]))


def _vowel(formants: tuple[int, ...], pitch_hz: float = 110.0) -> AudioClip:
    """A second of glottal pulses (12 dB per octave down, as in a chest voice) through three resonators."""
    pulses = np.diff(np.floor(np.arange(RATE) * pitch_hz / RATE), prepend=0.0)
    sound = np.diff(_resonate(pulses, 0, 210), prepend=0.0)  # lips: 6 dB per octave up
    for hertz, width in zip(formants, (60, 80, 120), strict=True):  # bandwidths: Fant 1960
        sound = _resonate(sound, hertz, width)
    return AudioClip((0.5 * sound / np.abs(sound).max()).astype(np.float32), RATE)


def _resonate(sound: Array, hertz: float, width_hz: float) -> Array:
    radius = np.exp(-np.pi * width_hz / RATE)
    first, second = 2 * radius * np.cos(2 * np.pi * hertz / RATE), radius**2
    out = np.zeros(len(sound) + 2)
    for index, sample in enumerate(sound):
        out[index + 2] = sample + first * out[index + 1] - second * out[index]
    return out[2:]


def _formants(clip: AudioClip) -> Array:
    """F1 to F3 in Hz: medians over frames of 50 ms of the roots of linear prediction (order 14, autocorrelation)."""
    found = []
    for start in range(4000, 12_000, 400):
        roots = np.roots(_predictor(clip.samples[start : start + 800].astype(np.float64)))
        hertz, widths = np.angle(roots) * RATE / (2 * np.pi), -np.log(np.abs(roots)) * RATE / np.pi
        peaks = np.sort(hertz[(hertz > 150) & (widths < 500)])
        if len(peaks) >= 3:
            found.append(peaks[:3])
    assert len(found) >= 10
    return np.asarray(np.median(found, axis=0))


def _predictor(frame: Array, order: int = 14) -> Array:
    shaped = np.append(frame[0], frame[1:] - 0.97 * frame[:-1]) * np.hamming(len(frame))
    correlation = np.correlate(shaped, shaped, "full")[len(frame) - 1 :]
    lags = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    return np.append(1.0, -np.linalg.solve(correlation[lags], correlation[1 : order + 1]))


def _drift_s(before: AudioClip, after: AudioClip) -> float:
    """Delay of the second clip's loudness behind the first's, where both fit best; looks 50 ms both ways."""
    rate = before.sample_rate
    window = np.hanning(rate // 50)
    first, second = (np.sqrt(np.convolve(clip.samples.astype(float) ** 2, window, "same")) for clip in (before, after))
    first, second, reach = first - first.mean(), second - second.mean(), rate // 20
    middle = slice(reach, len(first) - reach)
    return (int(np.argmax(np.correlate(second, first[middle], "valid"))) - reach) / rate


@pytest.mark.parametrize("semitones", [4.0, -4.0, 10.0])
def test_the_pitch_moves_by_what_is_asked(speech: Speech, semitones: float) -> None:
    moved = _shift(speech.audio, _convert(speech.audio, pitch_semitones=semitones))
    assert np.median(moved) == pytest.approx(semitones, abs=0.1)
    assert np.mean(np.abs(moved - semitones) > 2) < 0.05  # hardly a frame is an octave off


def test_the_pitch_does_not_lag(speech: Speech) -> None:
    """On a voice that rises and falls by an octave in a second: 5 ms of delay would measure 0.19, none 0.05."""
    octaves = 0.5 * np.sin(2 * np.pi * np.arange(3 * RATE) / RATE)
    phase = np.cumsum(150 * 2**octaves) / RATE % 1
    clip = AudioClip((0.3 * (phase - 0.5)).astype(np.float32), RATE)
    moved = _shift(clip, _convert(clip, pitch_semitones=4))
    assert np.percentile(np.abs(moved - 4), 90) < 0.1


@pytest.mark.parametrize("formants", VOWELS)
@pytest.mark.parametrize("ratio", [0.8, 0.9, 1.12, 1.25])
def test_formants_move_by_what_is_asked(formants: tuple[int, ...], ratio: float) -> None:
    """On vowels of known formants; in real speech the estimate itself is several per cent off, before and after."""
    before, after = (_formants(clip) for clip in (_vowel(formants), _convert(_vowel(formants), formant=ratio)))
    assert before == pytest.approx(formants, rel=0.05)
    assert after / before == pytest.approx(ratio, rel=0.03)


@pytest.mark.parametrize("formants", VOWELS)
def test_formants_stay_when_the_pitch_moves(formants: tuple[int, ...]) -> None:
    vowel = _vowel(formants)
    assert _formants(_convert(vowel, pitch_semitones=-3)) == pytest.approx(_formants(vowel), rel=0.05)


def test_pitch_stays_when_formants_move(speech: Speech) -> None:
    assert np.median(_shift(speech.audio, _convert(speech.audio, formant=1.2))) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("parameters", [{}, {"pitch_semitones": 4}, {"pitch_semitones": -10, "formant": 0.8}])
def test_phoneme_times_still_hold(speech: Speech, parameters: dict[str, float]) -> None:
    changed = _convert(speech.audio, **parameters)
    assert len(changed.samples) == len(speech.audio.samples) and changed.sample_rate == speech.audio.sample_rate
    assert abs(_drift_s(speech.audio, changed)) < 0.01


def test_unvoiced_sounds_stay_noise() -> None:
    noise = AudioClip(np.random.default_rng(0).normal(0, 0.05, RATE).astype(np.float32), RATE)
    changed = _convert(noise, pitch_semitones=7)
    level = 20 * np.log10(np.std(changed.samples) / np.std(noise.samples))
    assert abs(level) < 3
    assert np.mean(_heard(changed).confidence >= 0.5) < 0.05


@settings(max_examples=60)
@example(0, 22_050, 0.0, 1.0, 1.0)
@example(1, 8000, 24.0, 2.0, 1.0)
@example(2047, 48_000, -24.0, 0.5, 1e-30)
@given(
    length=st.integers(0, 4000),
    rate=st.integers(8000, 48_000),
    semitones=st.floats(-24, 24),
    formant=st.floats(0.5, 2),
    level=st.sampled_from([0.0, 1e-4, 0.3, 1.0]),
)
def test_any_clip_keeps_its_length(length: int, rate: int, semitones: float, formant: float, level: float) -> None:
    samples = level * np.random.default_rng(length).uniform(-1, 1, length) * np.sin(np.arange(length) * 800 / rate)
    changed = _convert(AudioClip(samples.astype(np.float32), rate), pitch_semitones=semitones, formant=formant)
    assert (len(changed.samples), changed.sample_rate) == (length, rate)
    assert np.isfinite(changed.samples).all() and np.abs(changed.samples).max(initial=0) <= 1


@pytest.mark.parametrize("samples", [np.zeros(5000), np.ones(5000), np.full(5000, -0.3), np.eye(1, 5000, 2500)[0]])
@pytest.mark.parametrize("rate", [8000, 22_050, 48_000])
def test_what_is_no_voice_becomes_none(samples: Array, rate: int) -> None:
    """Silence, a constant and a click; a constant has no sound, though resampling gives its ends one."""
    changed = _convert(AudioClip(samples.astype(np.float32), rate), pitch_semitones=12, formant=1.3)
    assert len(changed.samples) == 5000 and np.abs(changed.samples).max() <= 1
    assert np.std(changed.samples) < 0.05
    if not samples.any():
        assert not changed.samples.any()


def test_a_loud_voice_gets_no_louder_than_full(speech: Speech) -> None:
    assert np.abs(speech.audio.samples).max() == pytest.approx(1)
    peaks = [np.abs(_convert(speech.audio, pitch_semitones=each).samples).max() for each in (-4.0, 0.0, 4.0)]
    assert max(peaks) <= 1 and min(peaks) > 0.5


def test_the_same_again_is_the_same(speech: Speech) -> None:
    """Whatever came before it, and with others around it."""
    wish = json.dumps({"pitch_semitones": 3.3})
    alone = Engine(Options()).convert([Part(speech.audio, None, wish)])[0]
    part = Part(speech.audio, None, wish)
    together = ENGINE.convert([Part(ENGINE.example, None, "{}"), part, part])
    assert np.array_equal(alone.samples, together[1].samples) and np.array_equal(alone.samples, together[2].samples)


def test_the_engine_is_found_and_its_example_runs() -> None:
    assert "world" in engines.names("rvc")
    engine = engines.load("rvc", "world", {})
    model = engine.load("")
    assert engine.size_bytes(model) == 0
    changed = engine.convert([Part(engine.example, model, "{}")])
    assert len(changed[0].samples) == len(engine.example.samples) and changed[0].samples.any()
    assert "pyworld" in engines.node("rvc", "world", {}).version
    with pytest.raises(ValueError, match="colour"):
        engines.load("rvc", "world", {"colour": "red"})


def test_it_has_no_models() -> None:
    with pytest.raises(UnknownVoice, match=r"no model 'Ara\.pth' for the engine world") as caught:
        ENGINE.load("Ara.pth")
    assert "rvc" in str(caught.value.hint)


def test_the_old_pitch_is_in_octaves() -> None:
    assert Parameters.model_validate({"pitch": 0.12}).pitch_semitones == pytest.approx(1.44)
    assert Parameters.model_validate({"pitch": -1, "formant": 1.1}) == Parameters(pitch_semitones=-12, formant=1.1)
    assert "pitch" not in json.loads(Parameters.model_validate({"pitch": 1}).model_dump_json())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"pitch_semitones": 25}', "pitch_semitones: .*24"),
        ('{"pitch": 2.1}', "pitch_semitones: .*24"),
        ('{"pitch": "0.1"}', "pitch: "),
        ('{"pitch": 1, "pitch_semitones": 1}', "parameters: .*not both"),
        ('{"pitch_semitones": NaN}', "pitch_semitones: "),
        ('{"formant": 0.4}', r"formant: .*0\.5"),
        ('{"index_rate": 0.5}', "index_rate: "),
        ("[]", "parameters: "),
        ("pitch", "parameters: "),
    ],
)
def test_wrong_parameters_are_named(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        ENGINE.convert([Part(ENGINE.example, None, text)])
    assert "formant" in str(caught.value.hint)


def test_warping_moves_a_peak() -> None:
    envelope = np.exp(-((np.arange(513) - 100.0) ** 2) / 200)[None].repeat(3, axis=0) + 1e-9
    assert warp(envelope, 1.0) is envelope
    for ratio in (0.5, 0.83, 1.5, 2.0):
        moved = warp(envelope, ratio)
        assert moved.shape == envelope.shape and moved.flags.c_contiguous
        assert np.argmax(moved, axis=1) == pytest.approx(100 * ratio, abs=1)
        assert moved.max() == pytest.approx(envelope.max(), rel=0.01)


def test_importing_it_warns_of_nothing() -> None:
    """pyworld asks pkg_resources for its version: a user's log should not hear of it."""
    code = "import deployments.rvc.engines.world"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""
