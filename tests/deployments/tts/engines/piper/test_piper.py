"""The real engine with the real voice: its times are those of its sound, whatever the text."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from deployments.core.errors import AvatarError, SynthesisFailed, UnknownSpeaker, UnknownVoice, VoiceNotInstalled
from deployments.core.types import SILENCE, Speech
from deployments.tts.contract import Sentence
from deployments.tts.engines.piper import Engine, Options, _phonemize
from deployments.tts.voices import BUNDLED_VOICE, VoiceLibrary
from tests.deployments.conftest import GERMAN, TEXT, Piper


def assert_sound(speech: Speech, text: str) -> None:
    """All that must hold for any speech."""
    audio, spans = speech.audio, speech.phonemes
    assert speech.text == text
    assert np.isfinite(audio.samples).all()
    assert np.abs(audio.samples).max(initial=0) <= 1
    assert spans[0].start_s == 0
    assert spans[-1].end_s == audio.duration_s
    for before, after in itertools.pairwise(spans):
        assert before.end_s == after.start_s
    assert all(span.start_s <= span.end_s for span in spans)
    assert all(span.symbol for span in spans)
    for word in speech.words:
        assert text[word.start_char : word.end_char] == word.text != ""
        assert 0 <= word.start_s <= word.end_s <= audio.duration_s
    for first, second in zip(speech.words, speech.words[1:], strict=False):
        assert first.end_char <= second.start_char
        assert first.end_s <= second.start_s + 1e-9


def test_times_are_those_of_the_model(piper: Piper) -> None:
    """The samples of the ids that the session returns are those of the audio, and of the spans."""
    model = piper.voice.model
    ids = model.phonemes_to_ids([symbol for part in model.phonemize(TEXT) for symbol in part])
    samples, id_samples = model.phoneme_ids_to_audio(ids, include_alignments=True)
    assert id_samples is not None
    assert len(id_samples) == len(ids)
    assert id_samples.sum() == samples.size


def test_spans_tile_the_audio(speech: Speech) -> None:
    assert_sound(speech, TEXT)
    assert speech.language == "en_US"
    assert speech.audio.sample_rate == 22050
    assert 3 < speech.audio.duration_s < 10
    # The model counts in frames of 256 samples.
    assert len(speech.audio.samples) % 256 == 0
    assert np.abs(speech.audio.samples).max() == pytest.approx(1)


def test_every_word_is_timed(speech: Speech) -> None:
    assert [word.text for word in speech.words] == TEXT.replace(",", "").replace(".", "").split()
    assert all(word.end_s - word.start_s > 0.03 for word in speech.words)


def test_marks_are_part_of_their_phonemes(piper: Piper) -> None:
    spans = piper.say("Three north-eastern seas are seen before morning.").phonemes
    assert any(span.symbol.startswith("ˈ") for span in spans)
    assert any(span.symbol.endswith("ː") for span in spans)
    assert not {span.symbol for span in spans} & {"ˈ", "ˌ", "ː", " ", "_", "^", "$", ".", "-"}


def test_silence_lies_where_it_is_quiet(speech: Speech) -> None:
    samples, rate = speech.audio.samples, speech.audio.sample_rate
    level = float(np.sqrt(np.mean(np.square(samples))))
    pauses = [span for span in speech.phonemes if span.symbol == SILENCE and span.start_s > 0]
    for pause in pauses:
        inside = samples[int(pause.start_s * rate) : int(pause.end_s * rate)]
        assert np.sqrt(np.mean(np.square(inside))) < 0.5 * level
    assert any(pause.end_s < speech.audio.duration_s for pause in pauses), "the comma is a pause"


def test_speed_scales_the_time(piper: Piper) -> None:
    slow, normal, fast = (piper.say(TEXT, speed).audio.duration_s for speed in (0.5, 1.0, 2.0))
    assert 1.6 < slow / normal < 2.4
    assert 1.5 < normal / fast < 2.4


def test_abbreviations_stay_in_one_breath(piper: Piper) -> None:
    text = "Dr. Smith paid 3.14 at 5 p.m."
    speech = piper.say(text)
    assert_sound(speech, text)
    assert [word.text for word in speech.words] == ["Dr", "Smith", "paid", "3.14", "at", "5", "p.m"]
    assert "." not in _phonemize(piper.voice, text)[:-1], "espeak-ng would let the voice fall behind Dr."
    inner = speech.phonemes[1:-1]
    assert sum(span.end_s - span.start_s for span in inner if span.symbol == SILENCE) < 0.4


def test_signs_that_are_heard_belong_to_their_word(piper: Piper) -> None:
    words = {word.text: word for word in piper.say("He paid 20% of $5 today.").words}
    assert list(words) == ["He", "paid", "20", "of", "5", "today"]
    assert words["5"].end_s - words["5"].start_s > 0.4, "five dollars"


def test_two_languages_at_once(piper: Piper, german: Piper) -> None:
    """espeak-ng has one global language: threads must not speak each other's."""
    texts = {
        piper.voice: "The river changes its language often.",
        german.voice: "Der Zug fährt über die schöne Brücke.",
    }
    alone = {voice: voice.phonemize(text) for voice, text in texts.items()}
    assert alone[piper.voice] != piper.voice.phonemize(texts[german.voice])
    start = threading.Barrier(4)

    def often(number: int) -> bool:
        voice = (piper.voice, german.voice)[number % 2]
        start.wait()
        return all(voice.phonemize(texts[voice]) == alone[voice] for _ in range(200))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(often, range(4))) == [True] * 4


def test_two_languages_are_spoken_at_once(piper: Piper, german: Piper) -> None:
    texts = [(piper, "Good morning."), (german, "Guten Morgen.")] * 3
    with ThreadPoolExecutor(4) as threads:
        spoken = list(threads.map(lambda pair: pair[0].say(pair[1]), texts))
    for (voice, text), speech in zip(texts, spoken, strict=True):
        assert_sound(speech, text)
        assert speech.language == voice.voice.info.language
        assert [word.text for word in speech.words] == text.rstrip(".").split()


@pytest.mark.parametrize("speaker", [None, "alice", "carol", "0", "2"])
def test_speakers_by_name_and_number(german: Piper, speaker: str | None) -> None:
    assert_sound(german.say("Guten Tag.", speaker=speaker), "Guten Tag.")


@pytest.mark.parametrize("speaker", ["dave", "3", "-1", "", "9" * 5000, "\ud800", "1.0", "²"])
def test_unknown_speaker_lists_the_known(german: Piper, speaker: str) -> None:
    with pytest.raises(UnknownSpeaker) as caught:
        german.say("Guten Tag.", speaker=speaker)
    assert caught.value.hint == "Allowed: alice, bob, carol."


def test_voice_with_one_speaker(piper: Piper) -> None:
    with pytest.raises(UnknownSpeaker) as caught:
        piper.say("Hello.", speaker="alice")
    assert caught.value.hint == "This voice has one speaker: leave the field out."


@pytest.mark.parametrize(
    "text",
    [
        "😀",
        "I like 😀 cats 🐈‍⬛!",
        "[[ ]]",
        "[[həˈloʊ]] you",
        "[[_^$_]] hi",
        "[[ˈˈ]]",
        "[[a",
        "a ]] b [[",
        "hi\x00there",
        "\x01\x02 hi \x1b[0m",
        "hi \udfff you",
        "a" * 300,
        "مرحبا",
        "你好世界",
        "こんにちは",
        "नमस्ते दुनिया",
        "привет",
        "<b>bold</b> & more",
        "http://a.b/c?d=e&f",
        "1234567890",
        "½ ² ™",
        "e\u0301cole",
        "!!!???",
        "well - yes",
        "\u202ehello",
    ],
)
def test_any_text_is_spoken(piper: Piper, text: str) -> None:
    assert_sound(piper.say(text), text)


@pytest.mark.parametrize("text", ["...", "-", "", " ", "\n", "\x00", "\ud800", "[[]]", "१२"])
def test_nothing_to_speak_is_no_sound(piper: Piper, text: str) -> None:
    speech = piper.say(text)
    assert len(speech.audio.samples) == 0
    assert speech.words == ()
    assert_sound(speech, text)


def test_indic_words_keep_their_vowel_signs(piper: Piper) -> None:
    assert [word.text for word in piper.say("नमस्ते दुनिया").words] == ["नमस्ते", "दुनिया"]


def _in(language: str, piper: Piper) -> Piper:
    """The bundled voice, speaking by the rules of another language."""
    config = replace(piper.voice.model.config, espeak_voice=language)
    return Piper(piper.engine, replace(piper.voice, model=replace(piper.voice.model, config=config)))


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("ar", "مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("cmn", "你好，世界。", ["你", "好", "世", "界"]),
        ("ja", "こんにちは", ["こ", "ん", "に", "ち", "は"]),
        ("fa", "سلام دنیا", ["سلام", "دنیا"]),
        ("vi", "xin chào", ["xin", "chào"]),
        ("ru", "привет 😀", ["привет", "😀"]),
        ("cs", "řeka \x00", ["řeka"]),
    ],
)
def test_other_scripts_in_their_own_language(piper: Piper, language: str, text: str, words: list[str]) -> None:
    speech = _in(language, piper).say(text)
    assert_sound(speech, text)
    assert [word.text for word in speech.words] == words


def test_unknown_language_is_one_clear_error(piper: Piper) -> None:
    with pytest.raises(SynthesisFailed, match="no phonemes"):
        _in("xx-none", piper).say("Hello.")


@pytest.mark.parametrize(
    ("voice_id", "error"),
    [("none", UnknownVoice), ("../x", UnknownVoice), ("de_DE-thorsten-medium", VoiceNotInstalled)],
)
def test_voice_that_cannot_be_loaded(piper: Piper, voice_id: str, error: type[AvatarError]) -> None:
    with pytest.raises(error):
        piper.engine.load(voice_id)


def test_failing_model_is_one_clear_error(piper: Piper, german: Piper) -> None:
    """A network with speakers under a config without: the session refuses."""
    model = replace(german.voice.model, config=piper.voice.model.config)
    broken = replace(german.voice, model=model)
    with pytest.raises(SynthesisFailed, match=GERMAN):
        piper.engine.speak(broken, Sentence("Hello.", GERMAN))
    assert_sound(piper.say("Hello."), "Hello.")


@pytest.mark.parametrize(
    ("model", "config"),
    [(b"no model", None), (b"", None), (None, b"{}"), (None, b'{"audio": {"sample_rate": 1}}')],
)
def test_damaged_files_are_one_clear_error(tmp_path: Path, model: bytes | None, config: bytes | None) -> None:
    bundled = VoiceLibrary(tmp_path).find(BUNDLED_VOICE).model
    assert bundled is not None
    (tmp_path / "bad.onnx").write_bytes(model if model is not None else bundled.read_bytes())
    (tmp_path / "bad.onnx.json").write_bytes(config if config is not None else Path(f"{bundled}.json").read_bytes())
    with pytest.raises(SynthesisFailed, match=r"bad\.onnx"):
        Engine(Options(voices_dir=tmp_path)).load("bad")


def test_options_are_closed() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Options.model_validate({"colour": "red"})
    with pytest.raises(ValidationError, match="threads"):
        Options(threads=0)
    assert Engine(Options(default_voice="en_US-joe-medium")).default_voice == "en_US-joe-medium"
