"""What a file is, before FFmpeg sees it: which container, and whether it is honest and whole."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import BinaryIO

from deployments.core.errors import BadRecording

from .extents import Extent, extent, leftover
from .signatures import HEAD_BYTES, TAIL_BYTES, second_nature, sound_container, stranger

KINDS = "WAV, MP3, OGG, FLAC, M4A or WebM"
AGAIN = f"Save or export it again as {KINDS}, and send it whole."
_LEFTOVER_BYTES = 1024
"""Behind the sound, what is longer may be something; scraps of bad editors are shorter."""


@dataclass(frozen=True)
class Inspected:
    """What can be known of a file without decoding it."""

    container: str
    """As `signatures.sound_container` names it."""
    extent: Extent
    notes: tuple[str, ...] = ()
    """Sentences for the user."""


def inspect(file: BinaryIO) -> Inspected:
    """
    Raises:
        BadRecording: it is no sound, or something else besides.
    """
    if not file.seek(0, 2):
        raise BadRecording("file: it is empty.", hint=f"Send {KINDS}.")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as content:
        name = _container(bytes(content[:HEAD_BYTES]), bytes(content[-TAIL_BYTES:]))
        reach = extent(content, name)
        return Inspected(name, reach, _scraps(content, reach, name))


def _container(head: bytes, tail: bytes) -> str:
    name = sound_container(head)
    if name is None:
        what = stranger(head) or "no sound file that is known here"
        raise BadRecording(f"file: this is {what}.", hint=f"Send {KINDS}.")
    if other := second_nature(head, tail):
        raise BadRecording(f"file: it is {name} and {other} at once, which no honest recording is.", hint=AGAIN)
    return name


def _scraps(content: memoryview, reach: Extent, name: str) -> tuple[str, ...]:
    """A note on what lies behind the sound."""
    start = leftover(content, reach.end)
    if not start:
        return ()
    length = len(content) - reach.end
    if length > _LEFTOVER_BYTES:
        what = stranger(start) or "something that is no sound"
        raise BadRecording(f"file: {what} lies behind its {name}, {length} bytes.", hint=AGAIN)
    return (f"{length} bytes behind the sound are none of it: they were passed over.",)
