"""Portraits that talk by Wav2Lip: everything but the mouth is the still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from deployments.avatar.contract import SAMPLE_RATE, Canvas, Face, Part, Portrait
from deployments.avatar.framing import frame
from deployments.core.errors import BadInput
from deployments.core.types import AudioClip, read_only
from deployments.device import choose_device, choose_dtype, tune

from . import Options, Parameters, check_licence
from .batches import CPU_BATCH, GPU_BATCH, Batches
from .checkpoint import load
from .face import Crop, Paster, crop
from .files import find
from .mel import windows
from .network import Wav2Lip


@dataclass(frozen=True, eq=False)
class State:
    """A portrait that waits for a sound."""

    still: NDArray[np.uint8]
    """(height, width, 3) uint8 RGB, read-only."""
    face: Crop
    encoded: tuple[Tensor, ...]
    """What the decoder needs of the face; on the engine's device."""
    fps: int
    """Frames in a second."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "still", read_only(self.still))


@dataclass(frozen=True, eq=False)
class _Wish:
    """One frame that is to be drawn."""

    part: int
    """Which of the parts."""
    state: State
    heard: NDArray[np.float32]
    """(80, 16) float32 mel."""


def _example() -> AudioClip:
    """Half a second of a buzz that glides from 120 to 180 Hz, 16 kHz."""
    cycles = np.cumsum(np.linspace(120, 180, SAMPLE_RATE // 2) / SAMPLE_RATE) % 1
    return AudioClip((0.4 * (cycles - 0.5)).astype(np.float32), SAMPLE_RATE)


class Engine:
    """Draws mouths for what is heard. For one thread at a time: a call uses its threads, or the whole GPU, already."""

    example: ClassVar[AudioClip] = _example()

    def __init__(self, options: Options) -> None:
        """
        Raises:
            EngineNotInstalled: the licence is not accepted, or the weights are missing; says what to do.
            BadModel: the weights are damaged, unsafe, or of another network.
            BadInput: a device that this machine does not have.
        """
        check_licence(options)
        path = find(options.models_dir, options.checkpoint)
        self._device = choose_device(options.device)
        self._dtype = choose_dtype(options.dtype, self._device)
        tune(self._dtype, one_shape=True)
        network: Any = load(path).folded()  # the type of `to` does not know memory_format
        self._network: Wav2Lip = network.to(self._device, self._dtype, memory_format=torch.channels_last)
        if self._device.type == "cpu":
            self._batches = Batches(options.batch_size or CPU_BATCH, options.threads or torch.get_num_threads())
        else:
            self._batches = Batches(options.batch_size or GPU_BATCH)

    @property
    def frames_at_a_time(self) -> int:
        """A group for each thread: a part of a group is filled up to one, and costs as much."""
        return self._batches.size * self._batches.threads

    def prepare(self, portrait: Portrait, face: Face, canvas: Canvas, backdrop: Portrait | None = None) -> State:
        """Cuts the portrait and encodes its face, once: exact, as a still shows the same face in every frame.

        Raises:
            NoFace: it is too small, or not on the canvas.
        """
        scene = frame(portrait, face, canvas, backdrop)
        found = crop(scene)
        (encoded,) = self._batches.call(self._encode, [found.network_input[None]])
        return State(scene.still, found, encoded, canvas.fps)

    def size_bytes(self, state: State) -> int:
        """Of the still, the crop and the encoded face: 2 MB for 512 x 512 pixels."""
        tensors = sum(tensor.nbytes for tensor in state.encoded)
        return state.still.nbytes + state.face.pixels.nbytes + state.face.alpha.nbytes + tensors

    def render(self, parts: Sequence[Part[State]]) -> list[NDArray[np.uint8]]:
        """Frames of several videos, in batches that do not care whose they are.

        Returns:
            For each part (N, height, width, 3) uint8 RGB.

        Raises:
            BadInput: parameters that are not those of Parameters.
            torch.OutOfMemoryError: not even one frame fits on the device.
        """
        pasters = [Paster(part.state.still, part.state.face, _parameters(part).feather) for part in parts]
        wishes = [
            _Wish(number, part.state, heard)
            for number, part in enumerate(parts)
            for heard in windows(part.audio.samples, part.frames, part.state.fps)
        ]
        frames: list[list[NDArray[np.uint8]]] = [[] for _ in parts]
        for wish, drawn in self._batches.run(wishes, self._draw):
            frames[wish.part].append(pasters[wish.part](drawn.numpy()))
        return [_stacked(found, part.state) for found, part in zip(frames, parts, strict=True)]

    @torch.inference_mode()
    def _encode(self, face: NDArray[np.float32]) -> tuple[Tensor, ...]:
        """See network.Wav2Lip.encode."""
        return tuple(self._network.encode(self._tensor(face)))

    @torch.inference_mode()
    def _draw(self, wishes: Sequence[_Wish]) -> Tensor:
        """(N, 96, 96, 3) float32 BGR in 0-1, on the CPU."""
        mel = self._tensor(np.stack([wish.heard for wish in wishes])[:, None])
        runs = [(state, len(list(run))) for state, run in groupby(wish.state for wish in wishes)]
        levels = zip(
            *([level.expand(count, -1, -1, -1) for level in state.encoded] for state, count in runs), strict=True
        )
        drawn: Tensor = self._network.decode(mel, [torch.cat(level) for level in levels])
        return drawn.permute(0, 2, 3, 1).float().cpu()

    def _tensor(self, values: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(values).to(self._device, self._dtype)
        return tensor.contiguous(memory_format=torch.channels_last)


def _stacked(frames: list[NDArray[np.uint8]], state: State) -> NDArray[np.uint8]:
    return np.stack(frames) if frames else np.zeros((0, *state.still.shape), np.uint8)


def _parameters(part: Part[State]) -> Parameters:
    try:
        return Parameters.model_validate_json(part.parameters)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(["parameters", *(str(place)[:80] for place in first["loc"])])
        raise BadInput(f"{field}: {first['msg']}.") from error
