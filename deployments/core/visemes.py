"""The rich internal alphabet of mouth shapes, and what each is called in the alphabets that clients ask for.

It is finer than any of them (it keeps the closure of p b m apart from rest, and a diphthong's halves apart), so that
every other set is a projection: a column of this table.

Sources of the columns: Azure viseme IDs 0-21 as Azure Speech documents them (θ is 19, ð is 17); the 15 Oculus/OpenXR
visemes from Meta's viseme reference; Rhubarb's A-H, X from its README; ARKit blend shape names from Apple's
ARFaceAnchor. The ARKit amounts are this project's own, drawn by the articulation of each sound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Kind = Literal["silence", "closure", "bite", "tongue", "lips", "vowel"]
"""What coarticulation may do with a shape: a closure (p b m) and a bite (f v) must be seen whatever the speed, `lips`
consonants shape the lips themselves, `tongue` consonants take the lips of the vowels around them."""


@dataclass(frozen=True)
class Viseme:
    """One row of the table."""

    name: str
    kind: Kind
    basic: str
    azure: int
    oculus: str
    rhubarb: str
    arkit: MappingProxyType[str, float] = field(hash=False)
    """Blend shape -> amount in [0, 1] at weight 1."""


def _row(name: str, kind: Kind, basic: str, azure: int, oculus: str, rhubarb: str, **arkit: float) -> Viseme:
    return Viseme(name, kind, basic, azure, oculus, rhubarb, MappingProxyType(arkit))


def _both(shape: str, amount: float) -> dict[str, float]:
    """The same amount on the left and the right half of the face."""
    return {f"{shape}Left": amount, f"{shape}Right": amount}


_CLOSED = {"mouthClose": 0.15, "mouthRollLower": 0.25, "mouthRollUpper": 0.2, **_both("mouthPress", 0.5)}
_BITE = {"jawOpen": 0.06, "mouthRollLower": 0.8, **_both("mouthUpperUp", 0.4)}
_SPREAD = {**_both("mouthStretch", 0.35), **_both("mouthSmile", 0.2)}
_ROUND = {"mouthFunnel": 0.5, "mouthPucker": 0.3}
_PUCKER = {"mouthPucker": 0.9, "mouthFunnel": 0.4}

VISEMES: tuple[Viseme, ...] = (
    _row("sil", "silence", "REST", 0, "sil", "X"),
    _row("PP", "closure", "REST", 21, "PP", "A", **_CLOSED),
    _row("FF", "bite", "FF", 18, "FF", "G", **_BITE),
    _row("TH", "lips", "TH", 19, "TH", "B", jawOpen=0.2, tongueOut=0.35),
    _row("DH", "lips", "TH", 17, "TH", "B", jawOpen=0.18, tongueOut=0.3),
    _row("L", "tongue", "TH", 14, "nn", "H", jawOpen=0.25, tongueOut=0.1),
    _row("D", "tongue", "EE", 19, "DD", "B", jawOpen=0.2, **_both("mouthStretch", 0.2)),
    _row("N", "tongue", "EE", 19, "nn", "B", jawOpen=0.2, **_both("mouthStretch", 0.15)),
    _row("S", "lips", "EE", 15, "SS", "B", jawOpen=0.06, **_both("mouthStretch", 0.45)),
    _row("CH", "lips", "OO", 16, "CH", "B", jawOpen=0.1, mouthFunnel=0.7, mouthPucker=0.3),
    _row("K", "tongue", "EE", 20, "kk", "B", jawOpen=0.25),
    _row("R", "lips", "OO", 13, "RR", "B", jawOpen=0.15, mouthPucker=0.45, mouthFunnel=0.3),
    _row("W", "lips", "OO", 7, "U", "F", jawOpen=0.05, **_PUCKER),
    _row("Y", "tongue", "EE", 6, "I", "B", jawOpen=0.1, **_SPREAD),
    # h has no shape of its own: one row for each shape of the vowel that follows.
    _row("H_AA", "tongue", "AA", 12, "aa", "C", jawOpen=0.6),
    _row("H_EE", "tongue", "EE", 12, "E", "C", jawOpen=0.25, **_SPREAD),
    _row("H_OH", "tongue", "OH", 12, "O", "E", jawOpen=0.4, **_ROUND),
    _row("H_OO", "tongue", "OO", 12, "U", "F", jawOpen=0.1, **_PUCKER),
    _row("I", "vowel", "EE", 6, "I", "B", jawOpen=0.15, **_SPREAD),
    _row("E", "vowel", "EE", 4, "E", "C", jawOpen=0.35, **_SPREAD),
    _row("AE", "vowel", "AA", 1, "aa", "C", jawOpen=0.6, **_both("mouthStretch", 0.3)),
    _row("AX", "vowel", "AA", 1, "aa", "C", jawOpen=0.6),
    _row("AA", "vowel", "AA", 2, "aa", "D", jawOpen=0.8),
    _row("AO", "vowel", "OH", 3, "O", "E", jawOpen=0.5, **_ROUND),
    _row("O", "vowel", "OH", 8, "O", "E", jawOpen=0.4, **_ROUND),
    _row("ER", "vowel", "OH", 5, "RR", "E", jawOpen=0.3, mouthFunnel=0.4, mouthPucker=0.3),
    _row("U", "vowel", "OO", 7, "U", "F", jawOpen=0.12, **_PUCKER),
    _row("UH", "vowel", "OO", 4, "U", "F", jawOpen=0.2, mouthPucker=0.6, mouthFunnel=0.4),
    # Diphthongs: Azure has one ID for the whole glide, every other set shows both halves.
    _row("AY_1", "vowel", "AA", 11, "aa", "D", jawOpen=0.8),
    _row("AY_2", "vowel", "EE", 11, "I", "B", jawOpen=0.15, **_SPREAD),
    _row("AW_1", "vowel", "AA", 9, "aa", "D", jawOpen=0.8),
    _row("AW_2", "vowel", "OO", 9, "U", "E", jawOpen=0.2, **_PUCKER),
    _row("OY_1", "vowel", "OH", 10, "O", "E", jawOpen=0.5, **_ROUND),
    _row("OY_2", "vowel", "EE", 10, "I", "B", jawOpen=0.15, **_SPREAD),
    _row("OW_1", "vowel", "OH", 8, "O", "E", jawOpen=0.4, **_ROUND),
    _row("OW_2", "vowel", "OO", 8, "U", "F", jawOpen=0.12, **_PUCKER),
    _row("EY_1", "vowel", "EE", 4, "E", "C", jawOpen=0.35, **_SPREAD),
    _row("EY_2", "vowel", "EE", 4, "I", "B", jawOpen=0.15, **_SPREAD),
)

INDEX: MappingProxyType[str, int] = MappingProxyType({viseme.name: i for i, viseme in enumerate(VISEMES)})
"""Name -> index into VISEMES: what a VisemeTrack stores."""

REST = INDEX["sil"]
CLOSURE = INDEX["PP"]
