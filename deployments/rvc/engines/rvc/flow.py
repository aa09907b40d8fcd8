"""Normalising flow of VITS, run backwards: four mean-only affine couplings (Dinh et al. 2017, arXiv:1605.08803)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import VoiceConfig

_COUPLINGS, _LAYERS, _KERNEL = 4, 3, 5
"""No checkpoint says these: they are the same in all."""


class GatedConvolutions(nn.Module):
    """WaveNet's gated layers (van den Oord et al. 2016, arXiv:1609.03499) without dilation, told who speaks."""

    def __init__(self, width: int, gin_channels: int) -> None:
        super().__init__()
        self.cond_layer = nn.Conv1d(gin_channels, 2 * width * _LAYERS, 1)
        self.in_layers = nn.ModuleList(
            nn.Conv1d(width, 2 * width, _KERNEL, padding=_KERNEL // 2) for _ in range(_LAYERS)
        )
        outputs = [2 * width] * (_LAYERS - 1) + [width]  # the last layer has nothing to hand on
        self.res_skip_layers = nn.ModuleList(nn.Conv1d(width, output, 1) for output in outputs)

    def forward(self, x: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """(B, C, T), mask (B, 1, T) bool, speaker (B, gin, 1) -> (B, C, T)."""
        width = x.shape[1]
        total = torch.zeros_like(x)
        conditions = self.cond_layer(speaker).chunk(_LAYERS, dim=1)
        for layer, res_skip, condition in zip(self.in_layers, self.res_skip_layers, conditions, strict=True):
            signal, gate = (layer(x) + condition).chunk(2, dim=1)
            result = res_skip(signal.tanh() * gate.sigmoid())
            total = total + result[:, -width:]
            if result.shape[1] > width:
                x = (x + result[:, :width]) * mask
        return total * mask


class Coupling(nn.Module):
    """Shifts the second half of the channels by a function of the first; here back again."""

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        half, width = config.inter_channels // 2, config.hidden_channels
        self.pre = nn.Conv1d(half, width, 1)
        self.enc = GatedConvolutions(width, config.gin_channels)
        self.post = nn.Conv1d(width, half, 1)

    def forward(self, x: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """(B, inter, T) -> (B, inter, T)."""
        kept, shifted = x.chunk(2, dim=1)
        shift = self.post(self.enc(self.pre(kept) * mask, mask, speaker)) * mask
        return torch.cat((kept, (shifted - shift) * mask), dim=1)


class InverseFlow(nn.Module):
    """Latent of the text -> latent of the decoder."""

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        # Odd numbers are the channel flips in between, which have no weights.
        self.flows = nn.ModuleDict({str(2 * index): Coupling(config) for index in range(_COUPLINGS)})

    def forward(self, x: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """(B, inter, T), mask (B, 1, T) bool, speaker (B, gin, 1) -> (B, inter, T)."""
        for coupling in reversed(list(self.flows.values())):
            x = coupling(x.flip(1), mask, speaker)
        return x
