"""Where networks run, and in what precision."""

from __future__ import annotations

from typing import Literal

import torch

from deployments.core.errors import BadInput

Device = Literal["auto", "cuda", "mps", "cpu"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


def choose_device(wish: Device) -> torch.device:
    """cuda, else mps, else cpu.

    Raises:
        BadInput: a device by name that this machine does not have.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wish == "auto":
        return torch.device(next(name for name, here in present.items() if here))
    if not present[wish]:
        raise BadInput(f"device: this machine has no {wish}.")
    return torch.device(wish)


def choose_dtype(wish: Precision, device: torch.device) -> torch.dtype:
    """float16 on GPUs, as upstream; on CPUs bfloat16 where the processor multiplies it, twice as fast, else float32."""
    if wish != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[wish]
    if device.type != "cpu":
        return torch.float16
    able = torch.cpu.get_capabilities()
    fast = able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16")
    return torch.bfloat16 if fast else torch.float32


def tune(dtype: torch.dtype, one_shape: bool) -> None:
    """Settings of PyTorch for this process: who asks for float32 gets it, else its rest is TensorFloat-32.

    Args:
        dtype: what the network computes in.
        one_shape: whether all its inputs have the same: then the search for the fastest kernel happens once.
    """
    tf32 = dtype != torch.float32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = one_shape
