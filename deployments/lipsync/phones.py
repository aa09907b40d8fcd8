"""The phones that the acoustic model knows (ARPAbet), and how they and IPA stand for each other.

IPA letters of other languages go to the nearest English phone by place and manner of articulation: the mouth is drawn
from the IPA letter, the phone is only what is listened for.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from rapidfuzz.distance import Levenshtein

_ROWS = """
P p ʘ
B b ɓ ʙ β
M m
F f ɸ
V v ɱ ʋ ⱱ
TH θ
DH ð
T t ʈ ʔ ǀ ǃ
D d ɖ ɗ ɾ ɽ ɺ ǂ
N n ɳ ɴ ɲ
S s ʦ
Z z ʣ
SH ʃ ɕ ʂ ɧ ç
ZH ʒ ʑ ʐ
CH ʧ ʨ c
JH ʤ ʥ ɟ ʄ ʝ
K k q ʡ ǁ
G ɡ g ɢ ɠ ʛ ɣ ɰ
NG ŋ
HH h ɦ x χ ħ ʕ ʜ ʢ
L l ɫ ɬ ɮ ɭ ʎ ʟ
R ɹ r ɻ ʁ ʀ
W w ʍ
Y j ɥ
IY i
IH ɪ ɨ ᵻ
EY e ø
EH ɛ ε œ
AE æ
AA ɑ a ɒ ɶ
AO ɔ
OW o ɵ
UH ʊ ʏ ɯ
UW u y ʉ
AH ə ʌ ɐ ɤ ɘ
ER ɜ ɝ ɚ ɞ
AY aɪ ai
AW aʊ au
OY ɔɪ oɪ ɔø
OW oʊ əʊ ou
EY eɪ ei
CH tʃ tɕ
JH dʒ dʑ
"""
_PHONES = MappingProxyType({letters: row.split()[0] for row in _ROWS.split("\n") for letters in row.split()[1:]})
_IPA = MappingProxyType({row.split()[0]: row.split()[1] for row in reversed(_ROWS.split("\n")) if row} | {"AH": "ə"})
"""Phone -> letters. One phone of the model is both ə and ʌ; most of what it hears is unstressed."""
DIPHTHONGS = frozenset({"AY", "AW", "OY", "OW", "EY"})
_GLIDES = MappingProxyType({"AY": "aɪ", "AW": "aʊ", "OY": "ɔɪ", "OW": "oʊ", "EY": "eɪ"})
VOWELS = DIPHTHONGS | frozenset(["AA", "AE", "AH", "AO", "EH", "ER", "IH", "IY", "UH", "UW"])
_STRESS = "ˈˌ"


@dataclass(frozen=True)
class Sound:
    """One phone to listen for, and what to draw for it."""

    phone: str
    """ARPAbet."""
    letters: str
    """IPA, one letter, two for a glide or an affricate."""
    stress: str = ""
    """ˈ, ˌ or nothing."""


def sounds_of_ipa(text: str) -> list[Sound]:
    """The sounds of a string of IPA; marks, tones and signs that are no sound are left out."""
    sounds = []
    for letters, stress in _letters(unicodedata.normalize("NFD", text).replace("c\u0327", "ç")):
        sounds.append(Sound(_PHONES[letters], letters, stress))
    return sounds


def _letters(text: str) -> Iterator[tuple[str, str]]:
    """Known letters, two where two are one sound, with the stress mark that stands before them."""
    text = "".join(sign for sign in text if sign in _PHONES or sign in _STRESS or sign in " |")
    at, stress = 0, ""
    while at < len(text):
        size = 2 if text[at : at + 2] in _PHONES else 1
        letters = text[at : at + size]
        if letters in _PHONES:
            yield letters, stress
            stress = ""
        elif letters in _STRESS:
            stress = letters
        at += size


def sounds_of_phones(phones: str) -> list[Sound]:
    """The sounds of a dictionary's entry, as in "HH AH L OW"."""
    return [Sound(phone, _GLIDES.get(phone, _IPA[phone])) for phone in phones.split()]


def with_stress_of(sounds: list[Sound], marked: list[Sound]) -> list[Sound]:
    """The same sounds with the stress of another pronunciation of the word, if both have as many vowels."""
    marks = [sound.stress for sound in marked if sound.phone in VOWELS]
    vowels = [index for index, sound in enumerate(sounds) if sound.phone in VOWELS]
    if len(marks) != len(vowels):
        return sounds
    stressed = dict(zip(vowels, marks, strict=True))
    return [replace(sound, stress=stressed.get(index, "")) for index, sound in enumerate(sounds)]


def shared_out(
    words: Sequence[Sequence[Sound]], together: Sequence[Sound], key: Callable[[Sound], str]
) -> list[list[Sound]]:
    """What each word has of the sounds of all of them together, by the least edits between the two.

    Args:
        words: sounds of each word alone.
        together: sounds of the whole.
        key: what makes two sounds the same.
    """
    owners = [word for word, sounds in enumerate(words) for _ in sounds]
    alone = [key(sound) for sounds in words for sound in sounds]
    shares: list[list[Sound]] = [[] for _ in words]
    for edit in Levenshtein.opcodes(alone, [key(sound) for sound in together]):
        size = edit.src_end - edit.src_start
        for offset in range(edit.dest_end - edit.dest_start):
            at = min(edit.src_start + min(offset, max(0, size - 1)), len(owners) - 1)
            if at >= 0:
                shares[owners[at]].append(together[edit.dest_start + offset])
    return shares
