"""Makes small models with random weights in the layouts of real ones: no voice of anybody, they sound like noise."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import HubertConfig, HubertModel

from deployments.rvc.engines.rvc.config import parse
from deployments.rvc.engines.rvc.synthesizer import Synthesizer
from serve_app import cli

SPEAKERS = 5
_NORMED = ("dec.ups.", "dec.resblocks.", ".enc.in_layers.", ".enc.res_skip_layers.", ".enc.cond_layer.")
"""What has weight norm in a checkpoint."""


def config(rates: tuple[int, ...] = (10, 10, 2, 2), sample_rate: Any = 40_000) -> list[Any]:
    """The 18 values of a small voice."""
    kernels = [2 * rate for rate in rates]
    sizes = [1025, 32, 24, 24, 48, 2, 2, 3, 0, "1", [3, 7, 11], [[1, 3, 5]] * 3]
    return [*sizes, list(rates), 64, kernels, SPEAKERS, 16, sample_rate]


def checkpoint(values: list[Any] | None = None, version: str = "v2", f0: int = 1, seed: int = 0) -> dict[str, Any]:
    """What torch.save gets in a trainer."""
    values = values or config()
    torch.manual_seed(seed)
    network = Synthesizer(parse(values, version, f0, SPEAKERS))
    weights: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        fan_in = tensor[0].numel() if tensor.ndim > 1 else 0
        value = torch.randn_like(tensor) * (1.5 / fan_in) ** 0.5 if fan_in else tensor
        if name.endswith(".weight") and any(part in name for part in _NORMED):
            weights[f"{name}_v"] = value.half()
            weights[f"{name}_g"] = value.flatten(1).norm(dim=1).view(-1, *[1] * (value.ndim - 1)).half()
        else:
            weights[name] = value.half()
    return {"weight": weights, "config": values, "info": "0epoch", "sr": "40k", "f0": f0, "version": version}


def save_voice(folder: Path, name: str = "Ara", **choices: Any) -> Path:
    """rvc/NAME.pth below the models folder."""
    path = folder / "rvc" / f"{name}.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint(**choices), path)
    return path


def save_contentvec(folder: Path, safetensors: bool = False, seed: int = 1) -> Path:
    """contentvec/ below the models folder: few layers and channels, the right width."""
    torch.manual_seed(seed)
    sizes = HubertConfig(
        num_hidden_layers=9, intermediate_size=32, conv_dim=(16,) * 7, num_conv_pos_embeddings=16, num_attention_heads=4
    )
    hubert = HubertModel(sizes)
    weights = {name: tensor.clone() for name, tensor in hubert.state_dict().items()}
    weights |= {"final_proj.weight": torch.randn(256, 768) / 28, "final_proj.bias": torch.zeros(256)}
    home = folder / "contentvec"
    home.mkdir(parents=True, exist_ok=True)
    sizes.save_pretrained(home)
    if safetensors:
        from safetensors.torch import save_file

        save_file(weights, home / "model.safetensors")
    else:  # as RVC-Project has it: half precision, and names from before 2023
        old = {name.replace("parametrizations.weight.original0", "weight_g"): t for name, t in weights.items()}
        old = {name.replace("parametrizations.weight.original1", "weight_v"): t.half() for name, t in old.items()}
        torch.save(old, home / "pytorch_model.bin")
    return home


def save_index(path: Path, width: int = 768, vectors: int = 300, cells: int = 7) -> Path:
    """A faiss index as the trainers write it."""
    data = np.random.default_rng(2).standard_normal((vectors, width)).astype(np.float32)
    index: Any = faiss.index_factory(width, f"IVF{cells},Flat")
    index.train(data)
    index.add(data)
    faiss.write_index(index, str(path))
    return path


@contextmanager
def installed(data_dir: Path, models: Path, name: str) -> Iterator[Path]:
    """A character of that name, installed as a user does it; gives the folder of voices."""
    save_contentvec(models)
    brought = data_dir / "brought"
    checkpoint = save_voice(brought, name)
    index = save_index(checkpoint.with_suffix(".index"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(data_dir))
        assert cli.main(["voices", "add", str(checkpoint), str(index), "--name", name, "--pitch-semitones", "2"]) == 0
    yield models / "rvc"
    shutil.rmtree(brought)
    shutil.rmtree(models)


def speech(seconds: float, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """Something between vowels and hissing, in turns of a fifth of a second; float32."""
    times = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    cycles = np.cumsum(150 * 2 ** (0.3 * np.sin(2 * np.pi * times / 1.7 + seed)) / rate)
    vowel = sum(np.sin(2 * np.pi * cycles * k) / k for k in range(1, 12)) * 0.2
    hiss = rng.standard_normal(len(times)) * 0.05
    return np.where(np.floor(times * 5) % 3 == 2, hiss, vowel).astype(np.float32)
