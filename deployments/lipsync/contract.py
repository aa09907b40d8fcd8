"""What every lip sync engine is: it turns speech into mouth shapes."""

from __future__ import annotations

from typing import ClassVar, Protocol

from deployments.core.types import Reading, Speech


class Engine(Protocol):
    """One file in engines/ holds one, beside its closed pydantic `Options` and its VERSION."""

    example: ClassVar[Speech]
    """Speech that warms the engine up."""

    def read(self, speech: Speech) -> Reading:
        """Mouth shapes at the times of the speech itself: lead and coarticulation come at the join.

        Args:
            speech: of a synthesiser with its phonemes, or a recording: without phonemes and words, `text` as given or
                empty, `language` as in en_US or empty where nobody knows.
        """
