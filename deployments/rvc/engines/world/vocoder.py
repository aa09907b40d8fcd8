"""The vocoder: takes a voice apart, changes it, and puts it together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pyworld
import soxr
import swift_f0
from numpy.typing import NDArray
from pydantic import ValidationError

from deployments.core.errors import BadInput, UnknownVoice
from deployments.core.types import AudioClip
from deployments.rvc.contract import Part

from . import Options, Parameters

Array = NDArray[np.float64]

FRAME_S = 0.005
"""Seconds between frames: WORLD's own default."""
LOWEST_HZ, HIGHEST_HZ = 50.0, 1100.0
"""Range in which a pitch is looked for: RVC's, so that both engines hear the same."""
USUAL_LOWEST_HZ = 71.0
"""CheapTrick's own lowest pitch. A deeper voice needs twice the window, and takes 1.6 times as long as a whole."""
VOICED = 0.5
"""Confidence from which swift-f0 calls a frame voiced."""
MIN_RATE = 16_000
"""Hz. D4C looks at the spectrum up to 7.9 kHz, and reads beyond its buffers where there is none."""


def _example() -> AudioClip:
    """Half a second of a buzz at 120 Hz, 16 kHz."""
    phases = np.arange(8000) * (120 / 16_000) % 1
    return AudioClip((0.2 * (phases - 0.5)).astype(np.float32), 16_000)


class Engine:
    """Moves pitch and formants; needs no model."""

    example: ClassVar[AudioClip] = _example()

    def __init__(self, options: Options) -> None:
        # One thread: 7 ms for a second of audio; and threads that wait without spinning leave the CPU to others.
        self._pitch = swift_f0.SwiftF0(threads=1, spin=False)

    def load(self, model: str) -> None:
        """Nothing to load.

        Raises:
            UnknownVoice: a model is named.
        """
        if model:
            raise UnknownVoice(
                f"there is no model {model[:80]!r} for the engine world: it is an effect, and has no models.",
                hint="Leave the model out, or choose the engine rvc.",
            )

    def size_bytes(self, model: None) -> int:
        """0: there is nothing to keep."""
        return 0

    def check(self, part: Part[None]) -> None:
        """Any sound will do.

        Raises:
            BadInput: parameters that are not those of Parameters.
        """
        _parameters(part.parameters)

    def convert(self, parts: Sequence[Part[None]]) -> list[AudioClip]:
        """One after another: WORLD has no batches. Rate and length stay."""
        wishes = [_parameters(part.parameters) for part in parts]
        return [self._convert(part.audio, wish) for part, wish in zip(parts, wishes, strict=True)]

    def _convert(self, audio: AudioClip, wish: Parameters) -> AudioClip:
        """The clip with another voice: as many samples, none beyond 1."""
        if not audio.samples.any():  # silence, or no samples at all
            return audio
        rate = max(audio.sample_rate, MIN_RATE)
        voice = _resample(audio.samples.astype(np.float64), audio.sample_rate, rate)
        changed = _resample(self._transform(voice, rate, wish), rate, audio.sample_rate)
        samples = np.zeros(len(audio.samples))
        samples[: len(changed)] = changed[: len(samples)]
        # WORLD's pulses add up to more than 1 now and then (1.04 was seen): the whole clip gets softer, none is cut.
        return AudioClip((samples / max(1.0, np.abs(samples).max())).astype(np.float32), audio.sample_rate)

    def _transform(self, voice: Array, rate: int, wish: Parameters) -> Array:
        """(T,) float64 samples -> at least as many.

        Args:
            voice: (T,) float64, T >= 1.
            rate: Hz, at least MIN_RATE.
            wish: what to change.
        """
        times = FRAME_S * np.arange(int(len(voice) / rate / FRAME_S) + 2, dtype=np.float64)
        pitch = self._track(voice, rate, times)
        lowest = pitch[pitch > 0].min(initial=USUAL_LOWEST_HZ)
        fft_size = pyworld.get_cheaptrick_fft_size(rate, max(lowest, LOWEST_HZ))
        envelope = pyworld.cheaptrick(voice, pitch, times, rate, fft_size=fft_size)
        noisiness = pyworld.d4c(voice, pitch, times, rate, fft_size=fft_size)
        higher = pitch * 2 ** (wish.pitch_semitones / 12)
        changed: Array = pyworld.synthesize(higher, warp(envelope, wish.formant), noisiness, rate, FRAME_S * 1000)
        return changed

    def _track(self, voice: Array, rate: int, times: Array) -> Array:
        """(F,) float64 Hz at `times`, 0 where the voice is silent or noise.

        swift-f0 has a frame every 16 ms, of which its own times say the middle: on a voice of known pitch the error
        is least at no delay. Between voiced frames the pitch is a line in octaves; voicing is the nearest frame's.
        """
        slow = _resample(voice, rate, swift_f0.SAMPLE_RATE)
        heard = self._pitch.detect(slow, swift_f0.SAMPLE_RATE, LOWEST_HZ, HIGHEST_HZ)
        voiced = heard.confidence >= VOICED
        if not voiced.any():
            return np.zeros(len(times))
        octaves = np.interp(times, heard.timestamps[voiced], np.log2(heard.pitch_hz[voiced]))
        nearest = np.rint(times / swift_f0.FRAME_PERIOD).astype(int).clip(max=len(voiced) - 1)
        return np.where(voiced[nearest], 2**octaves, 0.0)


def warp(envelope: Array, ratio: float) -> Array:
    """Moves what is at a frequency to `ratio` times it, by linear interpolation of the logarithm.

    What would come from above the highest frequency is that of the highest.

    Args:
        envelope: (F, K) float64 power, positive; column k is at k / (K - 1) of half the sample rate.
        ratio: above 0.

    Returns:
        (F, K) float64.
    """
    if ratio == 1:
        return envelope
    sources = np.minimum(np.arange(envelope.shape[1]) / ratio, envelope.shape[1] - 1)
    below = sources.astype(int)
    above = np.minimum(below + 1, envelope.shape[1] - 1)
    levels = np.log(envelope)
    left, right = levels.take(below, axis=1), levels.take(above, axis=1)  # unlike levels[:, below], C-contiguous
    moved: Array = np.exp(left + (sources - below) * (right - left))
    return moved


def _resample(samples: Array, rate: int, wanted: int) -> Array:
    """(T,) float64 at `wanted` Hz: T * wanted / rate samples, give or take one, and at least one."""
    if rate == wanted:
        return samples
    resampled: Array = soxr.resample(samples, rate, wanted)
    return resampled if len(resampled) else np.zeros(1)


def _parameters(text: str) -> Parameters:
    try:
        return Parameters.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "parameters"
        raise BadInput(
            f"{field}: {first['msg']}.",
            hint="The engine world takes pitch_semitones (-24 to 24) and formant (0.5 to 2).",
        ) from error
