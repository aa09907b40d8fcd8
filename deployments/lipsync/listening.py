"""A recording made ready to be listened to, and the spans that come of what was heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.typing import NDArray

from deployments.core.types import SILENCE, AudioClip, PhonemeSpan, Speech

from .acoustics.features import HOP_S, RATE
from .activity import Passage
from .boundaries import MIN_SOUND_S, settle
from .phones import DIPHTHONGS, Sound

_PEAK = 0.7
"""The level that the model likes; quiet recordings are as good as loud ones then."""
_SILENT = 1e-4
"""A peak below 3 steps of 16 bits is nobody's voice."""
_NUCLEUS = 0.6
"""Share of the first vowel of a glide: 0.59 to 0.71 in the data, where phoneticians put the nucleus as well."""


@dataclass(frozen=True)
class Heard:
    """A sound and when the search heard it."""

    sound: Sound | None
    """None for silence between sounds."""
    start_s: float
    """Stamp of its first frame."""
    end_s: float
    word: int = -1
    """Index of its word, where it has one."""
    fit: float = 0.0
    """Nats a frame, as in acoustics.search."""


def cleaned(speech: Speech) -> Speech:
    """The same with sound in range: what is not a number is silence, what is too loud is clipped."""
    samples = np.nan_to_num(speech.audio.samples, nan=0.0, posinf=1.0, neginf=-1.0)
    np.clip(samples, -1, 1, out=samples)
    return replace(speech, audio=AudioClip(samples, speech.audio.sample_rate))


def prepare(audio: AudioClip) -> NDArray[np.float32]:
    """(N,) float32 at RATE, loud enough."""
    samples = audio.samples
    if audio.sample_rate != RATE and len(samples):
        samples = soxr.resample(samples, audio.sample_rate, RATE, quality="HQ")
    peak = float(np.abs(samples).max(initial=0.0))
    return samples * np.float32(_PEAK / peak if peak > _SILENT else 0)


def within(samples: NDArray[np.float32], passage: Passage) -> NDArray[np.float32]:
    """The samples of a passage."""
    return samples[round(passage.start_s * RATE) : round(passage.end_s * RATE)]


def spans(heard: Sequence[Heard], duration_s: float) -> tuple[tuple[PhonemeSpan, ...], list[tuple[float, float]]]:
    """Contiguous spans from 0 to the end, and the settled start and end of everything heard.

    Args:
        heard: in order; gaps between them are silence.
        duration_s: of the recording.
    """
    filled = list(_fill(heard, duration_s))
    phones = [each.sound.phone if each.sound else "" for each in filled]
    starts = settle(phones, [each.start_s for each in filled], duration_s)
    starts[:1] = [0.0] if starts else []
    times = list(zip(starts, [*starts[1:], duration_s], strict=True))
    found = [span for each, time in zip(filled, times, strict=True) for span in _letters(each.sound, *time)]
    return tuple(found), [time for each, time in zip(filled, times, strict=True) if each.sound]


def _fill(heard: Sequence[Heard], duration_s: float) -> Iterator[Heard]:
    """With the silences between."""
    at = 0.0
    for each in heard:
        if each.start_s > at + HOP_S / 2:
            yield Heard(None, at, each.start_s)
        yield each
        at = each.end_s
    if not heard or duration_s - at > 4 * HOP_S:  # frames end three steps before their sound does
        yield Heard(None, at, duration_s)


def _letters(sound: Sound | None, start_s: float, end_s: float) -> list[PhonemeSpan]:
    if sound is None:
        return [PhonemeSpan(SILENCE, start_s, end_s)]
    if sound.phone in DIPHTHONGS and len(sound.letters) > 1 and end_s - start_s > 2 * MIN_SOUND_S:
        turn = start_s + _NUCLEUS * (end_s - start_s)
        return [
            PhonemeSpan(sound.stress + sound.letters[0], start_s, turn),
            PhonemeSpan(sound.letters[1:], turn, end_s),
        ]
    return [PhonemeSpan(sound.stress + sound.letters, start_s, end_s)]
