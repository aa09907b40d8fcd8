"""What bytes say of themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.media.signatures import (
    HEAD_BYTES,
    no_picture,
    other_picture,
    picture_format,
    second_nature,
    sound_container,
    stranger,
)
from tests.recordings import KINDS, recording, tone


@pytest.mark.parametrize("kind", list(KINDS))
def test_real_files_are_known_and_honest(kind: str) -> None:
    content = recording(kind, tone(0.3, 48_000), 48_000, 2)
    assert sound_container(content[:HEAD_BYTES]) == kind.split()[0].replace("m4a", "mp4")
    assert stranger(content[:HEAD_BYTES]) is None and second_nature(content[:HEAD_BYTES], content) is None


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf3\x44\xc4", "mp3"),
        (b"\xff\xf1\x50\x80", None),  # ADTS: raw AAC
        (b"\xff\xfb\xf0\x64", None),  # a bit rate that does not exist
        (b"\xff\xd8\xff\xe0", None),  # a JPEG
        (b"RF64\xff\xff\xff\xffWAVE", "wav"),
        (b"RIFF\0\0\0\0WEBP", None),
        (b"", None),
    ],
)
def test_the_first_bytes_decide(head: bytes, container: str | None) -> None:
    assert sound_container(head) == container


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_have_an_answer(head: bytes, tail: bytes) -> None:
    assert sound_container(head) in {None, "wav", "mp3", "ogg", "flac", "mp4", "webm"}
    assert stranger(head) is None or isinstance(stranger(head), str)
    assert second_nature(head, tail) in {None, "a document", "a ZIP archive"}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\x89PNG\n\x1a\n", None),  # sent as text
        (b"\xff\xd8\xff\xe1", "jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8X", "webp"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"", None),
    ],
)
def test_the_first_bytes_decide_of_a_picture(head: bytes, kind: str | None) -> None:
    assert picture_format(head) == kind


@given(st.binary(max_size=200))
def test_any_bytes_have_an_answer_as_a_picture(head: bytes) -> None:
    assert picture_format(head) in {None, "png", "jpeg", "webp"}
    assert other_picture(head) is None or picture_format(head) is None
    assert no_picture(head) is None or isinstance(no_picture(head), str)


def test_a_zip_is_only_one_where_its_directory_ends_the_file() -> None:
    end = b"PK\x05\x06" + bytes(16) + b"\x02\x00hi"
    assert second_nature(b"RIFF", b"sound" + end) == "a ZIP archive"
    assert second_nature(b"RIFF", b"sound" + end + b"more sound") is None
