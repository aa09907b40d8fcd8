"""Makes Wav2Lip checkpoints with random weights, in the layouts that go about: nobody's mouth, they draw noise."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deployments.avatar.contract import Canvas, Face, Portrait
from deployments.avatar.engines.wav2lip.network import Wav2Lip
from deployments.avatar.engines.wav2lip.parity import Key, fill

NAME = "wav2lip_gan.pth"


def keys() -> list[Key]:
    """Of all tensors, in order, with the kinds of the fill rule."""
    with torch.device("meta"):
        network = Wav2Lip()
    residual = {name for name, module in network.named_modules() if getattr(module, "residual", False)}
    return [(name, tuple(tensor.shape), _kind(name, tensor, residual)) for name, tensor in network.state_dict().items()]


def _kind(name: str, tensor: Tensor, residual: set[str]) -> str:
    block, _, leaf = name.rpartition(".")
    if tensor.ndim == 4:
        grown = tensor.shape[0] > tensor.shape[1] and block.startswith("face_decoder_blocks") and tensor.shape[2] == 3
        return "conv_w_out" if block == "output_block.1" else "convT_w" if grown else "conv_w"
    if block.endswith("conv_block.0") or block == "output_block.1":
        return "conv_b"
    if leaf == "weight":
        return "bn_w_res" if block.removesuffix(".conv_block.1") in residual else "bn_w"
    return {"bias": "bn_b", "running_mean": "bn_mean", "running_var": "bn_var", "num_batches_tracked": "bn_count"}[leaf]


def random_weights(seed: int = 1) -> dict[str, Tensor]:
    """352 tensors by name, float32; 145 MB."""
    return {name: torch.from_numpy(values) for name, values in fill(keys(), seed).items()}


def published(weights: dict[str, Tensor]) -> dict[str, Any]:
    """What upstream's trainer saves; of its optimizer no more than that there is one."""
    named = {f"module.{name}": tensor for name, tensor in weights.items()}
    return {"state_dict": named, "optimizer": {"state": {}}, "global_step": 1, "global_epoch": 1}


def save(models_dir: Path, weights: dict[str, Tensor], name: str = NAME) -> Path:
    """wav2lip/NAME below the models folder."""
    path = models_dir / "wav2lip" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(published(weights), path)
    return path


def trace(network: torch.nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    """A TorchScript archive of a network."""
    jit: Any = torch.jit  # whose functions have no types
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # users have such archives all the same
        jit.trace(network.eval(), inputs).save(str(path))


def somebody(size: int = 256, alpha: int = 255) -> tuple[Portrait, Face]:
    """A coloured gradient as a portrait, with an upright oval face in its middle."""
    down, across = np.mgrid[:size, :size].astype(np.float32) / size
    pixels = np.stack((200 - 60 * down, 150 + 40 * across, 120 + 30 * down), axis=2)
    rgba = np.dstack((pixels, np.full((size, size), alpha))).astype(np.uint8)
    around = np.linspace(0, 2 * np.pi, 478)
    oval = np.stack((size * (0.5 + 0.16 * np.cos(around)), size * (0.45 + 0.2 * np.sin(around)), 0 * around), axis=1)
    box = (0.34 * size, 0.32 * size, 0.66 * size, 0.65 * size)
    return Portrait(rgba), Face(oval.astype(np.float32), box, 0.9, "given")


def canvas(size: int = 128, fps: int = 25) -> Canvas:
    return Canvas(size, size, fps)
