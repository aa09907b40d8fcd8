"""Text encoder of VITS (Kim et al. 2021, arXiv:2106.06103), here of features and coarse pitch -> mean and log scale.

Names of modules are those of the checkpoints of RVC-Project/Retrieval-based-Voice-Conversion-WebUI.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import VoiceConfig

PITCH_BINS = 256
"""Rows of the pitch table: coarse pitch is 1 to 255."""
_WINDOW = 10
"""Frames on either side that have a position of their own in attention."""
_LEAKY_SLOPE = 0.1
_MASKED = -1e4
"""Score of a frame that is not there: its weight is 0 after the softmax, and float16 can hold it."""


class ChannelNorm(nn.Module):
    """Layer norm over the channels of (B, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        return F.layer_norm(x.mT, self.gamma.shape, self.gamma, self.beta, eps=1e-5).mT


class RelativeAttention(nn.Module):
    """Self-attention with learned relative positions (Shaw et al. 2018, arXiv:1803.02155), shared by all heads."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        width = channels // heads
        self.conv_q, self.conv_k, self.conv_v, self.conv_o = (nn.Conv1d(channels, channels, 1) for _ in range(4))
        self.emb_rel_k = nn.Parameter(torch.zeros(1, 2 * _WINDOW + 1, width))
        self.emb_rel_v = nn.Parameter(torch.zeros(1, 2 * _WINDOW + 1, width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, C, T), mask (B, 1, T) bool -> (B, C, T)."""
        frames = x.shape[-1]
        query, key, value = (
            conv(x).unflatten(1, (self._heads, -1)).mT for conv in (self.conv_q, self.conv_k, self.conv_v)
        )
        query = query / math.sqrt(query.shape[-1])
        padded = F.pad(query @ key.mT, (_WINDOW, _WINDOW))
        _band(padded).add_(query @ self.emb_rel_k.mT)
        scores = padded[..., _WINDOW : _WINDOW + frames].masked_fill(~mask[:, None], _MASKED)
        weights = scores.softmax(-1)
        heard = weights @ value + _band(F.pad(weights, (_WINDOW, _WINDOW))) @ self.emb_rel_v
        merged: Tensor = self.conv_o(heard.mT.flatten(1, 2))
        return merged


def _band(padded: Tensor) -> Tensor:
    """View (B, H, T, 2 * window + 1) of what lies along the diagonal of (B, H, T, T + 2 * window), padding included."""
    batch, head, row, column = padded.stride()
    shape = (*padded.shape[:3], 2 * _WINDOW + 1)
    return padded.as_strided(shape, (batch, head, row + column, column))


class FeedForward(nn.Module):
    """Two convolutions over time with a ReLU in between."""

    def __init__(self, channels: int, filter_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel, padding=kernel // 2)
        self.conv_2 = nn.Conv1d(filter_channels, channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, C, T), mask (B, 1, T) bool -> (B, C, T)."""
        hidden = F.relu(self.conv_1(x * mask))
        result: Tensor = self.conv_2(hidden * mask) * mask
        return result


class Encoder(nn.Module):
    """Transformer with the norm behind every part."""

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        width, layers = config.hidden_channels, range(config.layers)
        self.attn_layers = nn.ModuleList(RelativeAttention(width, config.heads) for _ in layers)
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(width) for _ in layers)
        self.ffn_layers = nn.ModuleList(FeedForward(width, config.filter_channels, config.kernel) for _ in layers)
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(width) for _ in layers)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, C, T), mask (B, 1, T) bool -> (B, C, T)."""
        x = x * mask
        for attend, norm_1, feed, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = norm_1(x + attend(x, mask))
            x = norm_2(x + feed(x, mask))
        return x * mask


class TextEncoder(nn.Module):
    """Features (and pitch) -> distribution of the latent."""

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        width = config.hidden_channels
        self._scale = math.sqrt(width)
        self.emb_phone = nn.Linear(config.phone_width, width)
        if config.has_f0:
            self.emb_pitch = nn.Embedding(PITCH_BINS, width)
        self.encoder = Encoder(config)
        self.proj = nn.Conv1d(width, 2 * config.inter_channels, 1)

    def forward(self, phone: Tensor, pitch: Tensor | None, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, W), (B, T) int64 or None, mask (B, 1, T) bool -> mean, log scale: (B, inter, T) each."""
        x = self.emb_phone(phone)
        if pitch is not None:
            x = x + self.emb_pitch(pitch)
        x = F.leaky_relu(x * self._scale, _LEAKY_SLOPE)
        mean, log_scale = (self.proj(self.encoder(x.mT, mask)) * mask).chunk(2, dim=1)
        return mean, log_scale
