"""What moved the mouth: the accounts of all parts of a render as one."""

from __future__ import annotations

from collections.abc import Iterable

from deployments.core.types import LipSyncSummary, Reading

_NOTES = 20
"""More would not be read. Those of a long recording differ in little."""
_PLACES = 3
"""Named of a note that several parts have."""


class Summary:
    """Grows part by part."""

    def __init__(self) -> None:
        self._engines: dict[str, None] = {}
        self._methods: dict[str, None] = {}
        self._places: dict[str, list[float]] = {}
        """Note -> starts in seconds of the parts that have it."""
        self._weighed = self._seconds = 0.0
        self._parts = 0

    def add(self, engine: str, reading: Reading, start_s: float) -> None:
        """
        Args:
            engine: that read the part.
            reading: of the part.
            start_s: of the part, in seconds.
        """
        self._parts += 1
        self._engines[engine] = None
        self._methods[reading.method] = None
        seconds = reading.visemes.duration_s
        self._seconds += seconds
        self._weighed += seconds * reading.confidence
        for note in reading.notes:
            self._places.setdefault(note, []).append(start_s)

    def note(self, text: str) -> None:
        """A sentence of our own."""
        self._places[text] = []

    def whole(self) -> LipSyncSummary:
        """Of all parts so far."""
        notes = [self._placed(note, places) for note, places in self._places.items()]
        more = len(notes) - _NOTES
        return LipSyncSummary(
            engine=_listed(self._engines),
            method=_listed(self._methods),
            confidence=round(self._weighed / self._seconds, 3) if self._seconds else 0.0,
            notes=(*notes[:_NOTES], *([f"There are {more} more notes."] if more > 0 else [])),
        )

    def _placed(self, note: str, places: list[float]) -> str:
        """With the places where it holds, unless that is everywhere."""
        if not places or len(places) == self._parts:
            return note
        more = len(places) - _PLACES
        named = ", ".join(clock(start_s) for start_s in places[:_PLACES])
        return f"{note} (at {named}{f' and in {more} more places' if more > 0 else ''})"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def clock(seconds: float) -> str:
    """As in 1:05 or 1:02:03."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
