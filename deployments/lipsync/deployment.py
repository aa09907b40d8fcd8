"""Lip sync on Ray Serve: every engine that the settings name, of which a request says which."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from deployments.core import engines
from deployments.core.errors import AvatarError, StageChanged, TimedOut
from deployments.core.keys import Node
from deployments.core.types import Reading, Speech
from deployments.stage import Stage

from . import contract
from .choice import FROM_TIMES

logger = logging.getLogger("ray.serve")

SENTENCE_S = 10.0
"""Seconds of sound that the limit of a call is for: a longer recording has a longer one. Recognising takes 0.16 CPU
seconds a second: 4 for a piece of 25 s, which then may take 50 on a machine that is busy."""


class LipSync(Stage):
    """Speech in, its Reading out."""

    # Serve awaits an async constructor (ray/serve/_private/replica.py), which mypy does not know of.
    async def __init__(  # type: ignore[misc]
        self, choices: Mapping[str, Mapping[str, Any]], release: str, timeout_s: float
    ) -> None:
        """
        Args:
            choices: engine -> its Options.
            release: what it was built with.
            timeout_s: limit of one sentence in seconds.
        """
        super().__init__(engines.combined("lipsync", choices), release, timeout_s)
        self._engines = {name: engines.load("lipsync", name, options) for name, options in choices.items()}
        self._taken_s = 0.0
        """Seconds of sound at work and in line."""
        for name, engine in self._engines.items():
            try:
                await self.prepare(engine.read, engine.example)
            except AvatarError as error:  # such as a program that is not installed: those who ask for it will hear it
                logger.warning("warming up %s: %s", name, error)

    async def read(self, speech: Speech, engine: str, node: Node) -> Reading:
        """Mouth shapes at the times of the speech.

        Args:
            speech: a sentence, or a recording or a piece of one.
            engine: which one.
            node: what the caller thinks that runs here.

        Raises:
            LipSyncFailed, TimedOut: another engine may do better.
        """
        self.check_node(node)
        if engine not in self._engines:
            raise StageChanged(f"lipsync: asked for the engine {engine!r}, there are {', '.join(self._engines)}")
        started = time.monotonic()
        seconds = speech.audio.duration_s
        reading = await self._beside(speech) if engine == FROM_TIMES else await self._in_turn(engine, speech)
        self.log_done(started, f"made {len(reading.visemes.starts_s)} shapes for {seconds:.2f} s by {reading.method}")
        return reading

    async def _beside(self, speech: Speech) -> Reading:
        """Takes milliseconds: a spoken sentence does not wait behind minutes of a recording."""
        try:
            work = asyncio.to_thread(self._timed, contract.read, self._engines[FROM_TIMES], FROM_TIMES, speech)
            return await asyncio.wait_for(work, self._timeout_s)
        except TimeoutError:
            raise TimedOut(f"lipsync took longer than {self._timeout_s:g} s") from None

    async def _in_turn(self, engine: str, speech: Speech) -> Reading:
        """The limit is for what stands before it in line, too: half an hour with its text takes minutes."""
        seconds = speech.audio.duration_s
        self._taken_s += seconds
        try:
            times = max(1.0, self._taken_s / SENTENCE_S)
            return await self.run(contract.read, self._engines[engine], engine, speech, times=times)
        except (asyncio.CancelledError, TimedOut):
            if isinstance(self._engines[engine], contract.Interruptible):
                self._engines[engine].give_up(speech)
            raise
        finally:
            self._taken_s -= seconds
