"""The DAG, written once: on Serve its stages are deployment handles, in-process the engines themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, get_args

from deployments.cache.made import Made
from deployments.cache.memo import Memo
from deployments.core import keys
from deployments.core.errors import NothingToSpeak
from deployments.core.keys import Node
from deployments.core.types import Reading, RenderRequest, Speech, Take, Timing, VisemeTrack
from deployments.media.recording import Recording
from deployments.tts import sentences as splitter
from deployments.tts.contract import Sentence
from deployments.tts.sentences import TextSpan, split

ValueT_co = TypeVar("ValueT_co", covariant=True)


class Pending(Awaitable[ValueT_co], Protocol[ValueT_co]):
    """A value on its way. It may be handed on to the next stage unawaited: then it never comes here."""

    def cancel(self) -> Any:
        """Gives up on it."""


@dataclass(frozen=True)
class Step(Generic[ValueT_co]):
    """One kind of work of the DAG."""

    node: Node
    """What its values depend on, besides its inputs."""
    call: Callable[..., Pending[ValueT_co]]
    """Starts it; inputs may be values on their way."""


@dataclass(frozen=True)
class Stages:
    """What the DAG is made of."""

    tts: Step[Speech]
    """Sentence -> Speech."""
    lipsync: Step[Reading]
    """Speech, name of the engine -> Reading."""
    join: Node
    """What makes a Take of them: a Recording."""
    admission: Callable[[], AbstractAsyncContextManager[object]]
    """Entered before anything is computed: bounds how many renders are. What is cached, or made for another, is not."""
    in_flight: int
    """Sentences at work at a time, at least 2: replicas + 1 keeps all of them busy and the first sentence soon."""
    rvc: Step[Speech] | None = None
    """Speech, Conversion -> Speech, between tts and lipsync; None where nothing is converted."""


async def render(stages: Stages, request: RenderRequest, language: str, recording: Recording, memo: Memo) -> Take:
    """Speaks a text, unless all of it is in the cache.

    Args:
        stages: what does the work.
        request: what is asked for.
        language: ISO 639 code of the voice's language.
        recording: takes the sentences; stays empty when the whole render is in the cache.
        memo: the cache.

    Raises:
        BadInput: the text is not plain text.
        NothingToSpeak: nothing in the text can be spoken.
        AvatarError: that of the first sentence that failed; the others are given up.
    """

    async def compute() -> Take:
        async with stages.admission():
            return await _speak(stages, request, language, recording, memo)

    spoken, made_by, timing = _whole(stages, request, language)
    take: Made[Take] = await memo.run(stages.join, lambda *_: asyncio.ensure_future(compute()), spoken, made_by, timing)
    try:
        done = await take
    except BaseException:
        take.cancel()
        await asyncio.wait([take.future])  # for the sentences to be given up
        raise
    if request.cache == "refresh":  # what was joined of the speech that is replaced now must not be found any more
        for other in set(get_args(Timing)) - {timing}:
            await memo.drop(stages.join, spoken, made_by, other)
    return done


def whole_key(stages: Stages, request: RenderRequest, language: str) -> str:
    """Key of a whole render: what has a value in the cache needs no computing."""
    return keys.key(stages.join, [keys.digest(each) for each in _whole(stages, request, language)])


def _whole(stages: Stages, request: RenderRequest, language: str) -> tuple[tuple[Any, ...], tuple[Any, ...], Timing]:
    """What the key of a whole render is made of: what is spoken, by what, with which timing."""
    spoken = (request.text, request.voice_id, request.speed, request.speaker, request.conversion, language)
    rvc = stages.rvc and stages.rvc.node
    return spoken, (splitter.VERSION, stages.tts.node, rvc, stages.lipsync.node, request.lipsync), request.timing


async def _speak(stages: Stages, request: RenderRequest, language: str, recording: Recording, memo: Memo) -> Take:
    """Sentence by sentence, in parallel as far as there are replicas, recorded in order."""
    spans = split(request.text, language)
    recording.sentences = len(spans)
    sentences = [Sentence(span.text, request.voice_id, request.speed, request.speaker) for span in spans]
    # One question for all; a single sentence is asked for when its turn comes, which is now. What is spoken may still
    # have to be converted: then it waits for its turn.
    known = await memo.peek(stages.tts.node, sentences) if len(sentences) > 1 and not stages.rvc else set()
    gate = asyncio.Semaphore(stages.in_flight)

    async def column(span: TextSpan, sentence: Sentence) -> tuple[Speech, VisemeTrack]:
        for _ in range(0 if sentence in known else 2 if span is spans[-1] else 1):
            await gate.acquire()  # the last one waits for a free replica instead of standing behind a busy one
        made: list[Made[Any]] = []
        try:
            speech = await memo.run(stages.tts.node, stages.tts.call, sentence)
            made.append(speech)
            if stages.rvc:
                speech = await memo.run(stages.rvc.node, stages.rvc.call, speech, request.conversion)
                made.append(speech)
            reading = await memo.run(stages.lipsync.node, stages.lipsync.call, speech, request.lipsync)
            made.append(reading)
            # The shapes first: the next sentence may start as soon as the models are done with this one.
            shapes = (await reading).visemes
        except BaseException:
            for value in reversed(made):
                value.cancel()
            raise
        if sentence not in known:
            gate.release()  # on success alone: after a failure or a cancel no further sentence may start
        return await speech, shapes

    columns = [asyncio.ensure_future(column(*each)) for each in zip(spans, sentences, strict=True)]
    try:
        for span, spoken in zip(spans, columns, strict=True):
            await recording.add(span.start_char, span.ends_paragraph, *await spoken)
    finally:
        for spoken in columns:
            spoken.cancel()
        await asyncio.gather(*columns, return_exceptions=True)
    if recording.duration_s == 0:
        raise NothingToSpeak(
            "text: it holds nothing that this voice can speak.",
            hint="Send words in the language of the voice.",
        )
    return await recording.finish()
