"""Lip sync on Ray Serve: every engine that the settings name, of which a request says which."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from deployments.core import engines
from deployments.core.errors import StageChanged
from deployments.core.keys import Node
from deployments.core.types import Reading, Speech
from deployments.stage import Stage

SENTENCE_S = 30.0
"""Seconds of sound that the limit of a call is for: a longer recording has a longer one."""


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
        for engine in self._engines.values():
            await self.prepare(engine.read, engine.example)

    async def read(self, speech: Speech, engine: str, node: Node) -> Reading:
        """Mouth shapes at the times of the speech.

        Args:
            speech: a sentence, or a recording.
            engine: which one.
            node: what the caller thinks that runs here.
        """
        self.check_node(node)
        if engine not in self._engines:
            raise StageChanged(f"lipsync: asked for the engine {engine!r}, there are {', '.join(self._engines)}")
        started = time.monotonic()
        seconds = speech.audio.duration_s
        reading: Reading = await self.run(self._engines[engine].read, speech, times=max(1.0, seconds / SENTENCE_S))
        self.log_done(started, f"made {len(reading.visemes.starts_s)} shapes for {seconds:.2f} s by {reading.method}")
        return reading
