"""Wav2Lip: a neural mouth for any portrait and any language, for users who have its weights.

Method and network: Prajwal et al. 2020 (arXiv:2008.10010); pipeline: github.com/Rudrabha/Wav2Lip. The network draws a
face of 96 x 96 pixels, of which the lower half gets into the still with soft edges: softer than the warp engine, which
moves the portrait's own pixels, but learned from real speech. Eyes and head stay still.
Weights: a checkpoint in the folder wav2lip/ of the models folder: wav2lip.pth, wav2lip_gan.pth, Wav2Lip-SD-GAN.pt,
Wav2Lip-SD-NOGAN.pt, or a safetensors file of the same 352 tensors; none comes with this program.
Licence: the weights were trained on LRS2 and are for research, academic and personal use alone; their authors forbid
any commercial use. The engine starts where the operator says so: accept_license: research.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.errors import EngineNotInstalled
from deployments.core.keys import file_digest

from .files import find

_LIBRARIES = ("torch", "numpy", "opencv-python-headless")
VERSION = ", ".join(["1", *(f"{name} {version(name)}" for name in _LIBRARIES)])
_NOT_ACCEPTED = (
    "engine: wav2lip is not switched on: its weights were trained on LRS2 and are for research, academic and "
    "personal use alone; their authors forbid any commercial use.",
    "If that is what the server is for, its operator sets the engine's option accept_license: research. The engine "
    "warp has no such limit.",
)
"""What is wrong, and the next step."""


class Options(BaseModel):
    """Where and how it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accept_license: Literal["research"] | None = Field(default=None, exclude=True)
    """The engine does not start without: see check_licence."""
    models_dir: Path = Field(default=Path("data/models"), exclude=True)
    """Folder of models."""
    checkpoint: str = Field(default="wav2lip_gan.pth", min_length=1, max_length=200, exclude=True)
    """File in wav2lip/ of the models folder. Its digest is in every key: see weights."""
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(default="auto", exclude=True)
    """auto: cuda, else mps, else cpu."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: float16 on a GPU, bfloat16 on a CPU that multiplies it, else float32. They differ by rounding alone (25 dB
    of SNR and more), and what was made on one machine is as good on another: auto is one key for all of them."""
    batch_size: int | None = Field(default=None, ge=1, le=512, exclude=True)
    """Frames at a time; 8 on a CPU and 64 on a GPU if left out. Halved by itself where a GPU runs out of memory."""
    threads: int | None = Field(default=None, ge=1, le=256, exclude=True)
    """Of a CPU; each draws batches of its own. As many as OMP_NUM_THREADS says, or as there are cores, if left out."""


class Parameters(BaseModel):
    """What a request may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feather: float = Field(
        default=0.12,
        ge=0.02,
        le=0.25,
        allow_inf_nan=False,
        description="Width of the soft edge around the mouth, as a share of the face's height.",
    )


def check_licence(options: Options) -> None:
    """
    Raises:
        EngineNotInstalled: the operator has not said that the weights are used as their authors allow.
    """
    if options.accept_license != "research":
        raise EngineNotInstalled(_NOT_ACCEPTED[0], hint=_NOT_ACCEPTED[1])


def weights(options: Options) -> str:
    """Digest of the file that it reads, for keys; read again only when the file changes. Blocking; needs no torch.

    Raises:
        EngineNotInstalled: it is not there, or its licence not accepted.
    """
    check_licence(options)
    return file_digest(find(options.models_dir, options.checkpoint))


def __getattr__(name: str) -> Any:
    """The Engine, imported when it is wanted: whoever checks parameters needs no torch."""
    if name == "Engine":
        from .engine import Engine

        return Engine
    raise AttributeError(name)
