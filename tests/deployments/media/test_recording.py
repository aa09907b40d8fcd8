"""A recording is the same whether it is encoded at once or sentence by sentence."""

from __future__ import annotations

import io
import wave

import av
import numpy as np
import pytest
from pydantic import ValidationError

from deployments.core.types import Speech, Take, Timing
from deployments.lipsync.engines.phonemes import Engine, Options
from deployments.media.encoding import wav
from deployments.media.recording import MediaOptions, Recording
from tests.deployments.strategies import speech_of

MOUTH = Engine(Options())


async def _record(*speeches: Speech, timing: Timing = "natural") -> Take:
    recording = Recording(MediaOptions(), timing)
    for index, speech in enumerate(speeches):
        await recording.add(100 * index, False, speech, MOUTH.read(speech))
    return await recording.finish()


async def test_everything_has_one_length(speech: Speech) -> None:
    take = await _record(speech, speech)
    duration_s = take.animation.duration_s
    assert duration_s == pytest.approx(2 * speech.audio.duration_s + 0.15, abs=1e-3)
    assert take.animation.visemes.duration_s == pytest.approx(duration_s)
    with wave.open(io.BytesIO(wav(take.animation.audio))) as file:
        assert file.getnframes() == len(take.animation.audio.samples)
    assert take.ogg is not None
    with av.open(io.BytesIO(take.ogg), mode="r") as container:
        decoded = sum(frame.samples for frame in container.decode(audio=0)) / 48_000
    assert decoded == pytest.approx(duration_s, abs=0.021)


async def test_words_refer_to_the_whole_text(speech: Speech) -> None:
    take = await _record(speech, speech)
    count = len(speech.words)
    assert len(take.animation.words) == 2 * count
    assert take.animation.words[count].start_char == speech.words[0].start_char + 100
    assert take.animation.words[count].start_s > take.animation.words[count - 1].end_s


async def test_exact_has_no_lead(speech: Speech) -> None:
    exact = await _record(speech, timing="exact")
    led = await _record(speech, timing="natural")
    own = MOUTH.track(speech)
    np.testing.assert_array_equal(exact.animation.visemes.starts_s[1:-1], own.starts_s)
    assert led.animation.visemes.starts_s.tolist() != exact.animation.visemes.starts_s.tolist()
    assert led.animation.eyes == exact.animation.eyes


async def test_same_sentences_same_take(speech: Speech) -> None:
    first, second = await _record(speech), await _record(speech)
    assert wav(first.animation.audio) == wav(second.animation.audio)
    assert first.animation.eyes == second.animation.eyes


async def test_nothing_recorded() -> None:
    take = await _record()
    assert take.animation.duration_s == 0
    assert take.ogg is None
    with wave.open(io.BytesIO(wav(take.animation.audio))) as file:
        assert file.getnframes() == 0


async def test_sound_that_opus_refuses_leaves_the_wav() -> None:
    """A rate that no resampler takes."""
    odd = speech_of([("a", 500)])
    odd = Speech(type(odd.audio)(odd.audio.samples, 2**31 - 1), odd.phonemes, (), "", "en_US")
    take = await _record(odd)
    assert take.ogg is None
    assert len(wav(take.animation.audio)) > 44


def test_options_are_closed() -> None:
    with pytest.raises(ValidationError, match="colour"):
        MediaOptions.model_validate({"colour": "red"})
    with pytest.raises(ValidationError, match="lead_ms"):
        MediaOptions.model_validate({"mouth": {"lead_ms": 1000}})
