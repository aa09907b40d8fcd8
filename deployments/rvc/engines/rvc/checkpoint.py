"""Reads voices (.pth) that strangers made: whatever is in the file, either a network comes out or BadModel.

Everything is checked before anything is built or allocated: the archive, then the pickle (weights_only), then config,
then names, shapes and dtypes of all tensors against a network on the meta device, which has no memory.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deployments.core.errors import BadModel

from .config import VoiceConfig, parse
from .synthesizer import Synthesizer

MAX_FILE_BYTES = 1 << 30
"""Published voices have 55 MB; 1 GiB leaves room for float32 and wider ones."""
_MAX_PICKLE_BYTES = 4 << 20
"""The pickle holds names and shapes: 60 kB in published voices. It is read by Python, slowly and into many objects."""
_MAX_ENTRIES = 8192
"""A voice has about 460 tensors."""
_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
_EMBEDDERS = ("contentvec", "hubert", "hubert_base")
"""All three name the same model."""
_VOCODER = "HiFi-GAN"
_UNUSED = "enc_q."
"""Posterior encoder of the training; some files still have it."""


def load_voice(path: Path) -> tuple[VoiceConfig, Synthesizer]:
    """The network in float32, on the CPU.

    Raises:
        BadModel: names the file and the reason.
    """
    try:
        checkpoint = _checked(load_archive(path))
        weights = _tensors(checkpoint["weight"])
        config = _config(checkpoint, weights)
        return config, _build(config, weights, path.stat().st_size)
    except ValueError as error:
        raise BadModel(f"{path.name}: {error}.") from error


def inspect(path: Path) -> VoiceConfig:
    """What a voice is, after all the checks of load_voice.

    Raises:
        BadModel: names the file and the reason.
    """
    return load_voice(path)[0]


def load_archive(path: Path) -> Any:
    """What a PyTorch file holds, read with weights_only; on the CPU.

    Raises:
        BadModel: no such archive, or one that does not look harmless.
    """
    try:
        _check_archive(path)
    except (ValueError, OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise BadModel(f"{path.name}: {error}.") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile pickle can make its reader raise anything
        raise BadModel(
            f"{path.name}: PyTorch refuses the file ({type(error).__name__}): it is damaged or unsafe."
        ) from error


def _check_archive(path: Path) -> None:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"more than {MAX_FILE_BYTES >> 20} MB")
    if not zipfile.is_zipfile(path):
        raise ValueError("no PyTorch checkpoint (a zip archive), or only a part of one")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if len(entries) > _MAX_ENTRIES:
        raise ValueError(f"more than {_MAX_ENTRIES} entries in the archive")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ValueError("it unpacks to more than its own size, which no checkpoint does")
    if any(entry.filename.endswith(".pkl") and entry.file_size > _MAX_PICKLE_BYTES for entry in entries):
        raise ValueError(f"its pickle has more than {_MAX_PICKLE_BYTES >> 20} MB")


def _checked(checkpoint: Any) -> dict[str, Any]:
    """The outer dictionary of a voice for ContentVec and HiFi-GAN."""
    if not isinstance(checkpoint, dict):
        raise ValueError("no RVC voice: there is no dictionary in it")
    if "weight" not in checkpoint and "model" in checkpoint:
        raise ValueError("a training checkpoint (G_*.pth or D_*.pth); export a voice from it in the trainer")
    if not isinstance(checkpoint.get("weight"), dict) or "config" not in checkpoint:
        raise ValueError("no RVC voice: weight or config is missing")
    vocoder = checkpoint.get("vocoder") or _VOCODER
    if vocoder != _VOCODER:
        raise ValueError(f"its vocoder is {_short(vocoder)}; only {_VOCODER} is served")
    embedder = checkpoint.get("embedder_model") or _EMBEDDERS[0]
    if embedder not in _EMBEDDERS:
        raise ValueError(f"it was trained on {_short(embedder)} features; only {_EMBEDDERS[0]} is served")
    return checkpoint


def _short(value: object) -> str:
    """A stranger's text within a message; no other object is shown, as its text could fill the memory."""
    return repr(value[:40]) if isinstance(value, str) else type(value).__name__


def _tensors(weights: dict[Any, Any]) -> dict[str, Tensor]:
    """Plain dense tensors on the CPU, by name, without those of the training."""
    kept = {}
    for name, value in weights.items():
        if not isinstance(name, str):
            raise ValueError("a weight has no name")
        if name.startswith(_UNUSED):
            continue
        if not is_plain(value):
            raise ValueError(f"{_short(name)} is no plain tensor of float16, bfloat16 or float32")
        kept[name] = value
    return kept


def is_plain(value: object) -> bool:
    """Whether it is a dense float tensor in memory: PyTorch's reader also makes sparse, quantized and unreal ones."""
    return (
        type(value) is Tensor
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.dtype in _DTYPES
        and value.is_contiguous()
    )


def _config(checkpoint: dict[str, Any], weights: dict[str, Tensor]) -> VoiceConfig:
    speakers = weights.get("emb_g.weight")
    if speakers is None or speakers.ndim != 2:
        raise ValueError("emb_g.weight, the table of speakers, is missing")
    # Files of RVC's first weeks say neither: they are v1 with f0.
    version, f0 = checkpoint.get("version", "v1"), checkpoint.get("f0", 1)
    return parse(checkpoint["config"], version, f0, speakers.shape[0])


def _build(config: VoiceConfig, weights: dict[str, Tensor], file_bytes: int) -> Synthesizer:
    with torch.device("meta"):
        network = Synthesizer(config).eval().requires_grad_(False)
    _check_shapes(network.state_dict(), weights)
    # A tensor can claim more than the file holds: PyTorch makes room for it, and the first reader fills the memory.
    if sum(tensor.nbytes for tensor in weights.values()) > file_bytes:
        raise ValueError("its tensors are larger than the file")
    for name, tensor in weights.items():
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} holds numbers that are not finite")
    network.load_state_dict(_fold(weights), strict=True, assign=True)
    return network


def _check_shapes(network: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    expected = {}
    for name, tensor in network.items():
        if name in weights:
            expected[name] = tensor.shape
        else:  # weight norm: a direction and a length for each index of the first axis
            expected[f"{name}_v"] = tensor.shape
            expected[f"{name}_g"] = torch.Size((tensor.shape[0], *(1 for _ in tensor.shape[1:])))
    for name, shape in expected.items():
        if name not in weights:
            raise ValueError(f"{name.removesuffix('_v')} is missing: it does not fit its config, version or f0")
        if weights[name].shape != shape:
            raise ValueError(f"{name} has the shape {tuple(weights[name].shape)}, its config says {tuple(shape)}")
    if unknown := sorted(weights.keys() - expected.keys()):
        raise ValueError(f"{_short(unknown[0])} is no weight of an RVC voice")


def _fold(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float32 weights; weight norm (Salimans & Kingma 2016, arXiv:1602.07868) is multiplied out: g * v / |v|."""
    plain = {name: tensor.float() for name, tensor in weights.items()}
    for name in [name for name in plain if name.endswith(".weight_v")]:
        direction, length = plain.pop(name), plain.pop(f"{name[:-1]}g")
        norm = torch.linalg.vector_norm(direction, dim=tuple(range(1, direction.ndim)), keepdim=True)
        plain[name.removesuffix("_v")] = length * direction / norm.clamp_min(torch.finfo(torch.float32).tiny)
    return plain
