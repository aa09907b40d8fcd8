"""What a folder and a bucket have in common: names, and what is done with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from deployments.cache.contract import Removed
from deployments.core.keys import Kind

from .filesystem import PART

KINDS: tuple[Kind, ...] = get_args(Kind)

_KEY = re.compile(rf"({'|'.join(KINDS)})/([0-9a-f]{{64}})")
_NAME = re.compile(rf"({'|'.join(KINDS)})/([0-9a-f]{{2}})/\2[0-9a-f]{{62}}\.arrow")


def name_of(key: str) -> str:
    """Where the value of a key lies: KIND/two digits/64 digits.arrow; folders of a sane size, and no way out of them.

    Raises:
        ValueError: that is no key.
    """
    match = _KEY.fullmatch(key)
    if not match:
        raise ValueError(f"{key!r} is no key of a value.")
    kind, digits = match.groups()
    return f"{kind}/{digits[:2]}/{digits}.arrow"


def kind_of(name: str) -> Kind:
    """What a key, or the file of a value, lives as long as."""
    return next(kind for kind in KINDS if name.startswith(f"{kind}/"))


@dataclass(frozen=True)
class Entry:
    """A file of ours."""

    name: str
    """Below the root."""
    size_bytes: int
    created_s: float
    """Seconds since 1970."""
    used_s: float
    """Seconds since 1970; when it was last read or written, as far as that is known."""
    part: bool = False
    """True: it is being written, or was when somebody died."""


def entry_of(name: str, size_bytes: int, created_s: float, used_s: float) -> Entry | None:
    """The file of this name; None: it is none of ours, and not to be touched."""
    whole, part, _ = name.partition(".arrow.")
    part_name = f"{whole}.arrow" if part and name.endswith(PART) else name
    if not _NAME.fullmatch(part_name):
        return None
    return Entry(name, size_bytes, created_s, used_s, part_name != name)


class Place(Protocol):
    """Files by name. Blocking, thread-safe; everything may raise OSError."""

    limit_bytes: int | None
    """None: without limit."""
    listing_s: float
    """Seconds for which a listing is good enough for numbers."""

    def read(self, name: str) -> Any:
        """Content, with the buffer protocol; it counts as used."""

    def write(self, name: str, created_s: float, *pieces: Any) -> None:
        """Whole or not at all."""

    def remove(self, name: str) -> bool:
        """False: somebody else was faster."""

    def empty(self, entries: Sequence[Entry]) -> Removed:
        """Removes all that was listed."""

    def entries(self) -> list[Entry]:
        """All files of ours."""

    def shrink(self) -> Removed:
        """Removes what is beyond the limit."""
