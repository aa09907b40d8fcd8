"""The DAG, written once: on Serve its stages are deployment handles, in-process the engines themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, get_args

from deployments.cache.made import Made
from deployments.cache.memo import Memo
from deployments.core import keys
from deployments.core.errors import BadInput, EngineNotInstalled, LipSyncFailed, NothingToSpeak, TimedOut
from deployments.core.keys import Node
from deployments.core.types import Reading, RenderRequest, Speech, Take, Timing
from deployments.core.video import Video
from deployments.lipsync import pieces as cutter
from deployments.lipsync.choice import MAX_WHOLE_S, WHOLE
from deployments.media.recording import Recording
from deployments.tts import sentences as splitter
from deployments.tts.contract import Sentence
from deployments.tts.sentences import TextSpan, split

from .sound import RecordedSound

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
    """What the DAG is made of.

    text ──► tts ──► rvc (optional) ──► lipsync ──┐
    recording ──► pieces ─────────────► lipsync ──┴──► join ──┐
    portrait ────────────────────────────────────────────────┴──► avatar (optional)
    """

    tts: Step[Speech] | None
    """Sentence -> Speech; None for a recording."""
    lipsync: Step[Reading]
    """Speech, name of the engine -> Reading."""
    join: Node
    """What makes a Take of them: a Recording."""
    admission: Callable[[], AbstractAsyncContextManager[object]]
    """Entered before anything is computed: bounds how many renders are. What is cached, or made for another, is not."""
    in_flight: int
    """Sentences or pieces at work at a time, at least 2: replicas + 1 keeps all of them busy and the first one soon."""
    rvc: Step[Speech] | None = None
    """Speech, Conversion -> Speech, between tts and lipsync; None where nothing is converted."""
    upload: Callable[[str], RecordedSound] | None = None
    """Opens a recording by its name. Blocking."""
    avatar: Step[Video] | None = None
    """Take, Filming, name of the recording or nothing, captions -> Video; None where nothing is filmed."""
    memory: Callable[[float], AbstractAsyncContextManager[object]] = contextlib.nullcontext
    """Entered with the seconds of a piece for as long as its sound is held: bounds that of all renders together."""


async def render(stages: Stages, request: RenderRequest, language: str, recording: Recording, memo: Memo) -> Take:
    """Speaks a text, or reads a recording, unless all of it is in the cache.

    Args:
        stages: what does the work.
        request: what is asked for.
        language: ISO 639 code of the voice's language.
        recording: takes the sentences or pieces; stays empty when the whole render is in the cache.
        memo: the cache.

    Raises:
        BadInput: the text is not plain text; the recording has no sound, or is too long.
        NothingToSpeak: nothing in the text can be spoken.
        UploadNotFound: the recording is gone.
        AvatarError: that of the first sentence that failed; the others are given up.
    """
    return await (await take_of(stages, request, language, recording, memo))


async def take_of(
    stages: Stages, request: RenderRequest, language: str, recording: Recording, memo: Memo
) -> Made[Take]:
    """What `render` gives, which is there when this returns, for what comes behind it."""
    work = _read if request.audio else _speak

    async def compute() -> Take:
        async with stages.admission():
            return await work(stages, request, language, recording, memo)

    spoken, made_by, timing = _whole(stages, request, language)
    take: Made[Take] = await memo.run(stages.join, lambda *_: asyncio.ensure_future(compute()), spoken, made_by, timing)
    try:
        await take
    except BaseException:
        take.cancel()
        await asyncio.wait([take.future])  # for the sentences to be given up
        raise
    if request.cache == "refresh":  # what was joined of the speech that is replaced now must not be found any more
        for other in set(get_args(Timing)) - {timing}:
            await memo.drop(stages.join, spoken, made_by, other)
    return take


def whole_key(stages: Stages, request: RenderRequest, language: str) -> str:
    """Key of a whole render: what has a value in the cache needs no computing."""
    return keys.key(stages.join, [keys.digest(each) for each in _whole(stages, request, language)])


def _whole(stages: Stages, request: RenderRequest, language: str) -> tuple[tuple[Any, ...], tuple[Any, ...], Timing]:
    """What the key of a whole render is made of: what is spoken, by what, with which timing."""
    lipsync = (stages.lipsync.node, request.lipsync)
    if request.audio:
        return (request.audio, request.text, request.language), (cutter.VERSION, *lipsync), request.timing
    spoken = (request.text, request.voice_id, request.speed, request.speaker, request.conversion, language)
    tts, rvc = stages.tts and stages.tts.node, stages.rvc and stages.rvc.node
    return spoken, (splitter.VERSION, tts, rvc, *lipsync), request.timing


async def _speak(stages: Stages, request: RenderRequest, language: str, recording: Recording, memo: Memo) -> Take:
    """Sentence by sentence, in parallel as far as there are replicas, recorded in order."""
    tts = stages.tts
    assert tts
    spans = split(request.text, language)
    recording.sentences = len(spans)
    sentences = [Sentence(span.text, request.voice_id, request.speed, request.speaker) for span in spans]
    # One question for all; a single sentence is asked for when its turn comes, which is now. What is spoken may still
    # have to be converted: then it waits for its turn.
    known = await memo.peek(tts.node, sentences) if len(sentences) > 1 and not stages.rvc else set()
    gate = asyncio.Semaphore(stages.in_flight)

    async def column(span: TextSpan, sentence: Sentence) -> tuple[Speech, Reading]:
        for _ in range(0 if sentence in known else 2 if span is spans[-1] else 1):
            await gate.acquire()  # the last one waits for a free replica instead of standing behind a busy one
        made: list[Made[Any]] = []
        try:
            speech = await memo.run(tts.node, tts.call, sentence)
            made.append(speech)
            if stages.rvc:
                speech = await memo.run(stages.rvc.node, stages.rvc.call, speech, request.conversion)
                made.append(speech)
            mouth = await memo.run(stages.lipsync.node, stages.lipsync.call, speech, request.lipsync)
            made.append(mouth)
            # The shapes first: the next sentence may start as soon as the models are done with this one.
            reading = await mouth
        except BaseException:
            for value in reversed(made):
                value.cancel()
            raise
        if sentence not in known:
            gate.release()  # on success alone: after a failure or a cancel no further sentence may start
        return await speech, reading

    columns = [asyncio.ensure_future(column(*each)) for each in zip(spans, sentences, strict=True)]
    try:
        for span, spoken in zip(spans, columns, strict=True):
            await recording.add(span.start_char, span.ends_paragraph, *await spoken, request.lipsync)
    finally:
        await _give_up(columns)
    if recording.duration_s == 0:
        raise NothingToSpeak(
            "text: it holds nothing that this voice can speak.",
            hint="Send words in the language of the voice.",
        )
    return await recording.finish(request.text)


async def _read(stages: Stages, request: RenderRequest, _language: str, recording: Recording, memo: Memo) -> Take:
    """Piece by piece, by the first engine; where it fails, the next goes on from there."""
    assert stages.upload
    sound = await asyncio.to_thread(stages.upload, request.audio)
    if not sound.samples:
        raise BadInput("audio_filename: the recording holds no sound.", hint="Upload one that does.")
    recording.expected_s = sound.duration_s
    engines = request.lipsync.split()
    for place, engine in enumerate(engines):
        try:
            await _read_with(engine, sound, stages, request, recording, memo)
            break
        except (LipSyncFailed, TimedOut, EngineNotInstalled) as error:
            if engine == engines[-1]:
                raise
            recording.note(f"The engine {engine} failed ({error.code}); {engines[place + 1]} went on for it.")
    return await recording.finish()


async def _read_with(
    engine: str, sound: RecordedSound, stages: Stages, request: RenderRequest, recording: Recording, memo: Memo
) -> None:
    """What is not recorded yet. Each piece holds its sound until it is recorded: so only few are in memory."""
    text = request.text if engine in WHOLE else ""
    parts = await _cut(sound, whole=bool(text), start=round(recording.duration_s * sound.sample_rate))
    gate = asyncio.Semaphore(stages.in_flight)

    async def column(start: int, end: int, before: asyncio.Future[None] | None) -> None:
        await gate.acquire()
        async with stages.memory((end - start) / sound.sample_rate):
            clip = await asyncio.to_thread(sound.clip, start, end)
            speech = Speech(clip, (), (), text, request.language)
            made = await memo.run(stages.lipsync.node, stages.lipsync.call, speech, engine)
            try:
                reading = await made
                if before:
                    await before
            except BaseException:
                made.cancel()
                raise
            await recording.add_piece(speech, reading, engine)
        gate.release()  # on success alone, as a sentence does

    columns: list[asyncio.Future[None]] = []
    for start, end in parts:
        columns.append(asyncio.ensure_future(column(start, end, columns[-1] if columns else None)))
    try:
        for part in columns:  # in order: when one has failed, none is being recorded
            await part
    finally:
        await _give_up(columns)


async def _cut(sound: RecordedSound, whole: bool, start: int) -> list[tuple[int, int]]:
    """First sample and the one behind the last of each piece, from `start` on.

    Raises:
        BadInput: too long to be taken whole.
    """
    if whole:
        if sound.duration_s > MAX_WHOLE_S:
            raise BadInput(
                f"audio_filename: with its text, a recording may last {MAX_WHOLE_S / 60:g} minutes.",
                hint="Leave the text out, or send the recording in parts.",
            )
        return [(start, sound.samples)]
    levels = await asyncio.to_thread(sound.levels)
    found = cutter.split(levels, start // sound.window)
    return [(piece.start * sound.window, min(piece.end * sound.window, sound.samples)) for piece in found]


async def _give_up(columns: Sequence[asyncio.Future[Any]]) -> None:
    for column in columns:
        column.cancel()
    await asyncio.gather(*columns, return_exceptions=True)
