"""The DAG, written once: on Serve its stages are deployment handles, in-process the engines themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from deployments.core.errors import NothingToSpeak
from deployments.core.types import RenderRequest, Speech, VisemeTrack
from deployments.media.recording import Recording
from deployments.tts.contract import Sentence
from deployments.tts.sentences import TextSpan, split

ValueT_co = TypeVar("ValueT_co", covariant=True)


class Pending(Awaitable[ValueT_co], Protocol[ValueT_co]):
    """A value on its way. It may be handed on to the next stage unawaited: then it never comes here."""

    def cancel(self) -> Any:
        """Gives up on it."""


@dataclass(frozen=True)
class Stages:
    """What the DAG is made of."""

    tts: Callable[[Sentence], Pending[Speech]]
    lipsync: Callable[[Pending[Speech]], Pending[VisemeTrack]]
    in_flight: int
    """Sentences at work at a time, at least 2: replicas + 1 keeps all of them busy and the first sentence soon."""


async def render(stages: Stages, request: RenderRequest, language: str, recording: Recording) -> None:
    """Speaks a text sentence by sentence, in parallel as far as there are replicas, and records it in order.

    Args:
        stages: what does the work.
        request: what is asked for.
        language: ISO 639 code of the voice's language.
        recording: takes the sentences.

    Raises:
        BadInput: the text is not plain text.
        NothingToSpeak: nothing in the text can be spoken.
        AvatarError: that of the first sentence that failed; the others are given up.
    """
    sentences = split(request.text, language)
    gate = asyncio.Semaphore(stages.in_flight)

    async def column(span: TextSpan) -> tuple[Speech, VisemeTrack]:
        await gate.acquire()
        if span is sentences[-1]:
            await gate.acquire()  # the last one waits for a free replica instead of standing behind a busy one
        speech = stages.tts(Sentence(span.text, request.voice_id, request.speed, request.speaker))
        track = stages.lipsync(speech)
        try:
            # The track first: the next sentence may start as soon as the models are done with this one.
            shapes = await track
        except BaseException:
            for pending in (speech, track):
                # A response that failed says so again when it is cancelled.
                with contextlib.suppress(Exception):
                    pending.cancel()
            raise
        gate.release()  # on success alone: after a failure or a cancel no further sentence may start
        return await speech, shapes

    columns = [asyncio.ensure_future(column(span)) for span in sentences]
    try:
        for span, spoken in zip(sentences, columns, strict=True):
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
