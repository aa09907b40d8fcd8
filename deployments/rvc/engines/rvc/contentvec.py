"""ContentVec (Qian et al. 2022, arXiv:2204.09224): what is said, 50 times a second, with little of who says it.

Weights: a folder in the layout of transformers: config.json, model.safetensors or pytorch_model.bin, and perhaps
preprocessor_config.json, of a HubertModel with a `final_proj`. All voices share one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import HubertConfig, HubertModel

from deployments.core.errors import BadModel

from .checkpoint import load_archive
from .config import PHONE_WIDTHS
from .convolution import in_rows

LARGEST_TENSOR = 32 * 512
"""Numbers per 10 ms in its largest tensor, behind the first convolution: 512 channels at 3.2 kHz. Voices of 48 kHz come
close to it in their decoder, with 15,360."""
_V1_LAYER = 9
"""v1 was trained on the projection of this layer, v2 on the last one."""
_MAX_CONFIG_BYTES = 1 << 20
_SIZES = {
    "hidden_size": (PHONE_WIDTHS["v2"], PHONE_WIDTHS["v2"]),
    "num_hidden_layers": (_V1_LAYER, 48),
    "intermediate_size": (1, 8192),
}
"""Least and most: of what voices need, and of what is built before the shapes are compared; twice a large HuBERT."""
_RENAMED = {
    "encoder.pos_conv_embed.conv.weight_g": "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    "encoder.pos_conv_embed.conv.weight_v": "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
}
"""What releases before 2023 call the two."""
_UNUSED = ("masked_spec_embed", "label_embs_concat")
_SAME_LEVEL = 1e-7
"""Guard of the division when the input is normalised, as in transformers' feature extractor."""


class ContentVec(nn.Module):
    """The feature extractor of all voices."""

    def __init__(self, folder: Path) -> None:
        """Reads the folder; float32, on the CPU.

        Raises:
            BadModel: the folder holds something else.
        """
        super().__init__()
        settings = _read_json(folder / "config.json")
        weights = _read_weights(folder)
        try:
            with torch.device("meta"):
                self.hubert = HubertModel(_config(settings))
                self.final_proj = nn.Linear(PHONE_WIDTHS["v2"], PHONE_WIDTHS["v1"])
            self._assign(weights)
        except (ValueError, TypeError, RuntimeError, AttributeError, KeyError) as error:
            reason = str(error).splitlines()[0][:200]
            raise BadModel(f"{folder.name}: no ContentVec in the layout of transformers: {reason}") from error
        parametrize.remove_parametrizations(self.hubert.encoder.pos_conv_embed.conv, "weight")
        for layer in self.hubert.feature_extractor.conv_layers:
            layer.conv = in_rows(cast(nn.Conv1d, layer.conv))  # a third off the whole extractor in bfloat16
        processor = folder / "preprocessor_config.json"
        self._normalize = processor.is_file() and bool(_read_json(processor).get("do_normalize"))
        self.eval().requires_grad_(False)

    def _assign(self, weights: dict[str, Tensor]) -> None:
        projection = {name: weights.pop(f"final_proj.{name}").float() for name in ("weight", "bias")}
        self.final_proj.load_state_dict(projection, assign=True)
        hubert = {_RENAMED.get(name, name): tensor.float() for name, tensor in weights.items() if name not in _UNUSED}
        # SpecAugment's vector is for the training; it is absent from many files.
        if "masked_spec_embed" in self.hubert.state_dict():
            hubert["masked_spec_embed"] = torch.zeros(PHONE_WIDTHS["v2"])
        self.hubert.load_state_dict(hubert, strict=True, assign=True)

    @torch.inference_mode()
    def forward(self, samples: Tensor, version: Literal["v1", "v2"]) -> Tensor:
        """Features of sounds of one and the same length.

        Of equal length, because the first layer normalises over time: zeros behind a short sound would change all of
        its features (13 dB of SNR are left), attention mask or not.

        Args:
            samples: (B, N) float32, 16 kHz.
            version: of the voice.

        Returns:
            (B, (N - 80) // 320, 256 for v1 or 768 for v2) float32, one per 20 ms.
        """
        if self._normalize:
            spread = samples.var(-1, keepdim=True, correction=0)
            samples = (samples - samples.mean(-1, keepdim=True)) / (spread + _SAME_LEVEL).sqrt()
        found = self.hubert(samples.to(self.final_proj.weight.dtype), output_hidden_states=version == "v1")
        if version == "v1":
            return F.linear(found.hidden_states[_V1_LAYER], self.final_proj.weight, self.final_proj.bias).float()
        features: Tensor = found.last_hidden_state
        return features.float()


def _config(settings: dict[str, Any]) -> HubertConfig:
    for name, (least, most) in _SIZES.items():
        value = settings.get(name, HubertConfig().to_dict()[name])
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{name} is no whole number from {least} to {most}")
    return HubertConfig(**{**settings, "apply_spec_augment": False})


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise BadModel(f"{path.parent.name}/{path.name}: no readable JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadModel(f"{path.parent.name}/{path.name}: no JSON object.")
    return document


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """Tensors by name, without the prefix that a model with a head has."""
    path = folder / "model.safetensors"
    if path.is_file():
        try:
            weights: Any = load_file(path)
        except (SafetensorError, OSError) as error:
            raise BadModel(f"{folder.name}/{path.name}: {error}") from error
    else:
        weights = load_archive(folder / "pytorch_model.bin")
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise BadModel(f"{folder.name}: the weights are no dictionary of tensors.")
    return {str(name).removeprefix("hubert."): tensor for name, tensor in weights.items()}
