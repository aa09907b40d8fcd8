"""Where a picture ends, how large it is and whether it moves, as its headers say, before anything decodes it.

Pillow believes what it reads, and a header of 30 bytes may ask for gigabytes. The content is a stranger's, so every
offset is checked. Formats: PNG (W3C, third edition, 5.3), JPEG (ITU-T T.81, B), WebP (RFC 9649).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import TypeAlias

Buffer: TypeAlias = bytes | memoryview

_CHUNK = re.compile(rb"[A-Za-z]{4}")
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Behind a scan: neither a byte that was stuffed, nor a restart."""
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Start of a frame, of every process of JPEG."""
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a segment."""


@dataclass
class PictureExtent:
    """What the headers of a picture say."""

    end: int
    """Byte behind the last that belongs to it."""
    cut: bool = True
    """Whether something is missing at the end."""
    damaged: bool = False
    """Whether its checksums or its order say so."""
    width: int = 0
    """Pixels, before it is turned upright; 0 where it does not say. Of several sizes the largest."""
    height: int = 0
    """Pixels."""
    frames: int = 1
    """Of an animation, as it says."""

    def widen(self, width: int, height: int) -> None:
        """Another size that it mentions."""
        self.width, self.height = max(self.width, width), max(self.height, height)


def picture_extent(content: Buffer, kind: str) -> PictureExtent:
    """
    Args:
        content: the whole file.
        kind: as `signatures.picture_format` names it.
    """
    return {"png": _png, "jpeg": _jpeg, "webp": _webp}[kind](content)


def _png(content: Buffer) -> PictureExtent:
    found, at, size = PictureExtent(len(content)), 8, len(content)
    while at + 12 <= size:
        length, name = struct.unpack_from(">I4s", content, at)
        if not _CHUNK.fullmatch(name):
            found.damaged = True
            return found
        end = at + 12 + length
        if end > size:
            return found
        (crc,) = struct.unpack_from(">I", content, end - 4)
        critical = not name[0] & 0x20
        if critical and zlib.crc32(content[at + 4 : end - 4]) != crc:
            found.damaged = True
        if name == b"IHDR" and length >= 8:
            found.widen(*struct.unpack_from(">II", content, at + 8))
        if name == b"acTL" and length >= 4:
            (found.frames,) = struct.unpack_from(">I", content, at + 8)
        at = end
        if name == b"IEND":
            found.end, found.cut = at, False
            return found
    return found


def _jpeg(content: Buffer) -> PictureExtent:
    found, at, size = PictureExtent(len(content)), 2, len(content)
    while at + 2 <= size:
        if content[at] != 0xFF:
            found.damaged = True
            return found
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
        elif marker == 0xD9:
            found.end, found.cut = at + 2, False
            return found
        elif marker in _ALONE:
            at += 2
        elif at + 4 > size:
            return found
        else:
            at = _segment(content, at, marker, found)
    return found


def _segment(content: Buffer, at: int, marker: int, found: PictureExtent) -> int:
    """Offset of the next marker; beyond the end where there is none."""
    (length,) = struct.unpack_from(">H", content, at + 2)
    if marker in _SIZES and at + 9 <= len(content):
        height, width = struct.unpack_from(">HH", content, at + 5)
        found.widen(width, height)
    at += 2 + length
    if marker != 0xDA:
        return at
    following = _MARKER.search(content, at)
    return following.start() if following else len(content)


def _webp(content: Buffer) -> PictureExtent:
    found, size = PictureExtent(len(content)), len(content)
    whole = 8 + int(struct.unpack_from("<I", content, 4)[0])
    if whole > size:
        return found
    found.end, found.cut, found.frames, at, moving = min(size, whole + whole % 2), False, 0, 12, 0
    while at + 8 <= whole:
        name, length = struct.unpack_from("<4sI", content, at)
        start, end = at + 8, at + 8 + length
        if end > whole:
            found.damaged = True
            break
        _webp_size(content, name, start, length, found)
        moving += name == b"ANMF"
        at = end + length % 2
    found.frames = max(1, moving)
    return found


def _webp_size(content: Buffer, name: bytes, start: int, length: int, found: PictureExtent) -> None:
    if name == b"VP8X" and length >= 10:
        width, height = (int.from_bytes(content[start + at : start + at + 3], "little") + 1 for at in (4, 7))
        found.widen(width, height)
    elif name == b"VP8 " and length >= 10:
        width, height = struct.unpack_from("<HH", content, start + 6)
        found.widen(width & 0x3FFF, height & 0x3FFF)
    elif name == b"VP8L" and length >= 5:
        (bits,) = struct.unpack_from("<I", content, start + 1)
        found.widen((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
