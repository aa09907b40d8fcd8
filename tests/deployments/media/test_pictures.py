"""Every kind of picture that users send becomes the same kind of PNG; everything else is refused with its reason."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from deployments.core.errors import BadPicture
from deployments.media.picture_extents import picture_extent
from deployments.media.pictures import MAX_SIDE, Found, normalise
from tests.pictures import KINDS, bomb, picture, png, scene, swapped_profile
from tests.recordings import recording, tone, video

SCENE = scene()
ALPHA = np.linspace(0, 255, 48).round().astype(np.uint8)[None].repeat(32, 0)


def made(tmp_path: Path, content: bytes, max_pixels: int = 50_000_000) -> tuple[Found, NDArray[np.uint8]]:
    """What was found, and what is kept: (H, W, 3 or 4) uint8."""
    sent, kept = tmp_path / "sent", tmp_path / "kept.png"
    sent.write_bytes(content)
    found = normalise(sent, kept, max_pixels)
    with Image.open(kept, formats=("PNG",)) as image:
        assert not image.info and not image.getexif()
        pixels = np.array(image)
        assert image.mode == ("RGBA" if found.has_alpha else "RGB")
    assert pixels.shape == (found.height, found.width, 3 + found.has_alpha)
    return found, pixels


def refused(tmp_path: Path, content: bytes, max_pixels: int = 50_000_000) -> str:
    """Why; with what to do about it."""
    with pytest.raises(BadPicture, match=r"^image: ") as caught:
        made(tmp_path, content, max_pixels)
    return f"{caught.value} {caught.value.hint}"


def exif(orientation: object) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = "where I live"
    return tags


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_becomes_the_same_png(tmp_path: Path, kind: str) -> None:
    found, pixels = made(tmp_path, picture(kind, SCENE))
    assert found == Found(kind, 48, 32, has_alpha=False, notes=[])
    assert pixels.astype(int) == pytest.approx(SCENE.astype(int), abs=5 if kind == "jpeg" else 0)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_alpha_is_kept_straight(tmp_path: Path, kind: str) -> None:
    found, pixels = made(
        tmp_path, picture(kind, np.dstack([SCENE, ALPHA]), **({"exact": True} if kind == "webp" else {}))
    )
    assert found.has_alpha and np.array_equal(pixels, np.dstack([SCENE, ALPHA]))


def test_alpha_that_hides_nothing_is_left_out_and_one_that_hides_all_is_refused(tmp_path: Path) -> None:
    solid, clear = (np.dstack([SCENE, np.full((32, 48), value, np.uint8)]) for value in (255, 0))
    assert not made(tmp_path, picture("png", solid))[0].has_alpha
    assert "transparent all over" in refused(tmp_path, picture("png", clear))


STORED = {
    1: SCENE,
    2: SCENE[:, ::-1],
    3: SCENE[::-1, ::-1],
    4: SCENE[::-1],
    5: SCENE.transpose(1, 0, 2),
    6: SCENE.transpose(1, 0, 2)[::-1],
    7: SCENE.transpose(1, 0, 2)[::-1, ::-1],
    8: SCENE.transpose(1, 0, 2)[:, ::-1],
}
"""Orientation of EXIF -> what the camera stores: with 6, row 0 is the right side of what is seen (CIPA DC-008)."""


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("orientation", list(STORED))
def test_pictures_stand_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    stored = np.ascontiguousarray(STORED[orientation])
    found, pixels = made(tmp_path, picture(kind, stored, exif=exif(orientation)))
    assert (found.width, found.height) == (48, 32)
    assert pixels.astype(int) == pytest.approx(SCENE.astype(int), abs=6 if kind == "jpeg" else 0)


@pytest.mark.parametrize(
    "tags",
    [
        exif(9),
        b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\2\0\3\0\0\0up\0\0\0\0\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0nonsense",
    ],
    ids=["9", "word", "cut", "nonsense"],
)
def test_a_turn_that_makes_no_sense_is_none(tmp_path: Path, tags: object) -> None:
    _, pixels = made(tmp_path, picture("jpeg", SCENE, exif=tags))
    assert pixels.shape == (32, 48, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    grey = SCENE.mean(axis=2).round().astype(np.uint8)
    source = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(SCENE).convert(mode)
    expected = {
        "I;16": np.dstack([grey] * 3),
        "1": np.array(source.convert("RGB")),
        "L": np.array(source.convert("RGB")),
        "LA": np.array(source.convert("RGB")),
        "P": np.array(source.convert("RGB")),
    }.get(mode, SCENE)
    _, pixels = made(tmp_path, picture("jpeg" if mode in ("CMYK", "YCbCr") else "png", source))
    assert pixels.astype(int) == pytest.approx(expected.astype(int), abs=6)


def test_transparency_without_an_alpha_channel(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    sources = {
        "palette": picture("png", Image.fromarray(grey).convert("P"), transparency=bytes(range(256))),
        "one grey": picture("png", Image.fromarray(grey), transparency=7),
        "one colour": picture("png", np.dstack([grey] * 3), transparency=(7, 7, 7)),
        "16 bits": picture("png", Image.fromarray(grey.astype(np.uint16) * 257), transparency=7 * 257),
    }
    once = np.where(grey == 7, 0, 255)
    for name, content in sources.items():
        found, pixels = made(tmp_path, content)
        assert found.has_alpha, name
        assert np.array_equal(pixels[..., 3], grey if name == "palette" else once), name
        assert np.array_equal(pixels[..., 0], grey), name


def test_16_bits_of_colour_become_8(tmp_path: Path) -> None:
    deep = SCENE.astype(np.uint16) * 257
    _, coded = cv2.imencode(".png", deep[..., ::-1])
    assert np.array_equal(made(tmp_path, coded.tobytes())[1], SCENE)


@pytest.mark.parametrize("kind", list(KINDS))
def test_colours_are_what_their_profile_says(tmp_path: Path, kind: str) -> None:
    """The profile exchanges red and blue, so what is kept has them the other way round."""
    found, pixels = made(tmp_path, picture(kind, SCENE, icc_profile=swapped_profile()))
    assert pixels.astype(int) == pytest.approx(SCENE[..., ::-1].astype(int), abs=6) and not found.notes


def test_a_profile_leaves_alpha_alone(tmp_path: Path) -> None:
    _, pixels = made(tmp_path, picture("png", np.dstack([SCENE, ALPHA]), icc_profile=swapped_profile()))
    assert np.array_equal(pixels[..., 3], ALPHA)
    assert pixels[..., :3].astype(int) == pytest.approx(SCENE[..., ::-1].astype(int), abs=2)


@pytest.mark.parametrize(
    ("mode", "profile"), [("RGB", b"nonsense" * 20), ("RGB", swapped_profile()[:200]), ("CMYK", swapped_profile())]
)
def test_a_profile_that_does_not_fit_is_passed_over(tmp_path: Path, mode: str, profile: bytes) -> None:
    found, pixels = made(tmp_path, picture("jpeg", Image.fromarray(SCENE).convert(mode), icc_profile=profile))
    assert pixels.astype(int) == pytest.approx(SCENE.astype(int), abs=6)
    assert len(found.notes) == 1 and "profile" in found.notes[0]


def test_what_is_large_is_made_smaller(tmp_path: Path) -> None:
    found, pixels = made(tmp_path, picture("png", scene(MAX_SIDE * 3 // 2, 90)))
    assert (found.width, found.height) == (MAX_SIDE, 60) and "smaller" in found.notes[0]
    assert pixels[0, 0] == pytest.approx([220, 40, 60], abs=2)
    assert made(tmp_path, picture("png", scene(MAX_SIDE, 2)))[0].notes == []
    assert made(tmp_path, picture("png", scene(MAX_SIDE * 3, 1)))[1].shape == (1, MAX_SIDE, 3)
    assert made(tmp_path, picture("png", scene(1, 1)))[1].shape == (1, 1, 3)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_of_what_moves_the_first_frame_is_taken(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(SCENE), Image.fromarray(255 - SCENE)]
    found, pixels = made(tmp_path, picture(kind, frames[0], save_all=True, append_images=frames[1:]))
    assert np.array_equal(pixels, SCENE) and "first of its 2 frames" in found.notes[0]


@pytest.mark.parametrize("kind", list(KINDS))
def test_half_a_picture_is_none(tmp_path: Path, kind: str) -> None:
    whole = picture(kind, scene(200, 150))
    for end in {*range(0, len(whole), max(1, len(whole) // 40)), len(whole) - 1}:
        reason = refused(tmp_path, whole[:end])
        assert "cut short" in reason or end < 16


@pytest.mark.parametrize(
    "content",
    [bomb(20_000, 20_000), bomb(2**31 - 1, 2**31 - 1), bomb(50_000_001, 1)],
    ids=["square", "largest", "one line"],
)
def test_bombs_do_not_go_off(tmp_path: Path, content: bytes) -> None:
    assert "million" in refused(tmp_path, content)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_limit_is_in_pixels(tmp_path: Path, kind: str) -> None:
    content = picture(kind, SCENE)
    assert made(tmp_path, content, 48 * 32)[0].width == 48
    assert "48x32" in refused(tmp_path, content, 48 * 32 - 1)


def test_nothing_to_see(tmp_path: Path) -> None:
    assert "how large" in refused(tmp_path, bomb(0, 5))
    assert "empty" in refused(tmp_path, b"")
    assert "damaged" in refused(tmp_path, png((b"IHDR", b"\0\0\0\5\0\0\0\5\x08\2\0\0\0"), (b"IEND", b"")))


def archive() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("run.sh", "echo")
    return target.getvalue()


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        (archive(), "ZIP"),
        (b"<html><script>alert(1)</script>" + b" " * 4000, "HTML|document"),
        (b"%PDF-1.4" + b"\n" * 4000, "PDF|document"),
        (b"\x7fELF" + b"\1" * 4000, "program"),
        (b"?" * 4000, "no picture"),
    ],
    ids=["zip", "html", "pdf", "program", "something"],
)
def test_what_is_something_else_besides_is_refused(tmp_path: Path, kind: str, behind: bytes, reason: str) -> None:
    said = refused(tmp_path, picture(kind, scene(200, 200)) + behind)
    assert any(word in said for word in reason.split("|"))


def test_scraps_and_what_cameras_add_are_passed_over(tmp_path: Path) -> None:
    jpeg = picture("jpeg", SCENE)
    for behind in (jpeg, video(), b"\0\0\1\x0aMotionPhoto_Data" + b"x" * 3000 + b"SEFT"):
        found, _ = made(tmp_path, jpeg + behind)
        assert "camera" in found.notes[0]
    for kind in KINDS:
        found, _ = made(tmp_path, picture(kind, SCENE) + b"scraps")
        assert "6 bytes" in found.notes[0]
        assert made(tmp_path, picture(kind, SCENE) + b"\0" * 5000)[0].notes == []


def other(form: str) -> bytes:
    target = io.BytesIO()
    Image.fromarray(SCENE).save(target, form)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        *[(other(form), f"{form}. Convert it to PNG") for form in ("GIF", "BMP", "TIFF", "AVIF")],
        (other("JPEG2000"), "JPEG 2000. Convert it"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 50, "HEIC. Convert it"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif" + b"\0" * 50, "AVIF. Convert it"),
        (b'<?xml version="1.0"?>\n<!-- -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG. Convert it"),
        (b"<svg></svg>", "SVG. Convert it"),
        (video(), "video (mp4). Send one frame"),
        (recording("wav", tone(1, 16_000), 16_000), "sound (wav). Send PNG"),
        (recording("m4a", tone(1, 16_000), 16_000), "sound (M4A). Send PNG"),
        (recording("mp3", tone(1, 16_000), 16_000), "sound (mp3). Send PNG"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"%PDF-1.7", "PDF"),
        (archive(), "ZIP"),
        (b"hello", "no picture that is known"),
        (b"\xff\xd8", "no picture that is known"),
        (b"\x89PNG\n\x1a\n" + bytes(50), "first bytes are damaged"),  # line ends were translated on its way
    ],
    ids=[
        *("gif", "bmp", "tiff", "avif", "jpeg 2000", "heic", "mif1", "svg", "bare svg", "mp4", "wav", "m4a", "mp3"),
        *("html", "pdf", "zip", "text", "two bytes", "png as text"),
    ],
)
def test_what_is_no_picture_is_called_by_its_name(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refused(tmp_path, content)


SEEDS = [
    *(picture(kind, scene(24, 16)) for kind in KINDS),
    picture("webp", scene(24, 16), lossless=False, exif=exif(6), icc_profile=swapped_profile()),
    picture("jpeg", scene(24, 16), progressive=True, exif=exif(6), icc_profile=swapped_profile()),
    picture("jpeg", Image.fromarray(scene(24, 16)).convert("CMYK")),
    picture("png", Image.fromarray(scene(24, 16)).convert("P"), transparency=bytes(99), exif=exif(5)),
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(range(len(SEEDS))), st.data())
def test_damaged_files_are_read_or_refused(tmp_path: Path, seed: int, data: st.DataObject) -> None:
    """Whatever a byte is, nothing but an answer or a BadPicture comes of it."""
    content = bytearray(SEEDS[seed])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    if content[:4] == b"\x89PNG":  # else hardly any would come as far as Pillow
        content = bytearray(_mended(bytes(content)))
    (tmp_path / "sent").write_bytes(content)
    try:
        found = normalise(tmp_path / "sent", tmp_path / "kept.png", 1_000_000)
    except BadPicture as error:
        assert str(error).startswith("image: ") and error.hint
    else:
        assert 0 < found.width * found.height <= 1_000_000


def _mended(content: bytes) -> bytes:
    """With checksums that are right, as far as it has chunks."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if at + 12 + length > len(content):
            break
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    made = png(*chunks)
    assert picture_extent(made, "png").end <= len(made)
    return made
