"""From the durations that a Piper graph computes to phoneme times that tile the audio exactly."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.core.types import SILENCE, PhonemeSpan

PAD, BOS, EOS = "_", "^", "$"
_STRESS = "ˈˌ"
_PAUSE = frozenset(" !'(),-.:;?\"—…¡¿«»“”#^$")
"""Marks that Piper's alphabets carry beside phonemes."""

_PAUSE_MIN_S = 0.08
"""A gap between words shorter than this is no rest for the mouth (measured on en_US-joe-medium)."""
_PAUSE_MAX_LEVEL = 0.1
"""RMS of a rest relative to that of the sentence: -20 dB."""


@dataclass
class _Piece:
    """A run of phoneme ids that will become one span, or a pause."""

    symbol: str
    samples: float
    pause: bool
    first: int
    """Index of its first symbol in the phoneme sequence, without pads."""


@dataclass(frozen=True)
class TimedPhonemes:
    """Spans and where each came from."""

    spans: tuple[PhonemeSpan, ...]
    """Contiguous from 0 to the end of the audio."""
    origins: tuple[int, ...]
    """For every span the index of its first symbol in the sequence without pads; -1 for silence."""


def time_phonemes(
    ids: Sequence[int],
    id_samples: NDArray[np.int64],
    symbols: Mapping[int, str],
    audio: NDArray[np.float32],
    sample_rate: int,
) -> TimedPhonemes:
    """Phoneme spans of one model call.

    Args:
        ids: the phoneme ids given to the model, pads included.
        id_samples: (len(ids),) samples that each id took; they sum to len(audio).
        symbols: id -> phoneme symbol.
        audio: (T,) float32.
        sample_rate: Hertz.
    """
    pieces = _merge_marks(_share_pads(ids, id_samples, symbols))
    pieces = _join_pauses(pieces)
    pieces = _absorb_short_pauses(pieces, audio, sample_rate)
    ends = np.cumsum([piece.samples for piece in pieces]) / sample_rate
    starts = np.concatenate(([0.0], ends[:-1]))
    spans = tuple(
        PhonemeSpan(SILENCE if piece.pause else piece.symbol, float(start), float(end))
        for piece, start, end in zip(pieces, starts, ends, strict=True)
    )
    return TimedPhonemes(spans, tuple(-1 if piece.pause else piece.first for piece in pieces))


def _share_pads(ids: Sequence[int], id_samples: NDArray[np.int64], symbols: Mapping[int, str]) -> list[_Piece]:
    """Every pad between two symbols goes half to each: nearest to acoustic onsets (fricatives: +4.9 / -3.1 ms)."""
    pieces: list[_Piece] = []
    carry = 0.0
    for phoneme_id, samples in zip(ids, id_samples, strict=True):
        symbol = symbols.get(phoneme_id, " ")
        if symbol == PAD:
            if pieces:
                pieces[-1].samples += samples / 2
                carry += samples / 2
            else:
                carry += float(samples)
        else:
            pieces.append(_Piece(symbol, float(samples) + carry, symbol in _PAUSE, len(pieces)))
            carry = 0.0
    if not pieces:
        return [_Piece(" ", carry, True, 0)]
    pieces[-1].samples += carry
    return pieces


def _is_mark(symbol: str) -> bool:
    """Length, tone, nasality and other signs that belong to the phoneme in front of them."""
    category = unicodedata.category(symbol[0])
    return category in {"Lm", "Mn", "Sk", "Nd"} or symbol in "ːˑ↓"


def _merge_marks(pieces: list[_Piece]) -> list[_Piece]:
    """Stress marks go to the phoneme behind them, all other marks to the one before: marks have durations too."""
    merged: list[_Piece] = []
    stress: _Piece | None = None
    for piece in pieces:
        if not piece.pause and piece.symbol in _STRESS:
            if stress:
                piece = _Piece(stress.symbol, stress.samples + piece.samples, False, stress.first)
            stress = piece
        elif not piece.pause and _is_mark(piece.symbol) and merged and not merged[-1].pause and not stress:
            merged[-1].symbol += piece.symbol
            merged[-1].samples += piece.samples
        else:
            if stress:
                symbol = piece.symbol if piece.pause else stress.symbol + piece.symbol
                piece = _Piece(symbol, stress.samples + piece.samples, piece.pause, stress.first)
                stress = None
            merged.append(piece)
    if stress:
        merged.append(_Piece(" ", stress.samples, True, stress.first))
    return merged


def _join_pauses(pieces: list[_Piece]) -> list[_Piece]:
    joined: list[_Piece] = []
    for piece in pieces:
        if joined and piece.pause and joined[-1].pause:
            joined[-1].samples += piece.samples
        else:
            joined.append(piece)
    return joined


def _absorb_short_pauses(pieces: list[_Piece], audio: NDArray[np.float32], sample_rate: int) -> list[_Piece]:
    """A gap inside the sentence that is short or not quiet goes half to each neighbour; the edges stay pauses."""
    power = np.concatenate(([0.0], np.cumsum(np.square(audio, dtype=np.float64))))
    level = np.sqrt(power[-1] / max(1, len(audio)))
    kept: list[_Piece] = []
    position, carry = 0.0, 0.0
    for index, piece in enumerate(pieces):
        start, position = int(position), position + piece.samples
        inner = 0 < index < len(pieces) - 1
        if piece.pause and inner:
            end = int(position)
            rms = np.sqrt((power[end] - power[start]) / max(1, end - start))
            if piece.samples < _PAUSE_MIN_S * sample_rate or rms > _PAUSE_MAX_LEVEL * level:
                kept[-1].samples += piece.samples / 2
                carry = piece.samples / 2
                continue
        piece.samples += carry
        carry = 0.0
        kept.append(piece)
    return kept
