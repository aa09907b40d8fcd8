"""IPA letters as espeak-ng writes them, and the mouth shape of each.

Covers every letter of Piper's phoneme alphabet. The shapes and weights of the letters that English uses are those of
the project's joined table (Azure, Oculus and Rhubarb columns in core/visemes.py); the rest follow place and manner of
articulation as the IPA chart gives them.
"""

from __future__ import annotations

import unicodedata
from types import MappingProxyType

_ROWS = """
PP   1.00  p b m ɓ ʙ ʘ
FF   0.90  f
FF   0.80  v ɱ
FF   0.60  ʋ ⱱ
TH   0.80  θ
DH   0.60  ð
L    0.50  l ɫ ɬ ɮ ɭ ɺ ʎ ʟ ǁ
D    0.35  t d ɾ ɽ ʈ ɖ ɗ c ɟ ʄ ǀ ǂ ǃ
N    0.30  n ɲ ɳ ɴ
S    0.40  s z ʦ ʣ
CH   0.50  ʃ ʒ ɕ ʑ ʂ ʐ ɧ ʧ ʤ ʨ ʥ
K    0.30  k ɡ g ŋ x q ɢ χ ʁ ʀ ɣ ħ ʕ ɠ ʛ ʡ ʢ ʜ ɰ ʔ
R    0.40  ɹ r ɻ
W    0.90  w ʍ ɥ
W    0.50  ɸ β
Y    0.60  j ʝ
I    0.80  i
I    0.60  ɪ ɨ ɯ
I    0.50  ᵻ
E    0.75  ɛ ε
E    0.70  e
E    0.50  ɘ
AE   0.80  æ ɶ
AX   0.35  ə
AX   0.50  ɐ
AX   0.60  ʌ ɤ
AA   1.00  ɑ ɒ
AA   0.90  a
AO   0.90  ɔ
AO   0.70  œ
O    0.80  o
O    0.70  ø ɵ
ER   0.50  ɜ ɝ ɞ
ER   0.40  ɚ
U    1.00  u
U    0.90  y ʉ ʏ
UH   0.80  ʊ
"""


def _parse(rows: str) -> dict[str, tuple[str, float]]:
    table = {}
    for row in rows.split("\n"):
        if row:
            name, weight, *letters = row.split()
            table.update({letter: (name, float(weight)) for letter in letters})
    return table


LETTERS: MappingProxyType[str, tuple[str, float]] = MappingProxyType(_parse(_ROWS))
"""Letter -> (viseme name, weight in [0, 1])."""

BREATH = frozenset("hɦ")
"""Sounds without a mouth shape of their own: they take that of the next vowel at half its weight."""

UNKNOWN = ("K", 0.3)
"""For signs that no alphabet here knows: the mouth a little open, as for most consonants."""

DIPHTHONGS: MappingProxyType[tuple[str, str], tuple[str, str]] = MappingProxyType(
    {
        ("a", "ɪ"): ("AY_1", "AY_2"),
        ("a", "i"): ("AY_1", "AY_2"),
        ("a", "ʊ"): ("AW_1", "AW_2"),
        ("a", "u"): ("AW_1", "AW_2"),
        ("ɔ", "ɪ"): ("OY_1", "OY_2"),
        ("ɔ", "ø"): ("OY_1", "OY_2"),
        ("o", "ʊ"): ("OW_1", "OW_2"),
        ("ə", "ʊ"): ("OW_1", "OW_2"),
        ("e", "ɪ"): ("EY_1", "EY_2"),
    }
)
"""Pairs of vowels that are one glide."""


def base_letters(symbol: str) -> str:
    """The letters of a phoneme without stress, length, tone and other marks; never empty for a sound.

    Accented letters go by their base ("ã" by "a"); a sign that is no letter at all stays as it is.
    """
    decomposed = unicodedata.normalize("NFD", symbol)
    letters = "".join(sign for sign in decomposed if unicodedata.category(sign) in {"Ll", "Lu", "Lo"})
    return letters or decomposed[:1]


def shape(letter: str) -> tuple[str, float]:
    """Viseme name and weight of a letter that is not in BREATH."""
    return LETTERS.get(letter) or LETTERS.get(letter.lower()) or UNKNOWN
