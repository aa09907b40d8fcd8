"""The DAG over scripted stages: order, parallelism, failure, cancellation."""

from __future__ import annotations

import asyncio

import pytest

from deployments.cache.memo import Memo
from deployments.core.errors import NothingToSpeak, SynthesisFailed
from deployments.core.types import RenderRequest, Take
from deployments.media.recording import MediaOptions, Recording
from serve_app.inprocess import in_process
from serve_app.pipeline import Stages, render
from serve_app.settings import Settings
from tests.fakes import Theatre, at_once

TEXT = "One. Two two. Three three three. Four four. Five."


async def record(stages: Stages, text: str = TEXT) -> Take:
    recording = Recording(MediaOptions(sentence_pause_ms=0, paragraph_pause_ms=0), "exact")
    return await render(stages, RenderRequest(text, "voice"), "en", recording, Memo([], "bypass"))


async def test_sentences_are_joined_in_order_though_they_finish_in_another() -> None:
    first_is_slow = asyncio.Event()

    async def script(text: str) -> None:
        if text == "One.":
            await first_is_slow.wait()
        if text == "Three three three.":
            first_is_slow.set()

    theatre = Theatre(script)
    take = await record(theatre.stages(in_flight=3))
    assert theatre.finished[0] == "Two two."
    # 1 + 2 + 3 + 2 + 1 words of 0.1 s each
    assert take.animation.duration_s == pytest.approx(0.9)


@pytest.mark.parametrize("in_flight", [2, 3, 4])
async def test_no_more_sentences_at_work_than_allowed(in_flight: int) -> None:
    async def script(_text: str) -> None:
        await asyncio.sleep(0)

    theatre = Theatre(script)
    await record(theatre.stages(in_flight))
    assert theatre.most_at_work == in_flight and len(theatre.finished) == 5


async def test_a_failure_ends_the_render_and_gives_up_the_rest() -> None:
    async def script(text: str) -> None:
        if text == "Two two.":
            raise SynthesisFailed("no")
        if text != "One.":
            await asyncio.Event().wait()

    theatre = Theatre(script)
    with pytest.raises(SynthesisFailed):
        await record(theatre.stages(in_flight=3))
    assert theatre.at_work == 0 and "Five." not in theatre.started


async def test_a_cancelled_render_starts_nothing_more_and_cancels_what_runs() -> None:
    begun = asyncio.Event()

    async def script(_text: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    theatre = Theatre(script)
    task = asyncio.create_task(record(theatre.stages(in_flight=2)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert theatre.at_work == 0 and set(theatre.cancelled) == set(theatre.started) and len(theatre.started) <= 2


@pytest.mark.parametrize("text", ["...", " ", ". . !"])
async def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(NothingToSpeak):
        await record(Theatre(at_once).stages(in_flight=2), text)


async def test_the_real_engines_run_the_same_dag(settings: Settings) -> None:
    recording = Recording(settings.voice.media, "exact")
    request = RenderRequest("Maybe. Dr. Smith is here!", settings.voices.default)
    take = await render(in_process(settings, request), request, "en", recording, Memo([], "bypass"))
    assert [word.text for word in take.animation.words] == ["Maybe", "Dr", "Smith", "is", "here"]
    assert take.ogg is not None and take.ogg.startswith(b"OggS")
