"""What kind of file some bytes are, by what stands in them: names and Content-Types are only claims.

Signatures after the containers' own specifications: RIFF and RF64 (EBU Tech 3306), Ogg (RFC 3533), FLAC (RFC 9639),
ISO base media (ISO/IEC 14496-12), EBML (RFC 8794), MPEG audio (ISO/IEC 11172-3), ID3v2 (id3.org), ZIP (APPNOTE.TXT).
"""

from __future__ import annotations

import re
import struct

HEAD_BYTES = 4096
"""From the start of a file, as much as anything here looks at."""
TAIL_BYTES = 65_536 + 22
"""From its end: ZIP's directory record with the longest comment."""

_STRANGERS = (
    ("an HTML page", re.compile(rb"\s*(?:<!doctype html|<html|<head|<body|<script)", re.IGNORECASE)),
    ("a PDF document", re.compile(rb"%PDF-")),
    ("a program", re.compile(rb"MZ|\x7fELF|#!|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe")),
    ("a ZIP archive", re.compile(rb"PK\x03\x04|PK\x05\x06")),
    ("an archive", re.compile(rb"Rar!\x1a|7z\xbc\xaf|\x1f\x8b|BZh|\xfd7zXZ")),
    ("a picture", re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|BM....\0\0\0\0|RIFF....WEBP|II\*\0|MM\0\*", re.DOTALL)),
    ("an XML document", re.compile(rb"\s*<(?:\?xml|svg)", re.IGNORECASE)),
    ("a playlist", re.compile(rb"#EXTM3U|\[playlist\]|ffconcat", re.IGNORECASE)),
)
_INSIDE = re.compile(rb"%PDF-1|<!doctype html|<html[\s>]|<script[\s>]|<\?php", re.IGNORECASE)
"""What has no business in the first bytes of a sound, and is obeyed there by readers that search for it."""
_PIPED_BYTES = 0x7FFF0000
"""From here on the length of a WAV file is what those write who do not know it yet."""
_OGG_HEADER_BYTES = 27
_ZIP_END = b"PK\x05\x06"
_ZIP_END_BYTES = 22


def sound_container(head: bytes) -> str | None:
    """The container that the first bytes say: wav, mp3, ogg, flac, mp4 or webm; None for none of them."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp":
        return "mp4"
    for start, name in ((b"OggS", "ogg"), (b"fLaC", "flac"), (b"\x1aE\xdf\xa3", "webm"), (b"ID3", "mp3")):
        if head.startswith(start):
            return name
    return "mp3" if _is_mpeg_audio(head) else None


def _is_mpeg_audio(head: bytes) -> bool:
    """Eleven bits of sync; layer, bit rate and sampling rate that exist."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, bit_rate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer == 1 and bit_rate not in (0, 15) and rate != 3


def stranger(head: bytes) -> str | None:
    """What a file is that is no sound, in words ("a PDF document"); None where nobody knows."""
    return next((what for what, start in _STRANGERS if start.match(head)), None)


def second_nature(head: bytes, tail: bytes) -> str | None:
    """What a file is besides what it begins as, in words; None for an honest one.

    Args:
        head: its first HEAD_BYTES.
        tail: its last TAIL_BYTES, or all of it.
    """
    if _INSIDE.search(head):
        return "a document"
    at = tail.rfind(_ZIP_END)
    if at >= 0 and len(tail) - at >= _ZIP_END_BYTES:
        (comment,) = struct.unpack_from("<H", tail, at + 20)
        if at + _ZIP_END_BYTES + comment == len(tail):
            return "a ZIP archive"
    return None


def riff_ends(head: bytes, size: int) -> bool:
    """Whether a WAV file is as long as it says, to a hundredth; one that was written to a pipe says nothing."""
    says = int.from_bytes(head[4:8], "little") + 8
    return head[:4] != b"RIFF" or says >= _PIPED_BYTES or size >= 0.99 * says


def ogg_ends(tail: bytes) -> bool:
    """Whether the last page is whole, and has the flag for the end of its stream (RFC 3533, 6: bit 2 of byte 5)."""
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < _OGG_HEADER_BYTES or not page.startswith(b"OggS"):
        return False
    segments = page[_OGG_HEADER_BYTES : _OGG_HEADER_BYTES + page[26]]
    return bool(page[5] & 4) and len(page) >= _OGG_HEADER_BYTES + page[26] + sum(segments)
