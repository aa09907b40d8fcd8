"""Where one sound ends and the next begins, from the frames of a search.

A frame of the model is 25.6 ms wide and stamped at its start, so a change between two frames is heard 8 ms behind the
stamp (half a window, less half a step). Besides, hidden Markov models let vowels end early: the transition into the
next consonant is part of that consonant's triphone. The delays are means of the medians over two synthesisers, Piper
(joe) and flite (slt, rms, awb), 100 sentences, 2000 boundaries. Measured by sound alone, the energy of s and sh above
3.5 kHz begins 7 to 20 ms behind the stamp in each of the voices, and ends 1 to 12 ms before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from .phones import VOWELS

_KINDS = MappingProxyType(
    dict.fromkeys(VOWELS, "vowel")
    | dict.fromkeys(["P", "B", "T", "D", "K", "G", "CH", "JH"], "stop")
    | dict.fromkeys(["F", "V", "TH", "DH", "S", "Z", "SH", "ZH", "HH"], "fricative")
    | dict.fromkeys(["M", "N", "NG"], "nasal")
    | dict.fromkeys(["L", "R", "W", "Y"], "liquid")
)
_DELAY_S = MappingProxyType(
    {
        ("vowel", "fricative"): 0.019,
        ("vowel", "stop"): 0.016,
        ("vowel", "nasal"): 0.020,
        ("vowel", "liquid"): 0.020,
        ("liquid", "vowel"): -0.003,
        ("stop", "vowel"): 0.009,
        ("nasal", "vowel"): 0.005,
        ("fricative", "vowel"): 0.008,
    }
)
_OTHER_S = 0.010
MIN_SOUND_S = 0.005
"""No sound is pressed to less by its neighbours' delays."""


def settle(phones: Sequence[str], starts_s: Sequence[float], end_s: float) -> list[float]:
    """Starts of the sounds, delayed; never falling, none behind the end.

    Args:
        phones: ARPAbet, or "" for silence.
        starts_s: stamp of the first frame of each.
        end_s: end of the last.
    """
    settled: list[float] = []
    for index, (phone, start) in enumerate(zip(phones, starts_s, strict=True)):
        pair = (_KINDS.get(phones[index - 1], ""), _KINDS.get(phone, "")) if index else ("", "")
        least = settled[-1] + MIN_SOUND_S if settled else 0.0
        settled.append(min(end_s, max(least, start + _DELAY_S.get(pair, _OTHER_S))))
    return settled
