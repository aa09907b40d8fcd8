"""What every lip sync engine is: it turns speech into mouth shapes."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from deployments.core.errors import AvatarError, LipSyncFailed
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


@runtime_checkable
class Interruptible(Protocol):
    """An engine that need not go on to the end of what nobody waits for any more."""

    def give_up(self, speech: Speech) -> None:
        """Ends the reading of this speech, where it is at work; from any thread."""


def read(engine: Engine, name: str, speech: Speech) -> Reading:
    """What an engine makes of a speech; whatever a library can say, in the words of the tree.

    Raises:
        LipSyncFailed: the engine failed; another one may not.
        AvatarError: its own.
    """
    try:
        return engine.read(speech)
    except AvatarError:
        raise
    except Exception as error:
        raise LipSyncFailed(f"{name}: {type(error).__name__}: {error}") from error
