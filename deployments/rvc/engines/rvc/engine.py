"""The engine itself: voices in memory, pitch, and the pipeline. Imports torch and transformers: seconds and 300 MB."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import ValidationError

from deployments.core.errors import BadInput, UnknownSpeaker, VoiceNotInstalled
from deployments.core.types import AudioClip
from deployments.device import choose_device, choose_dtype, tune
from deployments.rvc.contract import Part
from deployments.rvc.folder import ModelFolder

from . import Options, Parameters
from .batches import Batches, batch_frames
from .checkpoint import load_voice
from .contentvec import LARGEST_TENSOR, ContentVec
from .f0 import F0, Estimator, SwiftF0, fill_unvoiced, harvest, median
from .index import FeatureIndex
from .loudness import limit_peak
from .pipeline import Job, Pipeline, Tuning, Voice
from .rmvpe import Rmvpe
from .signals import Framing, to_model_rate

_CPU_PAD_S = 0.5
"""Half of upstream's, which saves 60 ms of 0.6 s for a sentence of 3 s. The extractor normalises over all that it gets,
so that no padding is the right one: against features with 1 s, those with 2 s keep 20-25 dB of SNR, with 0.7 s 18-23,
0.5 s 15-21, 0.3 s 13-19, at the edges as in the middle (0.8-2.2 s of speech; hubert-base and the references' extractor,
random weights)."""
_GPU_GRID_S = 0.5
"""On a GPU sentences are padded up to multiples of this: otherwise hardly two had the same length, and the extractor
could not batch them. On a CPU, where a batch gains nothing, it would cost 0.25 s of work per sentence."""
_CPU_WINDOWS = (50, 100, 200, 300)
"""10 ms frames that a CPU decodes at a time. A new size costs oneDNN up to 1.2 s of CPU and 150 MB for 100 frames, in
bfloat16 with AMX, and every sentence has another one: decoded at once a 3 s sentence took three times as long as its
repetition, and ten sentences took 2.7 GB. The result is the same; the context adds 26 frames to each window, so that
few large ones are better: with 50 and 100 alone 3 s took a quarter longer (0.45 of real time, 0.36 so)."""
_MIN_FILTER_RADIUS = 3
"""From here on harvest is filtered: upstream's."""


def _example() -> AudioClip:
    """A second of a buzz that glides from 120 to 180 Hz, 16 kHz."""
    cycles = np.cumsum(np.linspace(120, 180, 16_000) / 16_000) % 1
    return AudioClip((0.4 * (cycles - 0.5)).astype(np.float32), 16_000)


class Engine:
    """Converts with RVC voices. For one thread at a time: a conversion uses all cores, or the whole GPU, already."""

    example: ClassVar[AudioClip] = _example()

    def __init__(self, options: Options) -> None:
        self._folder = ModelFolder(options.models_dir)
        self._device = choose_device(options.device)
        self._dtype = choose_dtype(options.dtype, self._device)
        tune(self._dtype, one_shape=False)
        pad_s, grid_s = (_CPU_PAD_S, 0.0) if self._device.type == "cpu" else (Framing.pad_s, _GPU_GRID_S)
        self._framing = Framing(pad_s=options.pad_s or pad_s, grid_s=grid_s)
        self._swift_f0 = SwiftF0()

    def load(self, model: str) -> Voice:
        """Reads NAME.pth, NAME.index beside it, and, for the first voice, ContentVec.

        Raises:
            UnknownVoice: no such file.
            VoiceNotInstalled: ContentVec is missing.
            BadModel: a file is damaged, unsafe, or of a kind that is not served.
        """
        files = self._folder.find(model)
        config, network = load_voice(files.checkpoint)
        features = None if files.index is None else FeatureIndex(files.index, config.phone_width)
        network.windows = _CPU_WINDOWS if self._device.type == "cpu" else ()
        voice = Voice(model, config, network.in_dtype(self._dtype).to(self._device), features)
        self._pipeline  # noqa: B018  # the first voice brings the extractor along: the first sentence should not wait
        return voice

    def size_bytes(self, model: Voice) -> int:
        """Of the network, and of its index, which stays in main memory."""
        return model.size_bytes

    def check(self, part: Part[Voice]) -> None:
        """Whether a part can be converted.

        Raises:
            BadInput: parameters that are not those of Parameters.
            UnknownSpeaker: the voice has fewer speakers.
            VoiceNotInstalled: rmvpe without its weights.
        """
        wish, speakers = _parameters(part), part.model.config.speakers
        if wish.speaker >= speakers:
            raise UnknownSpeaker(
                f"voice.speaker: {part.model.name} has no speaker {wish.speaker}.",
                hint=f"Allowed: 0 to {speakers - 1}.",
            )
        if wish.f0_method == "rmvpe" and part.model.config.has_f0:
            self._rmvpe  # noqa: B018

    def convert(self, parts: Sequence[Part[Voice]]) -> list[AudioClip]:
        """Converts sentences together; the same sound becomes the same sound, alone and (to rounding) among others.

        Raises:
            BadInput: as check.
        """
        steps = self.steps(parts)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                clips: list[AudioClip] = end.value
                return clips

    def steps(self, parts: Sequence[Part[Voice]]) -> Generator[None, None, list[AudioClip]]:
        """As convert, but comes back between calls of the networks, every 40 s of sound or so: a caller can stop it."""
        for part in parts:
            self.check(part)
        jobs = [self._job(part, _parameters(part)) if len(part.audio.samples) else None for part in parts]
        yield from self._pipeline.run([job for job in jobs if job is not None])
        return [_clip(part, job) for part, job in zip(parts, jobs, strict=True)]

    @functools.cached_property
    def _pipeline(self) -> Pipeline:
        extractor = ContentVec(self._contentvec()).to(self._device, self._dtype)
        frames = batch_frames(self._device, LARGEST_TENSOR * self._dtype.itemsize)
        return Pipeline(extractor, self._device, Batches(frames), Batches(frames))

    def _contentvec(self) -> Path:
        folder = self._folder.contentvec
        if not folder.is_dir():
            raise VoiceNotInstalled(
                "voice: ContentVec, which every rvc voice needs, is not installed here.",
                hint="Run: avatar-serve models pull contentvec",
            )
        return folder

    @functools.cached_property
    def _rmvpe(self) -> Rmvpe:
        if not self._folder.rmvpe.is_file():
            raise VoiceNotInstalled(
                "voice.f0_method: rmvpe is not installed here.", hint="Run: avatar-serve models pull rmvpe"
            )
        return Rmvpe(self._folder.rmvpe, self._device)

    def _job(self, part: Part[Voice], wish: Parameters) -> Job:
        tuning = Tuning(wish.speaker, wish.index_rate, wish.protect, wish.rms_mix_rate)
        job = Job.of(to_model_rate(part.audio), part.model, tuning, self._framing)
        f0 = self._f0(job, wish) if part.model.config.has_f0 else None
        job.cut(f0, seed=_seed(part.audio), length=_length(part))
        return job

    def _f0(self, job: Job, wish: Parameters) -> F0:
        estimators: dict[str, Estimator] = {"swift-f0": self._swift_f0, "harvest": harvest}
        f0 = (self._rmvpe if wish.f0_method == "rmvpe" else estimators[wish.f0_method])(job.padded)
        if wish.f0_method == "harvest" and wish.filter_radius >= _MIN_FILTER_RADIUS:
            f0 = median(f0)
        if wish.unvoiced == "interpolate":
            f0 = fill_unvoiced(f0)
        shifted: F0 = f0 * 2 ** (wish.pitch_semitones / 12)
        return shifted


def _parameters(part: Part[Voice]) -> Parameters:
    try:
        return Parameters.model_validate_json(part.parameters)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(["voice", *(str(place)[:80] for place in first["loc"])])
        raise BadInput(f"{field}: {first['msg']}.") from error


def _seed(audio: AudioClip) -> int:
    """Of the noise: the same sound is always converted the same way."""
    return int.from_bytes(hashlib.blake2b(audio.samples.tobytes(), digest_size=7).digest(), "little")


def _clip(part: Part[Voice], job: Job | None) -> AudioClip:
    """Exactly as long as the input."""
    rate = part.model.config.sample_rate
    if job is None:
        return AudioClip(np.zeros(0, np.float32), rate)
    return AudioClip(limit_peak(job.result()[: _length(part)]), rate)


def _length(part: Part[Voice]) -> int:
    """Samples of output."""
    return round(len(part.audio.samples) * part.model.config.sample_rate / part.audio.sample_rate)
