"""Every sound has a shape, at its own time."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from pydantic import ValidationError

from deployments.core.types import SILENCE, AudioClip, PhonemeSpan, Speech, VisemeTrack
from deployments.core.visemes import VISEMES
from deployments.lipsync.engines.phonemes import Engine, Options
from deployments.lipsync.ipa import BREATH, LETTERS, UNKNOWN, base_letters, shape
from tests.deployments.strategies import BITES, CLOSURES, sequences, speech_of, track_of

_NO_SOUND = set("_^$ !'(),-.:;?\"#—…¡¿«»“”")
_MARKS = {"Lm", "Mn", "Sk", "Nd"}
SOUNDS = [
    letter
    for letter in DEFAULT_PHONEME_ID_MAP
    if letter not in _NO_SOUND and unicodedata.category(letter[0]) not in _MARKS and letter not in "↓↑→↗↘"
]


def _names(track: VisemeTrack) -> list[str]:
    return [VISEMES[index].name for index in track.visemes]


def _say(*symbols: str) -> list[str]:
    return _names(track_of([(symbol, 100) for symbol in symbols]))


@pytest.mark.parametrize("letter", SOUNDS)
def test_every_sound_of_piper_has_a_shape(letter: str) -> None:
    letters = base_letters(letter)
    assert letters
    assert all(base.lower() in LETTERS or base in BREATH for base in letters), "unknown"
    assert all(0 < shape(base)[1] <= 1 for base in letters if base not in BREATH)


def test_there_are_many_sounds() -> None:
    assert len(SOUNDS) > 100


@given(
    st.sampled_from(SOUNDS), st.sampled_from(["", "ˈ", "ˌ"]), st.sampled_from(["", "ː", "\u0303", "ʰ", "ʲ", "\u0329"])
)
def test_no_sound_is_dropped_whatever_its_marks(letter: str, stress: str, mark: str) -> None:
    marked = _names(track_of([(f"{stress}{letter}{mark}", 100)]))
    assert marked == _say(letter)
    assert "sil" not in marked


@given(st.text(min_size=1, max_size=4).filter(lambda symbol: symbol.strip() and symbol != SILENCE))
def test_any_sign_is_a_shape(symbol: str) -> None:
    track = track_of([(symbol, 100)])
    assert len(track.visemes) >= 1
    assert track.duration_s == 0.1


@pytest.mark.parametrize(
    ("nasal", "base"), [("ã", "a"), ("ɔ\u0303", "ɔ"), ("ɛ\u0303", "ɛ"), ("œ\u0303", "œ"), ("õ", "o")]
)
def test_nasal_vowels_go_by_their_base(nasal: str, base: str) -> None:
    assert _say(nasal) == _say(base)


def test_unknown_letters_open_the_mouth_a_little() -> None:
    assert _say("中") == [UNKNOWN[0]]


@given(sequences())
def test_track_is_sound(sequence: list[tuple[str, int]]) -> None:
    speech = speech_of(sequence)
    track = Engine(Options()).track(speech)
    assert track.starts_s[0] == 0
    assert (np.diff(track.starts_s) >= 0).all()
    assert track.starts_s[-1] <= track.duration_s == speech.audio.duration_s
    assert len(track.starts_s) == len(track.visemes) == len(track.weights) >= len(sequence)
    assert ((track.weights >= 0) & (track.weights <= 1)).all()


@given(sequences())
def test_closures_bites_and_rest(sequence: list[tuple[str, int]]) -> None:
    """Each at its own moment, in full."""
    track = track_of(sequence)
    shapes = dict.fromkeys(CLOSURES, "PP") | dict.fromkeys(BITES, "FF") | {SILENCE: "sil"}
    wanted = [(shapes[span.symbol], span.start_s) for span in speech_of(sequence).phonemes if span.symbol in shapes]
    found = [
        (name, float(start))
        for name, start in zip(_names(track), track.starts_s, strict=True)
        if name in shapes.values()
    ]
    assert found == wanted
    for name, weight in zip(_names(track), track.weights, strict=True):
        assert weight == 1 or name not in {"PP", "sil"}
        assert weight >= 0.8 or name != "FF"


@pytest.mark.parametrize(
    ("pair", "names"),
    [
        (("ˈa", "ɪ"), ["AY_1", "AY_2"]),
        (("a", "ʊ"), ["AW_1", "AW_2"]),
        (("ɔ", "ɪ"), ["OY_1", "OY_2"]),
        (("o", "ʊ"), ["OW_1", "OW_2"]),
        (("e", "ɪ"), ["EY_1", "EY_2"]),
        (("a", "t"), ["AA", "D"]),
        (("a", SILENCE), ["AA", "sil"]),
    ],
)
def test_diphthongs(pair: tuple[str, str], names: list[str]) -> None:
    assert _say(*pair) == names


def test_merged_diphthong_shares_its_time() -> None:
    track = track_of([("ˈaɪ", 100), ("t", 50)])
    assert _names(track) == ["AY_1", "AY_2", "D"]
    np.testing.assert_allclose(track.starts_s, [0, 0.05, 0.1])


@pytest.mark.parametrize(
    ("following", "name"),
    [(("i",), "H_EE"), (("u",), "H_OO"), (("ɔ",), "H_OH"), (("ɑ",), "H_AA"), (("j", "u"), "H_OO")],
)
def test_breath_takes_the_next_vowel(following: tuple[str, ...], name: str) -> None:
    track = track_of([(symbol, 100) for symbol in ("h", *following)])
    assert _names(track)[0] == name
    vowel = track.weights[-1]
    assert track.weights[0] == pytest.approx(vowel / 2, rel=0.5)


@pytest.mark.parametrize("end", [("h",), ("h", SILENCE, "i"), ("h", "t")])
def test_breath_without_a_vowel(end: tuple[str, ...]) -> None:
    assert _say(*end)[0] == "H_AA"


def test_loud_and_stressed_vowels_open_more() -> None:
    samples = np.concatenate((np.full(100, 0.9), np.full(100, 0.1), np.full(100, 0.9))).astype(np.float32)
    spans = (PhonemeSpan("ˈa", 0, 0.1), PhonemeSpan("ˈa", 0.1, 0.2), PhonemeSpan("a", 0.2, 0.3))
    speech = Speech(AudioClip(samples, 1000), spans, (), "", "en_US")
    loud, quiet, unstressed = Engine(Options()).track(speech).weights
    assert quiet < unstressed < loud
    flat = Engine(Options(quietest=1, unstressed=1)).track(speech).weights
    assert flat[0] == flat[1] == flat[2] == pytest.approx(0.9)


def test_lax_bite_still_bites() -> None:
    track = track_of([("ʋ", 100)])
    assert _names(track) == ["FF"]
    assert track.weights[0] == pytest.approx(0.8)


def test_speech_without_phonemes() -> None:
    track = Engine(Options()).track(Speech(AudioClip(np.zeros(0, np.float32), 22050), (), (), "", "en_US"))
    assert len(track.starts_s) == 0
    assert track.duration_s == 0


def test_real_speech(speech: Speech) -> None:
    names = _names(Engine(Options()).track(speech))
    sounds = [span.symbol.strip("ˈˌː") for span in speech.phonemes]
    assert names.count("PP") == sum(symbol in CLOSURES for symbol in sounds) >= 5
    assert names.count("FF") == sum(symbol in BITES for symbol in sounds) >= 4
    assert names.count("sil") == sounds.count(SILENCE)


def test_options_are_closed() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Options.model_validate({"colour": "red"})
    with pytest.raises(ValidationError, match="unstressed"):
        Options(unstressed=1.1)
