"""What a checkpoint says about its network: the 18 positional values of `config`, with names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

FRAME_RATE = 100
"""Frames per second of f0 and of the network's input: a hop is 10 ms in every voice, whatever its sample rate."""
PHONE_WIDTHS = {"v1": 256, "v2": 768}
"""Width of the features by version: v1 has ContentVec's projection, v2 its last layer."""
SAMPLE_RATES = {"24k": 24_000, "32k": 32_000, "40k": 40_000, "48k": 48_000}
"""Old files name the rate; 24k is Applio's alone."""

# A file from a stranger must not make us build a monster. Each bound is several times what any published voice has.
_MAX_CHANNELS = 2048
_MAX_LAYERS = 32
_MAX_KERNEL = 64
_MAX_STAGES = 8
_VALUES = 18


@dataclass(frozen=True)
class VoiceConfig:
    """Sizes of one voice's network."""

    version: Literal["v1", "v2"]
    has_f0: bool
    """False for a voice that was trained without pitch."""
    inter_channels: int
    hidden_channels: int
    filter_channels: int
    heads: int
    layers: int
    kernel: int
    """Of the feed-forward part, odd."""
    resblock_kernels: tuple[int, ...]
    resblock_dilations: tuple[tuple[int, ...], ...]
    upsample_rates: tuple[int, ...]
    upsample_channels: int
    upsample_kernels: tuple[int, ...]
    gin_channels: int
    speakers: int
    """Rows of the speaker table; ids are 0 to speakers - 1."""
    sample_rate: int
    """Hertz."""

    @property
    def phone_width(self) -> int:
        """Width of a feature."""
        return PHONE_WIDTHS[self.version]

    @property
    def hop(self) -> int:
        """Samples of a 10 ms frame."""
        return math.prod(self.upsample_rates)


def parse(values: object, version: object, f0: object, speakers: int) -> VoiceConfig:
    """Names the values of a checkpoint.

    Args:
        values: `config`: [spec, segment, inter, hidden, filter, heads, layers, kernel, dropout, "1", resblock kernels,
            resblock dilations, upsample rates, upsample channels, upsample kernels, speakers, gin, sample rate].
        version: "v1" or "v2".
        f0: 0 or 1, as a number or a boolean.
        speakers: rows of emb_g, which counts more than the value in the list.

    Raises:
        ValueError: a value that no voice has.
    """
    if not isinstance(values, (list, tuple)) or len(values) != _VALUES:
        raise ValueError(f"config is no list of {_VALUES} values")
    if version not in ("v1", "v2") or not isinstance(version, str):
        raise ValueError("version is neither v1 nor v2")
    if not isinstance(f0, int) or f0 not in (0, 1):
        raise ValueError("f0 is neither 0 nor 1")
    if values[9] != "1":
        raise ValueError("resblock is not of type 1")
    config = VoiceConfig(
        version="v1" if version == "v1" else "v2",
        has_f0=bool(f0),
        inter_channels=_number("inter_channels", values[2], _MAX_CHANNELS),
        hidden_channels=_number("hidden_channels", values[3], _MAX_CHANNELS),
        filter_channels=_number("filter_channels", values[4], 4 * _MAX_CHANNELS),
        heads=_number("heads", values[5], _MAX_LAYERS),
        layers=_number("layers", values[6], _MAX_LAYERS),
        kernel=_number("kernel", values[7], _MAX_KERNEL),
        resblock_kernels=_numbers("resblock_kernels", values[10], _MAX_KERNEL),
        resblock_dilations=tuple(
            _numbers("resblock_dilations", dilations, _MAX_KERNEL)
            for dilations in _sequence("resblock_dilations", values[11])
        ),
        upsample_rates=_numbers("upsample_rates", values[12], _MAX_KERNEL),
        upsample_channels=_number("upsample_channels", values[13], _MAX_CHANNELS),
        upsample_kernels=_numbers("upsample_kernels", values[14], 2 * _MAX_KERNEL),
        gin_channels=_number("gin_channels", values[16], _MAX_CHANNELS),
        speakers=_number("speakers", speakers, 1 << 16),
        sample_rate=_sample_rate(values[17]),
    )
    _check_together(config)
    return config


def _check_together(config: VoiceConfig) -> None:
    """Values that have to fit each other."""
    fits = {
        "heads do not divide hidden_channels": config.hidden_channels % config.heads == 0,
        "inter_channels is odd": config.inter_channels % 2 == 0,  # the flow halves them
        "kernel is even": config.kernel % 2 == 1,
        "a resblock kernel is even": all(kernel % 2 for kernel in config.resblock_kernels),
        "resblocks have not one list of dilations each": len(config.resblock_kernels) == len(config.resblock_dilations),
        "upsample_kernels and upsample_rates do not match": len(config.upsample_rates) == len(config.upsample_kernels)
        and all(
            kernel >= rate and (kernel - rate) % 2 == 0
            for kernel, rate in zip(config.upsample_kernels, config.upsample_rates, strict=True)
        ),
        "upsample_channels cannot be halved at every stage": config.upsample_channels % 2 ** len(config.upsample_rates)
        == 0,
        "upsample_rates do not make 10 ms of the sample rate": config.hop * FRAME_RATE == config.sample_rate,
    }
    for reason, good in fits.items():
        if not good:
            raise ValueError(reason)


def _sample_rate(value: object) -> int:
    rate = SAMPLE_RATES.get(value) if isinstance(value, str) else value
    if type(rate) is not int or rate not in SAMPLE_RATES.values():
        raise ValueError(f"the sample rate is none of {', '.join(SAMPLE_RATES)}")
    return rate


def _number(name: str, value: Any, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"{name} is no whole number from 1 to {most}")
    return value


def _sequence(name: str, value: Any) -> Sequence[Any]:
    # Not repr(value): a pickle can hold a list whose text would fill the memory.
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= _MAX_STAGES:
        raise ValueError(f"{name} is no list of 1 to {_MAX_STAGES} values")
    return value


def _numbers(name: str, value: Any, most: int) -> tuple[int, ...]:
    return tuple(_number(name, item, most) for item in _sequence(name, value))
