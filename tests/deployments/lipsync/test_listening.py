"""What both engines of recordings listen with: pronunciations, passages, spans, the search."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.types import SILENCE, AudioClip
from deployments.lipsync.acoustics.features import RATE, features
from deployments.lipsync.acoustics.graph import build
from deployments.lipsync.acoustics.model import SILENCE_PHONE, AcousticModel, load
from deployments.lipsync.acoustics.scores import Scores
from deployments.lipsync.acoustics.search import search
from deployments.lipsync.activity import Activity
from deployments.lipsync.boundaries import settle
from deployments.lipsync.ipa import BREATH, LETTERS
from deployments.lipsync.listening import Heard, spans
from deployments.lipsync.noise import without_noise
from deployments.lipsync.phones import Sound, shared_out, sounds_of_ipa, sounds_of_phones, with_stress_of
from deployments.lipsync.pronunciation import Pronouncer


@pytest.fixture(scope="module")
def model() -> AcousticModel:
    return load()


@pytest.fixture(scope="module")
def pronouncer() -> Pronouncer:
    return Pronouncer()


def _noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(2).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def test_every_letter_that_is_drawn_is_listened_for(model: AcousticModel) -> None:
    for letter in {*LETTERS, *BREATH}:
        (sound,) = sounds_of_ipa(letter)
        assert sound.phone in model.phones


def test_every_phone_is_drawn(model: AcousticModel) -> None:
    for phone in model.phones:
        if phone != SILENCE_PHONE and "+" not in phone:
            (sound,) = sounds_of_phones(phone)
            assert set(sound.letters) <= {*LETTERS, *BREATH}


def test_glides_and_affricates_are_one_sound() -> None:
    sounds = sounds_of_ipa("t͡ʃˈaɪld͡ʒˌoʊ")
    assert [(sound.phone, sound.letters, sound.stress) for sound in sounds] == [
        ("CH", "tʃ", ""),
        ("AY", "aɪ", "ˈ"),
        ("L", "l", ""),
        ("JH", "dʒ", ""),
        ("OW", "oʊ", "ˌ"),
    ]


def test_the_dictionary_borrows_stress() -> None:
    borrowed = with_stress_of(sounds_of_phones("HH EH L OW"), sounds_of_ipa("həlˈoʊ"))
    assert [sound.stress for sound in borrowed] == ["", "", "", "ˈ"]
    assert with_stress_of(sounds_of_phones("AY"), sounds_of_ipa("aˈaˈa")) == sounds_of_phones("AY")


@given(st.text(max_size=30))
def test_any_text_as_ipa(text: str) -> None:
    assert all(sound.letters and sound.phone for sound in sounds_of_ipa(text))


_SOUNDS = st.lists(st.sampled_from(sounds_of_phones("AA B K EH S")), max_size=6)


@given(st.lists(_SOUNDS, max_size=5), _SOUNDS)
def test_sounds_are_shared_out_in_order(words: list[list[Sound]], together: list[Sound]) -> None:
    shares = shared_out(words, together, key=lambda sound: sound.phone)
    assert len(shares) == len(words)
    if any(words):
        assert [sound for share in shares for sound in share] == together


def test_words_in_context_alone_and_by_dictionary(pronouncer: Pronouncer) -> None:
    words = pronouncer.words("The apple, either 42.", "en_US")
    phones = [{" ".join(s.phone for s in way) for way in word.pronunciations} for word in words]
    assert [word.token.text for word in words] == ["The", "apple", "either", "42", "42"]
    assert {"DH IY", "DH AH"} <= phones[0], "before a vowel, and before others"
    assert {"IY DH ER", "AY DH ER"} <= phones[2], "of two speakers"
    assert "F AO R T IY" in phones[3] or "F AO R D IY" in phones[3]


def test_other_languages_have_their_own_sounds(pronouncer: Pronouncer) -> None:
    (word,) = pronouncer.words("schön", "de_DE")
    assert "".join(sound.letters for sound in word.pronunciations[0]) == "ʃøn"


@given(text=st.text(max_size=60), language=st.sampled_from(["en_US", "de", "", "zz", "fr-FR", "../x"]))
def test_any_text_can_be_pronounced(pronouncer: Pronouncer, text: str, language: str) -> None:
    for word in pronouncer.words(text, language):
        assert text[word.token.start_char : word.token.end_char] == word.token.text
        assert word.pronunciations
        assert all(word.pronunciations)


def test_frames_of_features() -> None:
    found, level = features(_noise(1))
    assert found.shape == (98, 3, 13)
    assert found.dtype == np.float32
    assert np.abs(found[:, 0].mean(axis=0)).max() < 1e-3
    assert level.min() == 0
    assert level.max() == 1
    assert len(features(np.zeros(409, np.float32))[0]) == 0


@given(st.integers(0, 3000))
def test_noise_is_taken_off_and_nothing_else(count: int) -> None:
    time = np.arange(count) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 300 * time) * (time % 0.1 > 0.05)).astype(np.float32)
    assert without_noise(tone).shape == tone.shape
    np.testing.assert_allclose(without_noise(np.zeros_like(tone)), 0)


def test_less_noise_is_left() -> None:
    noise = _noise(1)
    speech = np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE).astype(np.float32) * (np.arange(RATE) % 4000 > 2000)
    pauses = np.arange(RATE) % 4000 < 1500
    cleaned = without_noise((speech + noise).astype(np.float32))
    assert cleaned[pauses].std() < 0.5 * noise[pauses].std()
    assert cleaned[~pauses].std() == pytest.approx((speech + noise)[~pauses].std(), rel=0.1)


def test_more_sounds_than_frames_find_no_way(model: AcousticModel) -> None:
    graph = build(model, [[("AA",) * 40]])
    start = np.array([0, -1e9], np.float32)
    assert search(graph, Scores(model, _noise(0.5)), start, free=False).final[-1] < -1e8
    stretches, began = search(graph, Scores(model, _noise(0.5)), start).trace(1)
    assert began in {0, 1}
    assert all(stretch.unit in {-1, 40, 41} for stretch in stretches), "left out, not pressed in"


@given(words=st.lists(st.sampled_from(["AA B", "S", "K AE T", "M AA M AH"]), max_size=4), tenths=st.integers(0, 8))
def test_a_way_covers_every_frame_once(words: list[str], tenths: int) -> None:
    shared = load()
    scores = Scores(shared, _noise(tenths / 10))
    graph = build(shared, [[tuple(word.split())] for word in words])
    start = np.full(graph.junctions, -1e9, np.float32)
    start[0] = 0
    stretches, _ = search(graph, scores, start).trace(graph.junctions - 1)
    edges = [0, *[stretch.end for stretch in stretches]]
    assert [stretch.start for stretch in stretches] == edges[:-1]
    assert edges[-1] == scores.frames
    heard = [stretch.unit for stretch in stretches if 0 <= stretch.unit < len(graph.words)]
    assert heard == sorted(set(heard))


@given(
    st.lists(st.tuples(st.sampled_from(["AA", "S", "B", "N", "L", ""]), st.floats(0, 0.2)), max_size=20),
    st.floats(0, 1),
)
def test_boundaries_keep_their_order(sounds: list[tuple[str, float]], rest: float) -> None:
    starts = np.cumsum([0, *[length for _, length in sounds]])
    settled = settle([phone for phone, _ in sounds], starts[:-1].tolist(), float(starts[-1]) + rest)
    assert all(before <= behind for before, behind in pairwise([0, *settled]))
    assert all(start <= starts[-1] + rest for start in settled)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.3)), max_size=12), st.floats(0, 0.5))
def test_spans_cover_the_recording(parts: list[tuple[bool, float]], rest: float) -> None:
    at, heard = 0.0, []
    for sounds, length in parts:
        if sounds:
            heard.append(Heard(Sound("AY", "aɪ", "ˈ"), at, at + length))
        at += length
    found, times = spans(heard, at + rest)
    assert found[0].start_s == 0
    assert found[-1].end_s == at + rest
    assert all(before.end_s == behind.start_s for before, behind in pairwise(found))
    assert len(times) == len(heard)
    assert {span.symbol for span in found} <= {SILENCE, "ˈa", "ɪ", "ˈaɪ"}


def test_long_speech_comes_in_pieces(speech: Any) -> None:
    clip: AudioClip = speech.audio
    samples = np.interp(
        np.arange(0, len(clip.samples), clip.sample_rate / RATE), np.arange(len(clip.samples)), clip.samples
    ).astype(np.float32)
    long = np.tile(samples, 1 + round(50 * RATE / len(samples)))
    passages = Activity().passages(long)
    assert max(passage.end_s - passage.start_s for passage in passages) <= 20.1
    assert sum(passage.end_s - passage.start_s for passage in passages) > 0.8 * len(long) / RATE
    assert all(before.end_s <= behind.start_s for before, behind in pairwise(passages))
