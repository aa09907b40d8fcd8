"""RMVPE (Wei et al. 2023, arXiv:2306.15412): pitch of voices even in noise and music; a U-net over a mel spectrogram.

Weights: rmvpe.pt as RVC-Project publishes it; names of modules are its own. 90 million parameters.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from deployments.core.errors import BadModel

from .checkpoint import is_plain, load_archive
from .f0 import F0
from .signals import HOP, SAMPLE_RATE

_MELS, _LOWEST_HZ, _HIGHEST_HZ = 128, 30.0, 8000.0
_FFT = 1024
_LOG_FLOOR = 1e-5
_DEPTH, _BLOCKS, _INNER_LAYERS, _FIRST_CHANNELS = 5, 4, 4, 16
_MULTIPLE = 2**_DEPTH
"""The U-net halves the time this often."""
_CLASSES = 360
_CENTS_PER_CLASS, _FIRST_CENTS, _CENTS_OF_HZ = 20.0, 1997.3794084376191, 10.0
"""Class i is 1997.4 + 20 i cents above 10 Hz: 31.7 Hz and up."""
_NEIGHBOURS = 4
"""Classes on either side of the best one that are averaged."""
_VOICED = 0.03
"""Salience below is unvoiced: upstream's."""


class _ResBlock(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*_conv(before, after), *_conv(after, after))
        if before != after:
            self.shortcut = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept: Tensor = self.shortcut(x) if hasattr(self, "shortcut") else x
        added: Tensor = self.conv(x)
        return kept + added


def _conv(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()


def _blocks(before: int, after: int) -> nn.ModuleList:
    return nn.ModuleList(_ResBlock(before if index == 0 else after, after) for index in range(_BLOCKS))


def _apply(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    for block in blocks:
        x = block(x)
    return x


class _Level(nn.Module):
    """One level of the encoder, or of the part in the middle."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = _blocks(before, after)

    def forward(self, x: Tensor) -> Tensor:
        return _apply(self.conv, x)


class _UpLevel(nn.Module):
    """One level of the decoder, which also sees what the encoder had there."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        up = nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.conv1 = nn.Sequential(up, nn.BatchNorm2d(after), nn.ReLU())
        self.conv2 = _blocks(2 * after, after)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        return _apply(self.conv2, torch.cat((self.conv1(x), seen), dim=1))


class _Levels(nn.Module):
    """Holds levels under the name that the checkpoint has for them."""

    def __init__(self, layers: list[nn.Module], norm: bool = False) -> None:
        super().__init__()
        if norm:
            self.bn = nn.BatchNorm2d(1)
        self.layers = nn.ModuleList(layers)


class _UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [_FIRST_CHANNELS << level for level in range(_DEPTH + 1)]
        self.encoder = _Levels([_Level(a, b) for a, b in zip([1, *widths], widths[:-1], strict=False)], norm=True)
        inner = [widths[-2], *[widths[-1]] * _INNER_LAYERS]
        self.intermediate = _Levels([_Level(a, b) for a, b in pairwise(inner)])
        self.decoder = _Levels([_UpLevel(a, a // 2) for a in reversed(widths[1:])])

    def forward(self, x: Tensor) -> Tensor:
        x, seen = self.encoder.bn(x), []
        for level in self.encoder.layers:
            x = level(x)
            seen.append(x)
            x = F.avg_pool2d(x, 2)
        x = _apply(self.intermediate.layers, x)
        for level in self.decoder.layers:
            x = level(x, seen.pop())
        return x


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3 * _MELS, 256, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.gru(x)[0]
        return result


class RmvpeNetwork(nn.Module):
    """Log mel spectrogram -> salience of 360 pitches."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = _UNet()
        self.cnn = nn.Conv2d(_FIRST_CHANNELS, 3, 3, padding=1)
        self.fc = nn.Sequential(_Recurrent(), nn.Linear(512, _CLASSES), nn.Dropout(0.25), nn.Sigmoid())

    def forward(self, mel: Tensor) -> Tensor:
        """(B, 128, T), T a multiple of 32 -> (B, T, 360) in 0-1."""
        maps = self.cnn(self.unet(mel.mT[:, None]))
        salience: Tensor = self.fc(maps.transpose(1, 2).flatten(-2))
        return salience


class Rmvpe:
    """Estimates f0 with rmvpe.pt; stays in float32, as cents are small."""

    def __init__(self, path: Path, device: torch.device) -> None:
        """Reads the weights.

        Raises:
            BadModel: the file holds something else.
        """
        weights = load_archive(path)
        with torch.device("meta"):
            network = RmvpeNetwork()
        expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
        found = {
            name: tensor.shape
            for name, tensor in (weights.items() if isinstance(weights, dict) else ())
            if is_plain(tensor) or (isinstance(tensor, Tensor) and tensor.dtype == torch.int64)
        }
        if found != expected:
            raise BadModel(f"{path.name}: these are not the weights of RMVPE.")
        floats = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
        network.load_state_dict(floats, assign=True)
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = device
        self._filters = torch.from_numpy(mel_filters()).to(device)

    @torch.inference_mode()
    def __call__(self, samples: NDArray[np.float64]) -> F0:
        """As f0.Estimator."""
        sound = torch.from_numpy(samples.astype(np.float32)).to(self._device)
        window = torch.hann_window(_FFT, device=self._device)
        spectrum = torch.stft(sound, _FFT, HOP, window=window, center=True, pad_mode="reflect", return_complex=True)
        mel = (self._filters @ spectrum.abs()).clamp_min(_LOG_FLOOR).log()
        frames = mel.shape[1]
        salience = self._network(F.pad(mel, (0, -frames % _MULTIPLE))[None])[0, :frames]
        return decode(salience.cpu().numpy())[: len(samples) // HOP]


def decode(salience: NDArray[np.float32]) -> F0:
    """(T, 360) -> (T,) Hz, 0 where no pitch is salient: the mean of the classes around the best one."""
    offsets = np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)
    around = salience.argmax(axis=1)[:, None] + offsets
    inside = (around >= 0) & (around < _CLASSES)
    weights = np.where(inside, np.take_along_axis(salience, around.clip(0, _CLASSES - 1), axis=1), 0).astype(np.float64)
    cents = (weights * (_FIRST_CENTS + _CENTS_PER_CLASS * around)).sum(axis=1) / weights.sum(axis=1).clip(1e-12)
    return np.where(salience.max(axis=1) > _VOICED, _CENTS_OF_HZ * 2 ** (cents / 1200), 0.0)


def mel_filters() -> NDArray[np.float32]:
    """(128, 513): triangles on the HTK mel scale, each of area 1 (Slaney)."""
    most = 2595 * np.log10(1 + np.array([_LOWEST_HZ, _HIGHEST_HZ]) / 700)
    edges = 700 * (10 ** (np.linspace(most[0], most[1], _MELS + 2) / 2595) - 1)
    bins = np.linspace(0, SAMPLE_RATE / 2, _FFT // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
