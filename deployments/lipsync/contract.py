"""What every lip sync engine is: it turns speech into a track of mouth shapes."""

from __future__ import annotations

from typing import ClassVar, Protocol

from deployments.core.types import Speech, VisemeTrack


class Engine(Protocol):
    """One file in engines/ holds one, beside its closed pydantic `Options` and its VERSION."""

    example: ClassVar[Speech]
    """Speech that warms the engine up."""

    def track(self, speech: Speech) -> VisemeTrack:
        """Mouth shapes at the times of the speech itself: lead and coarticulation come at the join."""
