"""The same DAG without Ray: the engines themselves, in this process. For the command line and for tests."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any

from deployments.core import engines
from deployments.core.types import Speech

from .pipeline import Stages
from .settings import Settings


def in_process(settings: Settings) -> Stages:
    """Loads the engines and wraps their verbs."""
    tts = engines.load("tts", settings.voice.tts.engine, settings.tts_options)
    lipsync = engines.load("lipsync", settings.voice.lipsync.engine, settings.voice.lipsync.options)
    voice = functools.lru_cache(maxsize=3)(tts.load)

    def speak(sentence: Any) -> Speech:
        speech: Speech = tts.speak(voice(sentence.voice_id), sentence)
        return speech

    # Two at work: one is synthesised while the one before is joined and encoded.
    return Stages(tts=_pending(speak), lipsync=_pending(lipsync.track), in_flight=2)


def _pending(work: Callable[..., Any]) -> Callable[..., asyncio.Future[Any]]:
    """Blocking work as a stage: arguments may be values on their way, one call runs at a time."""
    turn = asyncio.Lock()

    async def run(*arguments: Any) -> Any:
        values = [await argument if inspect.isawaitable(argument) else argument for argument in arguments]
        async with turn:
            return await asyncio.to_thread(work, *values)

    return lambda *arguments: asyncio.ensure_future(run(*arguments))
