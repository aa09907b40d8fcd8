"""Lip sync on Ray Serve."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from deployments.core import engines
from deployments.core.keys import Node
from deployments.core.types import Speech, VisemeTrack
from deployments.stage import Stage


class LipSync(Stage):
    """Speech in, its VisemeTrack out."""

    def __init__(self, engine: str, options: Mapping[str, Any], release: str, timeout_s: float) -> None:
        """
        Args:
            engine: name of a file in engines/.
            options: its Options.
            release: what it was built with.
            timeout_s: limit of one sentence in seconds.
        """
        super().__init__(engines.node("lipsync", engine, options), release, timeout_s)
        self._engine = engines.load("lipsync", engine, options)
        self._engine.track(self._engine.example)

    async def track(self, speech: Speech, node: Node) -> VisemeTrack:
        """Mouth shapes at the times of the speech.

        Args:
            speech: a sentence.
            node: what the caller thinks that runs here.
        """
        self.check_node(node)
        started = time.monotonic()
        track: VisemeTrack = await self.run(self._engine.track, speech)
        self.log_done(started, f"made {len(track.starts_s)} shapes for {speech.audio.duration_s:.2f} s")
        return track
