"""The voice's network as a whole: features and pitch -> sound."""

from __future__ import annotations

from typing import NamedTuple

import torch
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

    def in_dtype(self, dtype: torch.dtype) -> Synthesizer:
        """Converts the weights, except those of the source: phase needs float32."""
        self.to(dtype)
        if hasattr(self.dec, "m_source"):
            self.dec.m_source.float()
        return self

    @torch.inference_mode()
    def forward(self, frames: Frames) -> Sound:
        """Synthesizes a batch; what lies behind an item's length is not to be used."""
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
        audio = self.dec(z * mask, speaker, source)
        return Sound(audio[:, 0].float(), m_p, logs_p, z)
