"""HiFi-GAN (Kong et al. 2020, arXiv:2010.05646) with the sine source of NSF (Wang et al. 2019, arXiv:1904.12088)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import VoiceConfig
from .convolution import Conv1d, ConvTranspose1d

_LEAKY_SLOPE = 0.1
_LAST_LEAKY_SLOPE = 0.01
"""PyTorch's default, which upstream takes in front of conv_post, and the weights were trained so."""
_SINE_AMPLITUDE = 0.1
_VOICED_NOISE = 0.003
"""Standard deviation of the noise that goes with the sine."""
_UNVOICED_NOISE = _SINE_AMPLITUDE / 3
"""Standard deviation of the noise where there is no sine."""


class Source(nn.Module):
    """A sine at f0 where the voice is voiced, noise elsewhere. Stays in float32 whatever the rest runs in."""

    def __init__(self, hop: int, sample_rate: int) -> None:
        super().__init__()
        self._hop = hop
        self._sample_rate = sample_rate
        self.l_linear = nn.Linear(1, 1)

    def forward(self, f0: Tensor, noise: Tensor) -> Tensor:
        """f0 (B, T) float32 Hz, 0 unvoiced; noise (B, T * hop) standard normal -> (B, 1, T * hop)."""
        voiced = (f0 > 0).repeat_interleave(self._hop, dim=1)
        sine = torch.sin(2 * math.pi * self._cycles(f0)) * _SINE_AMPLITUDE
        source = torch.where(voiced, sine + noise * _VOICED_NOISE, noise * _UNVOICED_NOISE)
        shaped: Tensor = self.l_linear(source[..., None]).tanh()
        return shaped.mT

    def _cycles(self, f0: Tensor) -> Tensor:
        """Phase (B, T * hop) in cycles: the inclusive sum over all samples of f0 / sample rate, less whole cycles.

        f0 stands still within a frame, so only the starts of frames are summed: in double, and wrapped, because after
        seconds the cycles would leave a float32 few digits behind the point. On the CPU, as MPS has no double.
        """
        per_frame = f0.cpu().double() * self._hop / self._sample_rate
        starts = (per_frame.cumsum(1) - per_frame).frac().float().to(f0.device)
        steps = torch.arange(1, self._hop + 1, device=f0.device, dtype=torch.float32) / self._sample_rate
        return (starts[..., None] + f0[..., None] * steps).flatten(1)


class ResBlock(nn.Module):
    """Pairs of a dilated and a plain convolution, each pair around a shortcut."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel // 2))
            for dilation in dilations
        )
        self.convs2 = nn.ModuleList(Conv1d(channels, channels, kernel, padding=kernel // 2) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            hidden = F.leaky_relu(dilated(F.leaky_relu(x, _LEAKY_SLOPE)), _LEAKY_SLOPE, inplace=True)
            x = plain(hidden).add_(x)
        return x


class Decoder(nn.Module):
    """Latent and source -> sound."""

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        widths = [config.upsample_channels >> stage for stage in range(len(config.upsample_rates) + 1)]
        self.conv_pre = Conv1d(config.inter_channels, widths[0], 7, padding=3)
        self.cond = Conv1d(config.gin_channels, widths[0], 1)
        self.ups = nn.ModuleList(
            ConvTranspose1d(before, after, kernel, rate, padding=(kernel - rate) // 2)
            for before, after, kernel, rate in zip(
                widths, widths[1:], config.upsample_kernels, config.upsample_rates, strict=False
            )
        )
        self.resblocks = nn.ModuleList(
            ResBlock(width, kernel, dilations)
            for width in widths[1:]
            for kernel, dilations in zip(config.resblock_kernels, config.resblock_dilations, strict=True)
        )
        self._parallel = len(config.resblock_kernels)
        self.conv_post = Conv1d(widths[-1], 1, 7, padding=3, bias=False)
        if config.has_f0:
            self.m_source = Source(config.hop, config.sample_rate)
            self.noise_convs = nn.ModuleList(_source_convs(widths[1:], config.upsample_rates))

    def forward(self, z: Tensor, speaker: Tensor, source: Tensor | None) -> Tensor:
        """z (B, inter, T), speaker (B, gin, 1), source (B, 1, T * hop) or None -> (B, 1, T * hop) in [-1, 1]."""
        x = self.conv_pre(z) + self.cond(speaker)
        for stage, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, _LEAKY_SLOPE))
            if source is not None:
                x += self.noise_convs[stage](source)
            blocks = self.resblocks[stage * self._parallel : (stage + 1) * self._parallel]
            total = blocks[0](x)
            for block in blocks[1:]:
                total += block(x)
            x = total / self._parallel
        sound: Tensor = self.conv_post(F.leaky_relu(x, _LAST_LEAKY_SLOPE))
        return sound.tanh()


def _source_convs(widths: list[int], rates: tuple[int, ...]) -> list[Conv1d]:
    """Bring the source down to the rate of each stage; the last has the rate of the source itself."""
    convs = []
    for stage, width in enumerate(widths):
        stride = math.prod(rates[stage + 1 :])
        kernel = 2 * stride if stage + 1 < len(rates) else 1
        convs.append(Conv1d(1, width, kernel, stride, padding=stride // 2 if kernel > 1 else 0))
    return convs
