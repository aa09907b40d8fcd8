"""Where files end, by their containers: real ones, and any bytes at all."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.media.extents import Extent, extent, leftover
from tests.recordings import KINDS, recording, tone

CONTAINERS = ("wav", "mp3", "ogg", "flac", "mp4", "webm")
HEADS = {
    "wav": b"RIFF\xff\0\0\0WAVE",
    "mp3": b"\xff\xfb\x90\x64",
    "ogg": b"OggS",
    "flac": b"fLaC",
    "mp4": b"\0\0\0\x08ftyp",
    "webm": b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7,
}


def name_of(kind: str) -> str:
    return kind.split()[0].replace("m4a", "mp4")


def whole(kind: str) -> bytes:
    return recording(kind, tone(0.5, 48_000), 48_000, 2)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_whole_file_ends_where_it_ends(kind: str) -> None:
    content = whole(kind)
    reach = extent(content, name_of(kind))
    assert (reach.end, reach.cut) == (len(content), False)
    assert reach.samples == (24_000 if kind == "flac" else None)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "flac"])
def test_what_lies_behind_is_not_its_own(kind: str) -> None:
    content = whole(kind)
    reach = extent(content + b"PK\x03\x04 and so on", name_of(kind))
    assert (reach.end, reach.cut) == (len(content), False)
    assert leftover(content + b"PK\x03\x04 and so on", reach.end).startswith(b"PK")


@pytest.mark.parametrize(
    "tail",
    [b"", bytes(5000), b"TAG" + b"a" * 125, b"\0TAG" + b"a" * 125, b"APETAGEX" + b"a" * 100, b"LYRICSBEGIN" + b"a" * 9],
)
def test_tags_and_padding_are_no_scraps(tail: bytes) -> None:
    content = whole("mp3")
    reach = extent(content + tail, "mp3")
    assert not reach.cut and leftover(content + tail, reach.end) == b""


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_wav_that_was_written_to_a_pipe_ends_with_the_file(length: int) -> None:
    content = bytearray(whole("wav"))
    at = content.index(b"data") + 4
    content[4:8] = content[at : at + 4] = struct.pack("<I", length)
    assert extent(bytes(content), "wav") == Extent(len(content), cut=False)


def test_a_long_wav_says_its_length_elsewhere() -> None:
    """EBU Tech 3306: RF64, with 64 bits in the chunk ds64."""
    content = whole("wav")
    at = content.index(b"data")
    sound = content[at + 8 :]
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(content) + 28, len(sound), 0, 0)
    long = b"RF64\xff\xff\xff\xffWAVE" + sizes + content[12:at] + b"data\xff\xff\xff\xff" + sound
    assert extent(long, "wav") == Extent(len(long), cut=False)
    assert extent(long[:-1], "wav").cut
    assert extent(long + b"scrap", "wav").end == len(long)


def test_a_webm_that_was_recorded_live_has_no_lengths() -> None:
    """As MediaRecorder writes it: a segment and clusters of unknown length."""
    block = b"\xa3\x85\x81\0\0\x80x"
    unknown = b"\x01" + b"\xff" * 7
    cluster = b"\x1fC\xb6u" + unknown + b"\xe7\x81\0" + block * 3
    live = b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67" + unknown + b"\x16\x54\xae\x6b\x80" + cluster * 2
    assert extent(live, "webm") == Extent(len(live), cut=False)
    assert extent(live[:-1], "webm").cut and extent(live[:-6], "webm").cut
    assert extent(live + b"PK\x03\x04", "webm") == Extent(len(live), cut=False)


@given(st.sampled_from(CONTAINERS), st.binary(max_size=400))
def test_any_bytes_have_an_end(container: str, rest: bytes) -> None:
    content = HEADS[container] + rest
    reach = extent(content, container)
    assert 0 <= reach.end <= len(content)
    assert isinstance(leftover(content, reach.end), bytes)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([kind for kind in KINDS if kind not in ("flac", "m4a")]), st.data())
def test_every_cut_is_seen_or_leaves_a_whole_file(kind: str, data: st.DataObject) -> None:
    """Ogg and MP3 without a count may be cut between two pages or frames; nobody could tell."""
    content = _WHOLE.setdefault(kind, whole(kind))
    at = data.draw(st.integers(100, len(content) - 1))
    reach = extent(content[:at], name_of(kind))
    assert reach.cut or (name_of(kind) == "ogg" and reach.end == at)


_WHOLE: dict[str, bytes] = {}
