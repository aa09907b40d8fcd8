"""What a mouth does for each sound: amounts of every articulator for each of the internal visemes.

By the articulation of each sound (IPA chart; Edwards et al., JALI, 2016), set by eye on photographs and drawings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deployments.core.visemes import VISEMES

SHAPE = ("jaw", "wide", "round", "funnel", "raise_", "drop", "press", "tuck", "tongue", "tip")
"""Columns: the first eight as muscles.MUSCLES; tongue: how far it rises, tip: how far it comes out, both 0-1."""
OPENING = np.isin(SHAPE, ["jaw", "funnel", "raise_", "drop"])
"""(10,) bool: what parts the lips; a closure takes all of it away."""


def _row(**amounts: float) -> tuple[float, ...]:
    assert set(amounts) <= set(SHAPE)
    return tuple(amounts.get(name, 0.0) for name in SHAPE)


_EE = _row(jaw=0.14, wide=0.85, raise_=0.5, drop=0.6, tongue=0.45)
_EH = _row(jaw=0.45, wide=0.5, raise_=0.4, drop=0.3, tongue=0.3)
_AH = _row(jaw=1.0, wide=0.05, raise_=0.25, drop=0.1)
_OH = _row(jaw=0.5, round=0.7, funnel=0.6)
_AW = _row(jaw=0.75, round=0.5, funnel=0.45)
_OO = _row(jaw=0.06, round=1.0, funnel=0.42)
_ER = _row(jaw=0.2, round=0.5, funnel=0.5, raise_=0.25, drop=0.3, tongue=0.4)

_ROWS = {
    "sil": _row(),
    "PP": _row(press=0.55),
    "FF": _row(raise_=0.7, tuck=1.0, jaw=0.02),
    "TH": _row(jaw=0.2, wide=0.15, raise_=0.3, drop=0.35, tongue=0.9, tip=1.0),
    "DH": _row(jaw=0.18, wide=0.15, raise_=0.25, drop=0.3, tongue=0.9, tip=0.85),
    "L": _row(jaw=0.32, wide=0.15, raise_=0.35, drop=0.3, tongue=1.0),
    "D": _row(jaw=0.2, wide=0.25, raise_=0.35, drop=0.5, tongue=0.85),
    "N": _row(jaw=0.24, wide=0.2, raise_=0.3, drop=0.4, tongue=0.9),
    "S": _row(jaw=0.05, wide=0.5, raise_=0.55, drop=0.6, tongue=0.3),
    "CH": _row(jaw=0.05, round=0.5, funnel=0.35, raise_=0.55, drop=0.55),
    "K": _row(jaw=0.32, wide=0.15, raise_=0.3, drop=0.35, tongue=0.2),
    "R": _row(jaw=0.12, round=0.55, funnel=0.4, raise_=0.15, drop=0.25, tongue=0.4),
    "W": _row(jaw=0.04, round=1.0, funnel=0.25),
    "Y": _EE,
    "H_AA": _row(jaw=0.7, raise_=0.25, drop=0.1),
    "H_EE": _EH,
    "H_OH": _OH,
    "H_OO": _OO,
    "I": _EE,
    "E": _EH,
    "AE": _row(jaw=0.8, wide=0.4, raise_=0.4, drop=0.2, tongue=0.1),
    "AX": _row(jaw=0.55, wide=0.1, raise_=0.25, drop=0.2, tongue=0.15),
    "AA": _AH,
    "AO": _AW,
    "O": _OH,
    "ER": _ER,
    "U": _OO,
    "UH": _row(jaw=0.22, round=0.65, funnel=0.45),
    "AY_1": _AH,
    "AY_2": _EE,
    "AW_1": _AH,
    "AW_2": _OO,
    "OY_1": _AW,
    "OY_2": _EE,
    "OW_1": _OH,
    "OW_2": _OO,
    "EY_1": _EH,
    "EY_2": _EE,
}

SHAPES: NDArray[np.float32] = np.array([_ROWS[viseme.name] for viseme in VISEMES], np.float32)
"""(len(VISEMES), len(SHAPE)) float32: at weight 1."""

_LIPS_OF_KIND = {"silence": 0.9, "closure": 2.0, "bite": 1.5, "tongue": 0.5, "lips": 1.2, "vowel": 1.0}
"""How strongly a kind of sound insists on its lips against its neighbours (Cohen and Massaro's dominance)."""
_TONGUE_OF_KIND = {"silence": 0.5, "closure": 0.2, "bite": 0.3, "tongue": 2.0, "lips": 1.5, "vowel": 0.7}


def _dominance() -> NDArray[np.float32]:
    found = np.empty_like(SHAPES)
    for i, viseme in enumerate(VISEMES):
        found[i] = _LIPS_OF_KIND[viseme.kind]
        found[i, [SHAPE.index("tongue"), SHAPE.index("tip")]] = _TONGUE_OF_KIND[viseme.kind]
        if viseme.kind in {"closure", "bite", "tongue"}:  # "boo" and "do" round their lips before they part
            found[i, [SHAPE.index("wide"), SHAPE.index("round")]] = 0.25
    return found


DOMINANCE: NDArray[np.float32] = _dominance()
"""As SHAPES."""
