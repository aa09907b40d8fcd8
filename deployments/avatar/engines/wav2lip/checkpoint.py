"""Reads weights that users bring, in all layouts that go about: either a network comes out or BadModel.

    dictionary with "state_dict"    wav2lip.pth, wav2lip_gan.pth: names begin with "module.", an optimizer lies beside
    bare dictionary                 what others make of it
    TorchScript                     Wav2Lip-SD-GAN.pt, Wav2Lip-SD-NOGAN.pt: tensors are read, code is not run
    safetensors                     names with or without "module."

A file is data: pickles are read by torch.load(weights_only=True), TorchScript by a reader that can make tensors alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from deployments.core.errors import BadModel

from . import torchscript
from .files import Kind, kind_of
from .network import Wav2Lip

_PREFIX = "module."
"""Of torch.nn.DataParallel, under which it was trained."""
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def load(path: Path) -> Wav2Lip:
    """The network in float32, on the CPU, as it was trained: batch norms are not folded.

    Raises:
        BadModel: names the file and the reason.
    """
    kind = kind_of(path)
    try:
        return _build(_named(_read(path, kind)), path.stat().st_size)
    except ValueError as error:
        raise BadModel(f"{path.name}: {error}.") from error


def _read(path: Path, kind: Kind) -> Any:
    if kind == "torchscript":
        return torchscript.read(path)
    try:
        if kind == "safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ValueError(f"damaged, or only a part of a safetensors file ({error})") from error
    except Exception as error:  # a hostile pickle can make its reader raise anything
        raise ValueError(f"PyTorch refuses it ({type(error).__name__}): damaged, cut short or unsafe") from error


def _named(content: Any) -> dict[str, Tensor]:
    """Tensors by the names of the network."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise ValueError("no checkpoint: there is no dictionary in it")
    tensors = {}
    for name, value in content.items():
        if not isinstance(name, str) or not _is_plain(value):
            raise ValueError(f"{_short(name)} is no plain tensor")
        tensors[name.removeprefix(_PREFIX)] = value
    return tensors


def _is_plain(value: object) -> bool:
    """Whether it is a dense tensor in memory: PyTorch's reader also makes sparse, quantized and unreal ones."""
    return (
        type(value) is Tensor
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.dtype in (*_DTYPES, torch.int64)
    )


def _build(tensors: dict[str, Tensor], file_bytes: int) -> Wav2Lip:
    with torch.device("meta"):
        network = Wav2Lip().eval().requires_grad_(False)
    _check_shapes(network.state_dict(), tensors)
    # A tensor can claim more than the file holds: PyTorch makes room for it, and the first reader fills the memory.
    if sum(tensor.nbytes for tensor in tensors.values()) > file_bytes:
        raise ValueError("its tensors are larger than the file")
    weights = {name: tensor.float() if tensor.dtype in _DTYPES else tensor for name, tensor in tensors.items()}
    for name, tensor in weights.items():
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} holds numbers that are not finite")
    network.load_state_dict({name: tensor.contiguous() for name, tensor in weights.items()}, strict=True, assign=True)
    return network


def _check_shapes(expected: Mapping[str, Tensor], found: dict[str, Tensor]) -> None:
    for name, tensor in expected.items():
        if name not in found:
            raise ValueError(
                f"{name} is missing: no Wav2Lip of 96 pixels (its discriminator, SyncNet and S3FD are others)"
            )
        if found[name].shape != tensor.shape:
            raise ValueError(f"{name} has the shape {tuple(found[name].shape)}, Wav2Lip's is {tuple(tensor.shape)}")
        if found[name].dtype.is_floating_point != tensor.dtype.is_floating_point:
            raise ValueError(f"{name} has the type {found[name].dtype}")
    if unknown := sorted(found.keys() - expected.keys()):
        raise ValueError(f"{_short(unknown[0])} is no weight of Wav2Lip")


def _short(value: object) -> str:
    """A stranger's text within a message; no other object is shown, as its text could fill the memory."""
    return repr(value[:60]) if isinstance(value, str) else type(value).__name__
