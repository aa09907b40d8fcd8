"""Compares the engine with references: is it right on this machine, in this precision?

A folder is laid out like the project's shared/data/wav2lip: `keys.json` and `fill_check.json`, the rule by which the
network is filled with numbers; `io.npz`, what it makes of four faces and sounds; `mel_ref.npz`, spectrograms of sounds.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deployments.core.parity import Row, compare
from deployments.device import Device, Precision, choose_device, choose_dtype, tune

from .mel import mel_spectrogram
from .network import Wav2Lip

Key = tuple[str, tuple[int, ...], str]
"""Name, shape and kind of a tensor."""

_OUT = 1e-4
"""Of the network's output, 0-1, in float32: correct runs differ by 3e-6."""
_MEL = 1e-5
"""Of a spectrogram, -4 to 4; zeros at the edges in place of reflection are off by 0.6."""
_LOW_PRECISION_DB = 25.0
"""Least SNR of the output in float16 and bfloat16."""


def check(folder: Path, device: Device = "auto", dtype: Precision = "float32") -> Iterator[Row]:
    """Runs all cases of a folder.

    Raises:
        BadInput: a device that this machine does not have.
        ValueError: there are none, or the filled network is not the references' one.
    """
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    tune(precision, one_shape=True)
    cases, sounds = folder / "io.npz", folder / "mel_ref.npz"
    if not cases.is_file() or not sounds.is_file():
        raise ValueError(f"{folder}: there are no cases (io.npz, mel_ref.npz).")
    yield _output_row(folder, np.load(cases), place, precision)
    arrays = np.load(sounds)
    for name in [name.removesuffix("_wav") for name in arrays.files if name.endswith("_wav")]:
        mel = mel_spectrogram(arrays[f"{name}_wav"])
        yield compare("mel_ref", f"{name}_mel", mel, arrays[f"{name}_mel_reflect"], _MEL, float(arrays["tol_snr_db"]))


@torch.inference_mode()
def _output_row(folder: Path, arrays: Any, device: torch.device, dtype: torch.dtype) -> Row:
    network: Any = filled_network(folder, int(arrays["seed"])).folded()
    network.to(device, dtype, memory_format=torch.channels_last)
    mel, face = (torch.from_numpy(arrays[name]).to(device, dtype) for name in ("mel", "face"))
    out: Tensor = network(mel, face.contiguous(memory_format=torch.channels_last))
    low = dtype != torch.float32
    most, least = (math.inf, _LOW_PRECISION_DB) if low else (_OUT, float(arrays["tol_snr_db"]))
    return compare("io", "out", out.float().cpu(), arrays["out"], most, least)


def filled_network(folder: Path, seed: int) -> Wav2Lip:
    """The references' network, filled by the rule of the folder's README; float32, on the CPU.

    Raises:
        ValueError: the numbers are not those that the references were made with.
    """
    keys = json.loads((folder / "keys.json").read_text(encoding="utf-8"))
    check = json.loads((folder / "fill_check.json").read_text(encoding="utf-8"))
    weights = fill([(name, tuple(shape), kind) for name, shape, _, kind in keys], seed)
    digest = hashlib.sha256()
    for name, values in weights.items():
        digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    if seed == check["seed"] and digest.hexdigest() != check["sha256"]:
        raise ValueError(f"{folder}: the filled network has another SHA-256 than fill_check.json.")
    network = Wav2Lip()
    network.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return network


def fill(keys: Sequence[Key], seed: int) -> dict[str, NDArray[Any]]:
    """Random numbers for a network, by name: float32, and int64 where batches are counted.

    Raises:
        ValueError: a kind that the rule does not know.
    """
    return {
        name: _filling(kind, shape, np.random.default_rng([seed, number]))
        for number, (name, shape, kind) in enumerate(keys)
    }


def _filling(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    if kind in ("conv_w", "conv_w_out", "convT_w"):
        fan_in = math.prod(shape[1:]) if kind != "convT_w" else shape[0] * math.prod(shape[2:])
        values = rng.standard_normal(shape) * np.sqrt(2 / fan_in) * (2.0 if kind == "conv_w_out" else 1.0)
    elif kind in ("bn_w", "bn_w_res"):
        values = (0.75 + 0.5 * rng.random(shape)) * (0.5 if kind == "bn_w_res" else 1.0)
    elif kind in ("conv_b", "bn_b"):
        values = 0.05 * rng.standard_normal(shape)
    elif kind == "bn_mean":
        values = 0.1 * rng.standard_normal(shape)
    elif kind == "bn_var":
        values = 0.5 + rng.random(shape)
    elif kind == "bn_count":
        return np.full(shape, 1000, np.int64)
    else:
        raise ValueError(f"keys.json: the kind {kind!r} is not known.")
    return np.asarray(values, np.float32)
