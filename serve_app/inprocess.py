"""The same DAG without Ray: the engines themselves, in this process. For the command line and for tests."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from deployments.avatar.contract import Part as AvatarPart
from deployments.avatar.filmer import Filmer, Frames, Shot, node_of
from deployments.avatar.filming import Film, film
from deployments.avatar.sound import ClipSound
from deployments.cache.shelf import Shelf
from deployments.cache.stores.files import FileStore
from deployments.core import engines
from deployments.core.errors import AvatarError
from deployments.core.types import Conversion, RenderRequest, Speech
from deployments.core.video import Filming, Video
from deployments.lipsync.contract import read
from deployments.media import recording
from deployments.rvc.contract import Part

from .filming import Screen, finished
from .pipeline import Stages, Step
from .settings import Settings
from .used_uploads import open_picture, open_sound

_LEVEL_1_BYTES = 64_000_000
"""A render of one process: a few minutes of speech."""


def in_process(settings: Settings, request: RenderRequest, screen: Screen | None = None) -> Stages:
    """Wraps the engines' verbs; an engine is loaded when it is first needed: not for what is in the cache.

    Args:
        settings: which engines.
        request: whose voice, lip sync and portrait are chosen.
        screen: shown the parts of a video as they are made.
    """
    choice = settings.voice
    load_lipsync = functools.cache(lambda name: engines.load("lipsync", name, choice.lipsync.engines[name]))
    tts, rvc = (None, None) if request.audio else (_voice(settings, request), _converter(settings, request.conversion))
    return Stages(
        tts=tts,
        rvc=rvc,
        lipsync=Step(
            engines.combined("lipsync", choice.lipsync.engines),
            _pending(lambda speech, name: read(load_lipsync(name), name, speech)),
        ),
        join=recording.node(choice.media),
        admission=contextlib.nullcontext,
        in_flight=2,  # one is synthesised while the one before is joined and encoded
        upload=functools.partial(open_sound, settings.uploads),
        avatar=_avatar(settings, request.video, screen) if request.video else None,
    )


def _voice(settings: Settings, request: RenderRequest) -> Step[Speech]:
    choice = settings.voice
    load_tts = functools.cache(lambda: engines.load("tts", choice.tts.engine, settings.tts_options))
    load_voice = functools.cache(lambda voice_id: load_tts().load(voice_id))

    def speak(sentence: Any) -> Speech:
        speech: Speech = load_tts().speak(load_voice(sentence.voice_id), sentence)
        return speech

    node = engines.node("tts", choice.tts.engine, settings.tts_options)
    return Step(replace(node, weights=settings.voices.weights(request.voice_id)), _pending(speak))


def _converter(settings: Settings, conversion: Conversion | None) -> Step[Speech] | None:
    if conversion is None:
        return None
    choices = settings.rvc_choices

    @functools.cache
    def loaded() -> tuple[Any, Any]:
        engine = engines.load("rvc", conversion.engine, choices[conversion.engine])
        return engine, engine.load(conversion.model)

    def convert(speech: Speech, _conversion: Conversion) -> Speech:
        engine, model = loaded()
        (audio,) = engine.convert([Part(speech.audio, model, conversion.parameters)])
        return replace(speech, audio=audio)

    node = replace(engines.combined("rvc", choices), weights=settings.voice_models.weights(conversion))
    return Step(node, _pending(convert))


def _avatar(settings: Settings, asked: Filming, screen: Screen | None) -> Step[Video]:
    choices, uploads = settings.avatar_choices, settings.uploads
    load = functools.cache(
        lambda: Filmer(choices, functools.partial(open_picture, uploads), round(settings.avatar.memory_mb * 1e6))
    )

    async def film_it(take: Any, filming: Filming, audio: str, captions: str) -> Video:
        animation = (await take if inspect.isawaitable(take) else take).animation
        filmer = await asyncio.to_thread(load)
        sound = await asyncio.to_thread(open_sound, uploads, audio) if audio else ClipSound(animation.audio)
        order = Film(filming, await asyncio.to_thread(filmer.prepare, filming), animation, sound, captions)

        async def draw(part: AvatarPart[Any]) -> Frames:
            (frames,) = await asyncio.to_thread(filmer.render, [Shot(filming.engine, part)])
            if isinstance(frames, AvatarError):
                raise frames
            return frames

        at_a_time = filmer.frames_at_a_time(filming.engine)
        with ThreadPoolExecutor(1) as encoder:
            async with contextlib.aclosing(film(order, at_a_time, draw, encoder)) as parts:
                return await finished(parts, screen)

    weights = engines.weights("avatar", asked.engine, choices[asked.engine])
    node = replace(node_of(choices), weights=weights)
    return Step(node, lambda *inputs: asyncio.ensure_future(film_it(*inputs)))


def shelf(settings: Settings) -> Shelf:
    """Level 2 of the server with the same settings, and a level 1 in this process."""
    return Shelf(_LEVEL_1_BYTES, settings.cache.cache_ttl_hours, FileStore.of(settings.cache, settings.cache_url))


def _pending(work: Callable[..., Any]) -> Callable[..., asyncio.Future[Any]]:
    """Blocking work as a stage: arguments may be values on their way, one call runs at a time."""
    turn = asyncio.Lock()

    async def run(*arguments: Any) -> Any:
        values = [await argument if inspect.isawaitable(argument) else argument for argument in arguments]
        async with turn:
            return await asyncio.to_thread(work, *values)

    return lambda *arguments: asyncio.ensure_future(run(*arguments))
