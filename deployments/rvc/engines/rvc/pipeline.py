"""Voice conversion as RVC does it (infer/vc/pipeline.py of RVC-Project), for several sounds at once.

A sound becomes a Job, a Job has pieces (one, unless it is long), and pieces go through the two networks in batches:
the extractor by equal lengths, the synthesizer by voice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .batches import Batches
from .config import VoiceConfig
from .contentvec import ContentVec
from .f0 import F0, coarse
from .index import FeatureIndex
from .loudness import mix_loudness
from .signals import HOP, SAMPLE_RATE, Framing, Span, cut_points, high_pass, pad, spans
from .synthesizer import Frames, Synthesizer


@dataclass(frozen=True, eq=False)
class Voice:
    """A voice in memory."""

    name: str
    config: VoiceConfig
    network: Synthesizer
    index: FeatureIndex | None

    @property
    def size_bytes(self) -> int:
        """Of weights and index."""
        weights = sum(tensor.nbytes for tensor in self.network.parameters())
        return weights + (0 if self.index is None else self.index.size_bytes)


@dataclass(frozen=True)
class Tuning:
    """How far a voice is taken."""

    speaker: int = 0
    index_rate: float = 0.0
    """0-1: share of the training's own features."""
    protect: float = 0.5
    """0-0.5: share of the features with the index, where unvoiced; 0.5 is off."""
    rms_mix_rate: float = 1.0
    """0 follows the loudness of the input, 1 leaves that of the result."""


@dataclass(eq=False)
class Piece:
    """What the networks see at once of a job; filled on the way."""

    samples: NDArray[np.float32]
    """(N,) 16 kHz, padded."""
    pitch: NDArray[np.int64] | None
    """(P,) coarse."""
    pitchf: NDArray[np.float32] | None
    """(P,) Hz."""
    wanted: int
    """Frames of output, behind the padding."""
    seed: int | None
    """Of the noise; None for none."""
    voice: Voice
    tuning: Tuning
    pad: int
    """Frames in front that are not wanted."""
    features: Tensor | None = None
    """(P, 256 or 768) float32, as the synthesizer gets them."""
    audio: NDArray[np.float32] | None = None
    """(wanted * hop,)."""

    @property
    def frames(self) -> int:
        """10 ms frames that there are features for: the extractor gives one per 20 ms and swallows 5 ms at the end."""
        return min(len(self.samples) // HOP, 2 * ((len(self.samples) - HOP // 2) // (2 * HOP)))


@dataclass(eq=False)
class Job:
    """One sound to be converted."""

    voice: Voice
    tuning: Tuning
    framing: Framing
    signal: NDArray[np.float64]
    """(N,) 16 kHz behind the high-pass, unpadded."""
    padded: NDArray[np.float64]
    """(M,) the same, padded."""
    cuts: list[int]
    """Samples."""
    pieces: list[Piece] = field(default_factory=list)

    @classmethod
    def of(cls, samples: NDArray[np.float64], voice: Voice, tuning: Tuning, framing: Framing) -> Job:
        """A job without pieces: f0 comes first. samples: (N,) 16 kHz, N > 0."""
        signal = high_pass(samples)
        return cls(voice, tuning, framing, signal, pad(signal, framing), cut_points(signal, framing))

    def cut(self, f0: F0 | None, *, seed: int | None, length: int | None) -> None:
        """Makes the pieces.

        Args:
            f0: (M // 160,) Hz in the key that is wanted, 0 where unvoiced; None for a voice without f0.
            seed: of the noise, None for none.
            length: samples of output, of which each piece gets all that belong to it, so that nothing moves in time;
                None gives what upstream does, which loses up to 25 ms at the end of every piece.
        """
        for number, span in enumerate(spans(len(self.padded), self.cuts, self.framing)):
            samples = self.padded[span.start : span.stop].astype(np.float32)
            own_seed = None if seed is None else seed + number
            piece = Piece(samples, None, None, 0, own_seed, self.voice, self.tuning, self.framing.pad)
            if f0 is not None:
                values = f0[span.frames][: piece.frames]
                piece.pitch, piece.pitchf = coarse(values), values.astype(np.float32)
            upstreams = piece.frames - 2 * self.framing.pad
            piece.wanted = upstreams if length is None else self._own_frames(span, length)
            self.pieces.append(piece)

    def _own_frames(self, span: Span, length: int) -> int:
        if span.kept is not None:
            return span.kept
        frames = math.ceil(length / self.voice.config.hop)  # the rest of a frame is sound, too
        return max(1, frames - span.start // HOP)

    def result(self) -> NDArray[np.float32]:
        """(wanted frames * hop,) at the voice's rate; with the loudness that is asked for."""
        parts = [piece.audio for piece in self.pieces if piece.audio is not None]
        rate, mix = self.voice.config.sample_rate, self.tuning.rms_mix_rate
        return mix_loudness(np.concatenate(parts), rate, self.signal, SAMPLE_RATE, mix)


class Pipeline:
    """Both networks on a device."""

    def __init__(self, extractor: ContentVec, device: torch.device, extracting: Batches, synthesizing: Batches) -> None:
        self._extractor = extractor
        self._device = device
        self._extracting = extracting
        self._synthesizing = synthesizing

    def run(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Fills the pieces of all jobs; yields between calls of the networks, so that the caller can stop."""
        pieces = [piece for job in jobs for piece in job.pieces]
        for alike in _groups(pieces, lambda piece: (piece.voice.config.version, len(piece.samples))):
            for batch in self._extracting.run(alike, lambda piece: piece.frames, self._extract):
                for piece, features in batch:
                    piece.features = _features(piece, features)
                yield
        for alike in _groups(pieces, lambda piece: (id(piece.voice), piece.pad)):
            for sounds in self._synthesizing.run(alike, lambda piece: piece.frames, self._synthesize):
                for piece, audio in sounds:
                    piece.audio = audio
                yield

    def _extract(self, pieces: list[Piece]) -> list[Tensor]:
        samples = torch.from_numpy(np.stack([piece.samples for piece in pieces])).to(self._device)
        return list(self._extractor(samples, pieces[0].voice.config.version))

    def _synthesize(self, pieces: list[Piece]) -> list[NDArray[np.float32]]:
        voice, first = pieces[0].voice, pieces[0].pad
        last = first + max(piece.wanted for piece in pieces)
        sound = voice.network(_batch(pieces, self._device), slice(first, last)).audio.cpu().numpy()
        hop = voice.config.hop
        return [row[: piece.wanted * hop] for row, piece in zip(sound, pieces, strict=True)]


def _groups(pieces: Sequence[Piece], key: Callable[[Piece], tuple[object, ...]]) -> Iterator[list[Piece]]:
    kinds: dict[tuple[object, ...], list[Piece]] = {}
    for piece in pieces:
        kinds.setdefault(key(piece), []).append(piece)
    yield from kinds.values()


def _features(piece: Piece, found: Tensor) -> Tensor:
    """(F, W), one per 20 ms -> (P, W), one per 10 ms, moved towards the index where the voice is voiced."""
    tuning, index = piece.tuning, piece.voice.index
    plain = found.repeat_interleave(2, dim=0)[: piece.frames]
    if index is None or tuning.index_rate == 0:
        return plain
    blended = torch.from_numpy(index.blend(found.cpu().numpy(), tuning.index_rate)).to(found.device)
    features = blended.repeat_interleave(2, dim=0)[: piece.frames]
    if piece.pitchf is None or tuning.protect >= 0.5:
        return features
    share = torch.from_numpy(np.where(piece.pitchf > 0, 1.0, tuning.protect).astype(np.float32)).to(found.device)
    return torch.lerp(plain, features, share[:, None])


def _batch(pieces: list[Piece], device: torch.device) -> Frames:
    config = pieces[0].voice.config
    noise = [_noise(piece, config) for piece in pieces]
    return Frames(
        phone=pad_sequence([piece.features for piece in pieces if piece.features is not None], batch_first=True),
        lengths=torch.tensor([piece.frames for piece in pieces], device=device),
        pitch=_stack([piece.pitch for piece in pieces], device),
        pitchf=_stack([piece.pitchf for piece in pieces], device),
        speaker=torch.tensor([piece.tuning.speaker for piece in pieces], device=device),
        noise_z=pad_sequence([z for z, _ in noise], batch_first=True).mT.to(device),
        noise_source=pad_sequence([source for _, source in noise], batch_first=True).to(device),
    )


def _stack(rows: Sequence[NDArray[np.generic] | None], device: torch.device) -> Tensor | None:
    """(B, T) padded with zeros, or None."""
    tensors = [torch.from_numpy(row) for row in rows if row is not None]
    return pad_sequence(tensors, batch_first=True).to(device) if tensors else None


def _noise(piece: Piece, config: VoiceConfig) -> tuple[Tensor, Tensor]:
    """(P, inter) and (P * hop,), float32. Made on the CPU: the same on every device, alone and in a batch."""
    shape, count = (piece.frames, config.inter_channels), piece.frames * config.hop
    if piece.seed is None:
        return torch.zeros(shape), torch.zeros(count)
    generator = torch.Generator().manual_seed(piece.seed)
    return torch.randn(shape, generator=generator), torch.randn(count, generator=generator)
