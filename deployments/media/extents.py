"""Where the sound of a file ends, as its container has it: what is missing there, and what lies behind it.

FFmpeg reads what it can and says neither. Walks headers alone; the content is a stranger's, so every offset is checked.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TypeAlias

Buffer: TypeAlias = bytes | memoryview

_BOXES = {
    *(b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"mfra", b"sidx", b"styp", b"meta"),
    *(b"pdin", b"emsg", b"prft", b"udta", b"ssix", b"pnot"),
}
_CHUNK = re.compile(rb"[ -~]{4}")
_STREAMED = {0, 0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 0x7FFFF000}
"""Lengths in WAV headers of programs that could not go back to write the right one."""
_SEGMENT = 0x18538067
_CLUSTER = 0x1F43B675
_IN_SEGMENT = {0x114D9B74, 0x1549A966, 0x1654AE6B, _CLUSTER, 0x1C53BB6B, 0x1254C367, 0x1941A469, 0x1043A770}
_IN_CLUSTER = {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xEC, 0xBF}
_ANYWHERE = {0xEC, 0xBF}
"""Matroska's element IDs (RFC 9559, 5)."""
_JUNK_BYTES = 4096
"""MP3: so far is looked for the next frame; players do the same."""


@dataclass(frozen=True)
class Extent:
    """How far a file reaches."""

    end: int
    """Byte behind the last that belongs to it; where the container does not say, the size of the file."""
    cut: bool
    """Whether something is missing at the end."""
    samples: int | None = None
    """How many there must be, at the rate of the file, where it says so exactly."""


def extent(content: Buffer, container: str) -> Extent:
    """
    Args:
        content: the whole file.
        container: as `signatures.sound_container` names it.
    """
    walk = {"wav": _wav, "mp3": _mp3, "ogg": _ogg, "flac": _flac, "mp4": _mp4, "webm": _matroska}[container]
    return walk(content, _behind_id3(content) if container in ("mp3", "flac") else 0)


def leftover(content: Buffer, end: int) -> bytes:
    """The first bytes of what lies behind the end and is neither a known tag nor padding."""
    tail = bytes(content[end : end + 65_536])
    while True:
        tail = tail.lstrip(b"\0")
        if tail.startswith(b"TAG"):  # ID3v1, 128 bytes
            tail = tail[128:]
        elif tail.startswith((b"APETAGEX", b"LYRICSBEGIN", b"3DI", b"ID3")):  # they go on to the end
            return b""
        else:
            return tail[:16]


def _wav(content: Buffer, start: int) -> Extent:
    """RIFF chunks; the sound's own length counts, for that of the whole is wrong in many files."""
    size, at = len(content), start + 12
    whole = struct.unpack_from("<I", content, start + 4)[0]
    riff_end = size if whole in _STREAMED else min(size, start + 8 + whole)
    long_bytes, end, cut = 0, size, True
    while at + 8 <= size:
        name, length = struct.unpack_from("<4sI", content, at)
        if not _CHUNK.fullmatch(name) or (not cut and at >= riff_end):
            break
        if name == b"ds64" and at + 24 <= size:
            long_bytes = struct.unpack_from("<Q", content, at + 16)[0]
        if name == b"data":
            if length in _STREAMED:
                length = long_bytes or size - at - 8
            cut = at + 8 + length > size
        elif not cut and at + 8 + length > size:
            break
        at += 8 + length + length % 2
        end = min(size, at)
    return Extent(end, cut)


def _mp3(content: Buffer, start: int) -> Extent:
    size, at, frames = len(content), start, 0
    while at < size and content[at] == 0:
        at += 1
    declared = _xing_frames(content, at)
    while at + 4 <= size:
        length = _frame_bytes(content[at : at + 4])
        if not length:
            junk = _next_frame(content, at)
            if junk is None:
                break
            at += junk
            continue
        at, frames = at + length, frames + 1
    cut = at > size or frames < declared
    return Extent(min(at, size), cut) if frames > 1 or at >= size else Extent(start, cut=False)


def _next_frame(content: Buffer, at: int) -> int | None:
    """Bytes of junk up to the next two frames in a row."""
    near = bytes(content[at : at + _JUNK_BYTES])
    if near.startswith((b"TAG", b"APETAGEX", b"LYRICSBEGIN")):
        return None
    for sync in re.finditer(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", near):
        first = _frame_bytes(near[sync.start() :])
        second = at + sync.start() + first
        if sync.start() and first and _frame_bytes(content[second : second + 4]):
            return sync.start()
    return None


def _xing_frames(content: Buffer, at: int) -> int:
    """As the encoder's own first frame says (Xing or Info), which is not among them; 0 where it does not."""
    head = bytes(content[at : at + 200])
    place = max(head.find(b"Xing"), head.find(b"Info"))
    if place < 0 or len(head) < place + 12 or not head[place + 7] & 1:
        return 0
    return int(struct.unpack_from(">I", head, place + 8)[0])


def _ogg(content: Buffer, start: int) -> Extent:
    """Pages (RFC 3533, 6)."""
    size, at = len(content), start
    while bytes(content[at : at + 4]) == b"OggS":
        if at + 27 > size or at + 27 + content[at + 26] > size:
            return Extent(size, cut=True)
        segments = content[at + 26]
        at += 27 + segments + sum(content[at + 27 : at + 27 + segments])
        if at > size:
            return Extent(size, cut=True)
    # A header that is cut off is no junk.
    rest = bytes(content[at:size])
    return Extent(size, cut=True) if rest and b"OggS".startswith(rest) else Extent(at, cut=False)


def _flac(content: Buffer, start: int) -> Extent:
    """STREAMINFO (RFC 9639, 8.2) has the number of samples, 0 where the encoder did not know; frames have no length."""
    if len(content) < start + 26:
        return Extent(len(content), cut=True)
    samples = struct.unpack_from(">Q", content, start + 18)[0] & (1 << 36) - 1
    return Extent(len(content), cut=False, samples=samples or None)


def _mp4(content: Buffer, start: int) -> Extent:
    """Boxes (ISO 14496-12, 4.2)."""
    size, at, has_index = len(content), start, False
    while at + 8 <= size:
        length, name = struct.unpack_from(">I4s", content, at)
        if name not in _BOXES:
            break
        has_index |= name == b"moov"
        if length == 1 and at + 16 <= size:
            length = struct.unpack_from(">Q", content, at + 8)[0]
        if length == 0:
            return Extent(size, cut=False)
        if length < 8 or at + length > size:
            return Extent(size, cut=True)
        at += length
    return Extent(at, cut=not has_index)


def _matroska(content: Buffer, start: int) -> Extent:
    """EBML elements (RFC 8794); what is recorded live has no lengths, and ends where the file does."""
    size = len(content)
    _, header_at, header = _element(content, start)
    at = header_at + (header or 0)
    name, at, length = _element(content, at)
    if name != _SEGMENT:
        return Extent(min(at, size), cut=at >= size)
    if length is not None and at + length > size:
        return Extent(size, cut=True)
    end = size if length is None else at + length
    while at < end:
        element_at = at
        name, at, length = _element(content, at)
        if name not in _IN_SEGMENT | _ANYWHERE and name not in _IN_CLUSTER:
            return Extent(size, cut=True) if not name and at > size else Extent(element_at, cut=False)
        if length is None:  # what follows are its children: they are walked as its siblings
            continue
        at += length
        if at > end:
            return Extent(size, cut=True)
    return Extent(end, cut=False)


def _element(content: Buffer, at: int) -> tuple[int, int, int | None]:
    """ID, offset of the content, and its length: None if unknown. What is cut off lies beyond the end; no ID is 0."""
    beyond = len(content) + 1
    if at >= len(content) or not content[at]:
        return 0, beyond if at >= len(content) else at + 1, 0
    length_at = at + 9 - content[at].bit_length()
    if length_at > len(content):
        return 0, beyond, 0
    name = int.from_bytes(content[at:length_at], "big")
    if length_at == len(content) or not content[length_at]:
        return name, beyond, 0
    length_bytes = 9 - content[length_at].bit_length()
    content_at = length_at + length_bytes
    if content_at > len(content):
        return name, beyond, 0
    unknown = (1 << 7 * length_bytes) - 1
    length = int.from_bytes(content[length_at:content_at], "big") & unknown
    return name, content_at, None if length == unknown else length


def _behind_id3(content: Buffer) -> int:
    """Offset behind the ID3v2 tags (https://id3.org/id3v2.4.0-structure, 3.1) that it begins with."""
    at = 0
    while bytes(content[at : at + 3]) == b"ID3" and len(content) >= at + 10:
        flags, *size = content[at + 5 : at + 10]
        if max(size) >= 0x80:
            break
        at += 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]) + (10 if flags & 0x10 else 0)
    return at


_BIT_RATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III: kbit/s
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def _frame_bytes(head: Buffer) -> int:
    """Length of the MPEG layer III frame that begins here (ISO 11172-3, 2.4.1.3); 0: none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # sync, layer III
        return 0
    version, bit_rate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bit_rate in (0, 15) or rate == 3:
        return 0
    samples = 144_000 if version == 3 else 72_000
    return samples * _BIT_RATES[3 if version == 3 else 2][bit_rate] // _RATES[version][rate] + (head[2] >> 1 & 1)
