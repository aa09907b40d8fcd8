"""The table has every column of every row, in the names that clients know."""

from __future__ import annotations

import pytest

from deployments.core.visemes import CLOSURE, INDEX, REST, VISEMES, Viseme
from deployments.lipsync.ipa import DIPHTHONGS, shape
from deployments.media.projection import ARKIT_NAMES

BASIC = {"REST", "AA", "EE", "OH", "OO", "FF", "TH"}
OCULUS = set(["sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U"])
RHUBARB = set("ABCDEFGHX")

AZURE = """
0 sil
1 æ ə ʌ
2 ɑ
3 ɔ
4 ɛ ʊ
5 ɝ
6 j i ɪ
7 w u
8 o
13 ɹ
14 l
15 s z
16 ʃ ʒ
17 ð
18 f v
19 d t n θ
20 k ɡ ŋ
21 p b m
"""
"""As Azure Speech documents its IDs (facts of the field: conventions)."""
AZURE_GLIDES = {9: ("a", "ʊ"), 10: ("ɔ", "ɪ"), 11: ("a", "ɪ")}


@pytest.mark.parametrize("viseme", VISEMES, ids=lambda viseme: viseme.name)
def test_row_is_complete(viseme: Viseme) -> None:
    assert viseme.basic in BASIC
    assert viseme.oculus in OCULUS
    assert viseme.rhubarb in RHUBARB
    assert 0 <= viseme.azure <= 21
    assert set(viseme.arkit) <= set(ARKIT_NAMES)
    assert all(0 < amount <= 1 for amount in viseme.arkit.values())
    assert viseme.arkit or viseme.kind == "silence"


@pytest.mark.parametrize("line", AZURE.strip().split("\n"))
def test_azure_ids(line: str) -> None:
    number, *letters = line.split()
    for letter in letters:
        name = "sil" if letter == "sil" else shape(letter)[0]
        assert VISEMES[INDEX[name]].azure == int(number), letter


@pytest.mark.parametrize(("number", "pair"), AZURE_GLIDES.items())
def test_azure_gives_a_diphthong_one_id(number: int, pair: tuple[str, str]) -> None:
    assert [VISEMES[INDEX[name]].azure for name in DIPHTHONGS[pair]] == [number, number]


def test_every_set_is_used_in_full() -> None:
    assert {viseme.basic for viseme in VISEMES} == BASIC
    assert {viseme.oculus for viseme in VISEMES} == OCULUS
    assert {viseme.rhubarb for viseme in VISEMES} == RHUBARB
    assert {viseme.azure for viseme in VISEMES} == set(range(22))


def test_names_are_unique_and_fit_a_byte() -> None:
    assert len(INDEX) == len(VISEMES) <= 256


def test_rest_and_closure_are_kept_apart() -> None:
    assert REST != CLOSURE
    assert VISEMES[REST].kind == "silence"
    assert VISEMES[CLOSURE].kind == "closure"
    assert VISEMES[REST].basic == VISEMES[CLOSURE].basic == "REST"
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
