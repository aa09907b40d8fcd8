"""The voice's network as a whole: features and pitch -> sound."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import VoiceConfig
from .decoder import Decoder
from .encoder import TextEncoder
from .flow import InverseFlow

_TEMPERATURE = 0.66666
"""Share of the latent's own spread that is used: upstream's, and with it the references'."""


class Frames(NamedTuple):
    """What goes in, T frames of 10 ms, shorter items padded with zeros."""

    phone: Tensor
    """(B, T, 256 or 768)."""
    lengths: Tensor
    """(B,) int64 frames."""
    pitch: Tensor | None
    """(B, T) int64 in 1-255; None for a voice without f0."""
    pitchf: Tensor | None
    """(B, T) float32 Hz, 0 where unvoiced; None for a voice without f0."""
    speaker: Tensor
    """(B,) int64."""
    noise_z: Tensor
    """(B, inter, T) float32, standard normal."""
    noise_source: Tensor | None
    """(B, T * hop) float32, standard normal; None for a voice without f0."""


class Sound(NamedTuple):
    """What comes out, and what it was made of on the way."""

    audio: Tensor
    """(B, T * hop) in [-1, 1]."""
    m_p: Tensor
    """(B, inter, T): mean of the latent."""
    logs_p: Tensor
    """(B, inter, T): log of its spread."""
    z: Tensor
    """(B, inter, T): latent of the decoder."""


class Synthesizer(nn.Module):
    """RVC v1 and v2, with and without f0. Weight norm is folded into the weights before they get here."""

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        self.enc_p = TextEncoder(config)
        self.flow = InverseFlow(config)
        self.dec = Decoder(config)
        self.emb_g = nn.Embedding(config.speakers, config.gin_channels)
        self.windows: tuple[int, ...] = ()
        """Sizes, rising, in which frames are decoded, for devices to which a new size is dear; none for all at once."""
        self._hop = config.hop
        self._context = context_frames(config)

    def in_dtype(self, dtype: torch.dtype) -> Synthesizer:
        """Converts the weights, except those of the source: phase needs float32."""
        self.to(dtype)
        if hasattr(self.dec, "m_source"):
            self.dec.m_source.float()
        return self

    @torch.inference_mode()
    def forward(self, frames: Frames, wanted: slice = slice(None)) -> Sound:
        """Synthesizes a batch.

        Args:
            frames: the batch; what comes out behind an item's length is not to be used.
            wanted: frames whose sound is wanted. Padding is for the encoder, which looks far; the decoder, where most
                of the time goes, looks 0.13 s far: what lies further outside is not decoded; the result is the same.
        """
        dtype = self.emb_g.weight.dtype
        mask = torch.arange(frames.phone.shape[1], device=frames.lengths.device) < frames.lengths[:, None]
        mask = mask[:, None]
        speaker = self.emb_g(frames.speaker)[..., None]
        m_p, logs_p = self.enc_p(frames.phone.to(dtype), frames.pitch, mask)
        z_p = (m_p + logs_p.exp() * frames.noise_z.to(dtype) * _TEMPERATURE) * mask
        z = self.flow(z_p, mask, speaker)
        source = None
        if frames.pitchf is not None and frames.noise_source is not None:
            source = self.dec.m_source(frames.pitchf, frames.noise_source).to(dtype)
        first, last, _ = wanted.indices(z.shape[-1])
        audio = self._decode(z * mask, speaker, source, first, last)
        return Sound(audio.float(), m_p, logs_p, z)

    def _decode(self, z: Tensor, speaker: Tensor, source: Tensor | None, first: int, last: int) -> Tensor:
        """Sound (B, (last - first) * hop) of frames, at once or window by window."""
        if not self.windows:
            start, stop = max(0, first - self._context), min(z.shape[-1], last + self._context)
            whole = self._decode_span(z, speaker, source, start, stop)
            return whole[:, (first - start) * self._hop : (last - start) * self._hop]
        parts = []
        for size in cover(last - first, self.windows, 2 * self._context):
            start, stop = first - self._context, first + size + self._context
            part = self._decode_span(z, speaker, source, start, stop)
            parts.append(part[:, self._context * self._hop :][:, : min(size, last - first) * self._hop])
            first += size
        return torch.cat(parts, dim=1)

    def _decode_span(self, z: Tensor, speaker: Tensor, source: Tensor | None, start: int, stop: int) -> Tensor:
        """Sound of frames from start, which may lie in front of the first, to stop, which may lie behind the last."""
        if source is not None:
            source = _span(source, start * self._hop, stop * self._hop)
        sound: Tensor = self.dec(_span(z, start, stop), speaker, source)
        return sound[:, 0]


def _span(x: Tensor, start: int, stop: int) -> Tensor:
    """(B, C, stop - start), with zeros where there is nothing."""
    return F.pad(x[..., max(0, start) : stop], (max(0, -start), max(0, stop - x.shape[-1])))


@functools.lru_cache(maxsize=4096)
def cover(frames: int, sizes: tuple[int, ...], overhead: int) -> tuple[int, ...]:
    """The sizes of windows which together cover so many frames with the least work.

    Args:
        frames: to be covered.
        sizes: that a window may have, rising.
        overhead: frames that each window adds.
    """
    if frames <= 0:
        return ()
    if frames > 2 * sizes[-1]:  # a long sound is one large window after another: no need to compare
        whole = frames // sizes[-1] - 1
        return (sizes[-1],) * whole + cover(frames - whole * sizes[-1], sizes, overhead)
    ways = ((size, *cover(frames - size, sizes, overhead)) for size in reversed(sizes))
    return min(ways, key=lambda way: sum(way) + overhead * len(way))


def context_frames(config: VoiceConfig) -> int:
    """10 ms frames on either side of a frame that its sound depends on, through the decoder."""
    blocks = zip(config.resblock_kernels, config.resblock_dilations, strict=True)
    around = max((kernel // 2) * (sum(dilations) + len(dilations)) for kernel, dilations in blocks)
    needed = 3  # samples, by conv_post
    for rate, kernel in zip(reversed(config.upsample_rates), reversed(config.upsample_kernels), strict=True):
        needed = math.ceil((needed + around + (kernel - rate) // 2) / rate) + 1
    return needed + 3 + 1  # by conv_pre, and by the source's convolutions, which see a part of the next frame
