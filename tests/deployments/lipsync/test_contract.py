"""Whatever an engine says is an error of the tree."""

from __future__ import annotations

from typing import ClassVar

import pytest

from deployments.core.errors import BadInput, LipSyncFailed
from deployments.core.types import Reading, Speech
from deployments.lipsync.contract import read
from deployments.lipsync.engines.phonemes import Engine as Phonemes


class Failing:
    """An engine that fails."""

    example: ClassVar[Speech] = Phonemes.example

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, speech: Speech) -> Reading:
        """See Engine."""
        raise self._error


def test_what_a_library_says_is_a_failure_of_the_engine() -> None:
    with pytest.raises(LipSyncFailed, match="align: RuntimeError: Failed to stop utterance processing"):
        read(Failing(RuntimeError("Failed to stop utterance processing")), "align", Phonemes.example)


def test_what_the_engine_says_stays() -> None:
    with pytest.raises(BadInput, match="no"):
        read(Failing(BadInput("no")), "align", Phonemes.example)
