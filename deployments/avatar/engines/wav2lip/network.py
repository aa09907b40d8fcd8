"""The network of Wav2Lip (Prajwal, Mukhopadhyay, Namboodiri, Jawahar: "A Lip Sync Expert Is All You Need for Speech to
Lip Generation In The Wild", ACM MM 2020, arXiv:2008.10010): an encoder of faces, an encoder of sound, a U-net decoder.

Names of modules are those of the published checkpoints: 352 tensors, 36.3 million parameters, 7.9 GFLOP a frame.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIDE = 96
"""Pixels: width and height of a face."""

_Stride = int | tuple[int, int]
_SOUND: tuple[tuple[int, _Stride, int], ...] = ((32, 1, 2), (64, (3, 1), 2), (128, 3, 2), (256, (3, 2), 1))
"""Channels after a convolution, its stride in (bands, time), and how many residual blocks follow."""
_FACES = ((32, 2), (64, 3), (128, 2), (256, 2), (512, 1))
"""Channels after halving the picture, and how many residual blocks follow."""
_DECODED = ((1024, 512, 2), (768, 384, 2), (512, 256, 2), (320, 128, 2), (160, 64, 2))
"""Channels before and after doubling the picture, and how many residual blocks follow."""


class _Block(nn.Module):
    """Convolution, batch norm, ReLU; a residual one adds its input before the ReLU."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int = 3,
        stride: _Stride = 1,
        padding: int = 1,
        *,
        residual: bool = False,
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d(before, after, kernel, stride, padding)
        self.conv_block = nn.Sequential(convolution, nn.BatchNorm2d(after))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_block(x)
        return F.relu_(y.add_(x) if self.residual else y)

    def fold(self) -> None:
        """Multiplies the batch norm into the convolution."""
        convolution, norm = self.conv_block
        fused = fuse_conv_bn_eval(cast(nn.Conv2d, convolution), cast(nn.BatchNorm2d, norm))
        self.conv_block = nn.Sequential(fused)


class _Growing(_Block):
    """Transposed convolution, batch norm, ReLU."""

    def __init__(self, before: int, after: int, stride: int, padding: int) -> None:
        super().__init__(before, after)
        # With stride 2 one column and row are missing at the far end: output_padding doubles the size exactly.
        grown = nn.ConvTranspose2d(before, after, 3, stride, padding, output_padding=padding)
        self.conv_block = nn.Sequential(grown, nn.BatchNorm2d(after))

    def fold(self) -> None:
        """Multiplies the batch norm into the convolution."""
        convolution, norm = self.conv_block
        fused = fuse_conv_bn_eval(cast(nn.ConvTranspose2d, convolution), cast(nn.BatchNorm2d, norm), transpose=True)
        self.conv_block = nn.Sequential(fused)


def _residuals(channels: int, count: int) -> list[_Block]:
    return [_Block(channels, channels, residual=True) for _ in range(count)]


class Wav2Lip(nn.Module):
    """A mouth for a face and a sound; the rest of the face comes back about as it was."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = nn.ModuleList(_face_encoder())
        self.audio_encoder = nn.Sequential(*_sound_encoder())
        self.face_decoder_blocks = nn.ModuleList(_decoder())
        self.output_block = nn.Sequential(_Block(80, 32), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        """
        Args:
            mel: (N, 1, 80, 16), -4 to 4.
            faces: (N, 6, 96, 96), 0-1, BGR twice: rows 48 to 95 zero, then the whole face.

        Returns:
            (N, 3, 96, 96), 0-1, BGR.
        """
        return self.decode(mel, self.encode(faces))

    def encode(self, faces: Tensor) -> list[Tensor]:
        """What the decoder needs of faces, finest first: (N, 16, 96, 96) to (N, 512, 1, 1). A still needs it once."""
        found = []
        for block in self.face_encoder_blocks:
            faces = block(faces)
            found.append(faces)
        return found

    def decode(self, mel: Tensor, encoded: list[Tensor]) -> Tensor:
        """Faces that say what is heard; see forward."""
        x: Tensor = self.audio_encoder(mel)
        for block, kept in zip(self.face_decoder_blocks, reversed(encoded), strict=True):
            x = torch.cat((block(x), kept), dim=1)
        out: Tensor = self.output_block(x)
        return out

    def folded(self) -> Wav2Lip:
        """Itself, with all batch norms in the convolutions before them: the same function, a third fewer passes."""
        self.eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, _Block):
                module.fold()
        return self


def _face_encoder() -> list[nn.Sequential]:
    before = 16
    blocks = [nn.Sequential(_Block(6, before, kernel=7, padding=3))]
    for after, residuals in _FACES:
        blocks.append(nn.Sequential(_Block(before, after, stride=2), *_residuals(after, residuals)))
        before = after
    return [*blocks, nn.Sequential(_Block(before, 512, padding=0), _Block(512, 512, kernel=1, padding=0))]


def _sound_encoder() -> list[_Block]:
    before = 1
    blocks: list[_Block] = []
    for after, stride, residuals in _SOUND:
        blocks += [_Block(before, after, stride=stride), *_residuals(after, residuals)]
        before = after
    return [*blocks, _Block(before, 512, padding=0), _Block(512, 512, kernel=1, padding=0)]


def _decoder() -> list[nn.Sequential]:
    first = nn.Sequential(_Block(512, 512, kernel=1, padding=0))
    second = nn.Sequential(_Growing(1024, 512, stride=1, padding=0), *_residuals(512, 1))
    rest = [
        nn.Sequential(_Growing(before, after, stride=2, padding=1), *_residuals(after, count))
        for before, after, count in _DECODED
    ]
    return [first, second, *rest]
