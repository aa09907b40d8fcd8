"""RVC: retrieval-based voice conversion, with the voices of RVC-Project, Mangio-RVC-Fork and Applio (v1 and v2).

Method and file formats: RVC-Project (MIT), whose pipeline is followed; network: VITS (Kim, Kong, Son, 2021) with the
decoder of NSF-HiFi-GAN; features: ContentVec (Qian et al., 2022). Weights: a checkpoint NAME.pth for each voice and its
faiss index NAME.index in the folder rvc/ of the models folder; ContentVec in contentvec/, in the layout of
transformers; rmvpe.pt for those who want that f0 estimator. Licence: ContentVec and RMVPE are MIT; a voice has the one
that whoever trained it gives it.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.rvc.parameters import Pitched

_LIBRARIES = ("torch", "transformers", "faiss-cpu", "swift-f0", "soxr", "scipy", "pyworld-prebuilt")
VERSION = ", ".join(["1", *(f"{name} {version(name)}" for name in _LIBRARIES)])


class Options(BaseModel):
    """Where and how it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models_dir: Path = Field(default=Path("data/models"), exclude=True)
    """Folder of models."""
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(default="auto", exclude=True)
    """auto: cuda, else mps, else cpu."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: float16 on a GPU, bfloat16 on a CPU that multiplies it, else float32. They differ by rounding alone (25 dB
    of SNR and more), and what was converted on one machine is as good on another: auto is one key for all of them."""
    pad_s: float | None = Field(default=None, ge=0.1, le=3.0)
    """Seconds of reflected sound around each sentence, which the networks need to settle; by device if left out."""


class Parameters(Pitched):
    """What a request may ask for; the defaults are upstream's."""

    index_rate: float = Field(
        default=0.75, ge=0, le=1, allow_inf_nan=False, description="Share of the index: more is closer to the voice."
    )
    protect: float = Field(
        default=0.33, ge=0, le=0.5, allow_inf_nan=False, description="Keeps consonants from the index; 0.5 is off."
    )
    rms_mix_rate: float = Field(
        default=0.25, ge=0, le=1, allow_inf_nan=False, description="0 follows the loudness of the speech, 1 does not."
    )
    f0_method: Literal["swift-f0", "rmvpe", "harvest"] = Field(default="swift-f0", description="Finds the pitch.")
    filter_radius: int = Field(default=3, ge=0, le=7, description="Of harvest: 3 and more smooth it by a median.")
    unvoiced: Literal["classic", "interpolate"] = Field(
        default="classic", description="interpolate: for voices that were trained so (RVC-Project since 2026)."
    )
    speaker: int = Field(default=0, ge=0, le=10_000, description="Of a model with several.")


def __getattr__(name: str) -> Any:
    """The Engine, imported when it is wanted: whoever checks parameters needs no torch."""
    if name == "Engine":
        from .engine import Engine

        return Engine
    raise AttributeError(name)
