"""What headers say of a picture is known before anything decodes it."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deployments.media.picture_extents import picture_extent
from tests.pictures import KINDS, bomb, picture, png, scene

WHOLE = {
    **{kind: (kind, picture(kind, scene())) for kind in KINDS},
    "progressive jpeg": ("jpeg", picture("jpeg", scene(), progressive=True)),
    "jpeg with restarts": ("jpeg", picture("jpeg", scene(), restart_marker_rows=1)),
    "lossy webp": ("webp", picture("webp", scene(), lossless=False)),
    "webp with EXIF": ("webp", picture("webp", scene(), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")),
}


@pytest.mark.parametrize(("kind", "content"), WHOLE.values(), ids=list(WHOLE))
def test_a_whole_picture_ends_where_its_file_does(kind: str, content: bytes) -> None:
    for behind in (b"", b"something else"):
        found = picture_extent(content + behind, kind)
        assert (found.end, found.cut, found.damaged) == (len(content), False, False)
        assert (found.width, found.height, found.frames) == (48, 32, 1)


@pytest.mark.parametrize(("kind", "content"), WHOLE.values(), ids=list(WHOLE))
def test_every_byte_that_is_missing_is_noticed(kind: str, content: bytes) -> None:
    for end in range(16, len(content)):
        assert picture_extent(content[:end], kind).cut


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_frames_are_counted(kind: str) -> None:
    frames = [Image.fromarray(scene()), Image.fromarray(255 - scene()), Image.fromarray(scene() // 2)]
    found = picture_extent(picture(kind, frames[0], save_all=True, append_images=frames[1:]), kind)
    assert found.frames == 3 and not found.cut and not found.damaged


def test_of_several_sizes_the_largest_counts() -> None:
    """A reader may believe any of them."""
    small, large = (struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0) for side in (5, 90_000))
    assert picture_extent(png((b"IHDR", small), (b"IHDR", large), (b"IEND", b"")), "png").width == 90_000
    jpeg = picture("jpeg", scene())
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, 60_000, 50_000, 1) + b"\1\x11\0"
    found = picture_extent(jpeg[:2] + frame + jpeg[2:], "jpeg")
    assert (found.width, found.height) == (50_000, 60_000)
    assert picture_extent(bomb(20_000, 30_000), "png").height == 30_000


@pytest.mark.parametrize("place", ["IHDR", "IDAT"])
def test_a_bit_that_fell_over_is_noticed_in_a_png(place: str) -> None:
    content = bytearray(picture("png", scene()))
    content[content.index(place.encode()) + 6] ^= 1
    assert picture_extent(bytes(content), "png").damaged


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=300))
def test_any_bytes_have_an_answer(kind: str, content: bytes) -> None:
    head = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8", "webp": b"RIFF\x20\0\0\0WEBP"}[kind]
    found = picture_extent(head + content, kind)
    assert 0 <= found.end <= len(head) + len(content) and found.frames >= 1
    assert picture_extent(memoryview(head + content), kind) == found


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_damaged_files_have_an_answer(name: str, data: st.DataObject) -> None:
    kind, content = WHOLE[name]
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(12, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert 0 <= picture_extent(bytes(damaged), kind).end <= len(damaged)


def test_bytes_of_a_scan_are_no_markers() -> None:
    content = picture("jpeg", scene(200, 200))
    assert io.BytesIO(content).read().count(b"\xff\x00") > 0
    assert picture_extent(content, "jpeg").end == len(content)
