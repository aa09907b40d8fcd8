"""What kind of file some bytes are, by what stands in them: names and Content-Types are only claims.

Signatures after the containers' own specifications: RIFF and RF64 (EBU Tech 3306), Ogg (RFC 3533), FLAC (RFC 9639),
ISO base media (ISO/IEC 14496-12), EBML (RFC 8794), MPEG audio (ISO/IEC 11172-3), ID3v2 (id3.org), ZIP (APPNOTE.TXT),
PNG (W3C, third edition, 5.2), JPEG (ITU-T T.81, B.1), WebP (RFC 9649), HEIF (ISO/IEC 23008-12).
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
    ("a program", re.compile(rb"MZ|\x7fELF|#!(?!AMR)|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe")),
    ("a ZIP archive", re.compile(rb"PK\x03\x04|PK\x05\x06")),
    ("an archive", re.compile(rb"Rar!\x1a|7z\xbc\xaf|\x1f\x8b|BZh|\xfd7zXZ")),
    ("a picture", re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|BM....\0\0\0\0|RIFF....WEBP|II\*\0|MM\0\*", re.DOTALL)),
    ("an XML document", re.compile(rb"\s*<(?:\?xml|svg)", re.IGNORECASE)),
    ("a video", re.compile(rb"RIFF....AVI |\0\0\x01\xba|FLV\x01", re.DOTALL)),
    ("AAC without a container", re.compile(rb"\xff[\xf0\xf1\xf8\xf9]|ADIF")),
    (
        "sound of a kind that is not taken",
        re.compile(rb"FORM....AIF[FC]|#!AMR|caff|\.snd|wvpk|MAC |\x30\x26\xb2\x75", re.DOTALL),
    ),
    ("notes (MIDI)", re.compile(rb"MThd")),
    ("a playlist", re.compile(rb"#EXTM3U|\[playlist\]|ffconcat", re.IGNORECASE)),
)
_OTHER_PICTURES = (
    ("a GIF", re.compile(rb"GIF8[79]a")),
    ("a BMP", re.compile(rb"BM....\0\0\0\0", re.DOTALL)),
    ("a TIFF", re.compile(rb"II[*+]\0|MM\0[*+]")),
    ("an AVIF", re.compile(rb"....ftyp(?:.{4})*?avi[fs]", re.DOTALL)),
    ("a HEIC", re.compile(rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL)),
    ("an SVG", re.compile(rb"\s*(?:<\?xml.{0,2000})?<svg[\s>]", re.DOTALL | re.IGNORECASE)),
    ("a JPEG XL or JPEG 2000", re.compile(rb"\xff\x0a|\0\0\0\x0c(?:JXL |jP  )|\xff\x4f\xff\x51")),
    ("an icon", re.compile(rb"\0\0\x01\0")),
    ("a Photoshop file", re.compile(rb"8BPS")),
)
_SOUND_BRANDS = (b"M4A ", b"M4B ", b"F4A ")
_INSIDE = re.compile(rb"%PDF-1|<!doctype html|<html[\s>]|<script[\s>]|<\?php", re.IGNORECASE)
"""What has no business in the first bytes of a sound, and is obeyed there by readers that search for it."""
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


def picture_format(head: bytes) -> str | None:
    """The format that the first bytes say: png, jpeg or webp; None for none of them."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    starts = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))
    return next((name for start, name in starts if head.startswith(start)), None)


def other_picture(head: bytes) -> str | None:
    """What a picture is of a format that is not taken, in words ("a GIF"); None where it is none."""
    # Brands of an ISO file stand in its first box, and only there.
    box = head[: int.from_bytes(head[:4], "big")] if head[4:8] == b"ftyp" else head
    return next((what for what, start in _OTHER_PICTURES if start.match(box)), None)


def no_picture(head: bytes) -> str | None:
    """What a file is that is no picture, in words; None where nobody knows."""
    container = sound_container(head)
    if container in ("mp4", "webm"):
        return "sound (M4A)" if head[8:12] in _SOUND_BRANDS else f"a video ({container.replace('webm', 'WebM or MKV')})"
    return f"sound ({container})" if container else stranger(head)


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
