"""A stranger's picture -> an upright 8-bit PNG in sRGB, and what was found in it. A program of its own, in its process.

Only PNG, JPEG and WebP are opened, after their headers were walked, by a process with limits (`child.py` starts it).
Says on stdout what it found, or what is wrong, as one line of JSON.
"""

from __future__ import annotations

import io
import json
import mmap
import resource
import sys
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms

from deployments.core.errors import AvatarError, BadPicture

from .extents import leftover
from .picture_extents import PictureExtent, picture_extent
from .signatures import (
    HEAD_BYTES,
    TAIL_BYTES,
    no_picture,
    other_picture,
    picture_format,
    second_nature,
    stranger,
)

KINDS = "PNG, JPEG or WebP"
AGAIN = f"Save or export it again as {KINDS}, and send it whole."
MAX_SIDE = 4096
"""Pixels of what is kept: a face that fills a third of it is still larger than any video."""
_LEFTOVER_BYTES = 1024
"""Behind the picture, what is longer may be something; scraps of bad editors are shorter."""
_MEMORY_BYTES, _CPU_S = 2 << 30, 60
"""Of the process: 50 million pixels take 1.3 GB as WebP, half of that as JPEG, and 4 to 10 s of a busy machine."""
_WRITTEN_BYTES = MAX_SIDE * MAX_SIDE * 4 + (1 << 20)
"""Noise does not get smaller."""


@dataclass
class Found:
    """What is in a picture."""

    format: str
    """png, jpeg or webp: of the file that was sent."""
    width: int = 0
    """Pixels of what is kept, upright."""
    height: int = 0
    """Pixels."""
    has_alpha: bool = False
    """Whether something shines through."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the user."""


def normalise(source: Path, target: Path, max_pixels: int) -> Found:
    """Writes an 8-bit PNG, RGB or RGBA with straight alpha, without any metadata; MAX_SIDE at most.

    Args:
        source: what came.
        target: what is to be kept.
        max_pixels: a larger picture is refused, before it is decoded.

    Raises:
        BadPicture
    """
    with source.open("rb") as file:
        found = _inspect(file, max_pixels)
        file.seek(0)
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(file, formats=(found.format,)) as image:
                kept = _upright(_shrunk(_in_srgb(_loaded(image), found), found), image, found)
        except MemoryError:
            raise BadPicture("image: there is not enough memory for it.", hint="Send it smaller.") from None
        except Exception as error:  # crafted files make Pillow's readers raise whatever Python knows
            raise BadPicture(f"image: its {found.format} is damaged: {error}.", hint=AGAIN) from error
    kept = _without_idle_alpha(kept)
    kept.info.clear()
    kept.save(target, format="PNG", compress_level=1)  # it lives for hours, and is read more often than sent
    found.width, found.height, found.has_alpha = kept.width, kept.height, kept.mode == "RGBA"
    return found


def _inspect(file: BinaryIO, max_pixels: int) -> Found:
    """What can be known before it is decoded.

    Raises:
        BadPicture: it is none, too large, cut short, or something else besides.
    """
    if not file.seek(0, 2):
        raise BadPicture("image: it is empty.", hint=f"Send {KINDS}.")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as content:
        head, tail = bytes(content[:HEAD_BYTES]), bytes(content[-TAIL_BYTES:])
        kind = _kind(head)
        if other := second_nature(head, tail):
            raise BadPicture(f"image: it is {kind} and {other} at once, which no honest picture is.", hint=AGAIN)
        reach = picture_extent(content, kind)
        _check_size(reach, max_pixels)
        if reach.damaged:
            raise BadPicture(f"image: its {kind} is damaged.", hint=AGAIN)
        if reach.cut:
            raise BadPicture("image: it is cut short.", hint=AGAIN)
        found = Found(kind, notes=_behind(content, reach, kind))
    if reach.frames > 1:
        found.notes.append(f"It moves: the first of its {reach.frames} frames is taken.")
    return found


def _kind(head: bytes) -> str:
    kind = picture_format(head)
    if kind:
        return kind
    if other := other_picture(head):
        raise BadPicture(f"image: this is {other}.", hint=f"Convert it to {KINDS}.")
    what = no_picture(head) or "no picture that is known here"
    if what == "a picture":
        raise BadPicture("image: its first bytes are damaged.", hint=AGAIN)
    hint = "Send one frame of it: ffmpeg -i video -frames:v 1 frame.png" if "video" in what else f"Send {KINDS}."
    raise BadPicture(f"image: this is {what}.", hint=hint)


def _check_size(reach: PictureExtent, max_pixels: int) -> None:
    width, height = reach.width, reach.height
    if width * height > max_pixels:
        raise BadPicture(
            f"image: it has {width}x{height} pixels, and {max_pixels / 1e6:g} million are taken.",
            hint=f"Make it smaller: more than {MAX_SIDE} on a side are not used anyway.",
        )
    if not width * height:
        what = "is cut short" if reach.cut else "does not say how large it is"
        raise BadPicture(f"image: it {what}.", hint=AGAIN)


def _behind(content: memoryview, reach: PictureExtent, kind: str) -> list[str]:
    """A note on what lies behind the picture."""
    start = leftover(content, reach.end)
    length = len(content) - reach.end
    if not start:
        return []
    if kind == "jpeg" and _of_camera(content, reach.end):
        return ["The camera put more behind the picture, which is left out."]
    if length > _LEFTOVER_BYTES:
        what = stranger(start) or "something that is no picture"
        raise BadPicture(f"image: {what} lies behind its {kind}, {length} bytes.", hint=AGAIN)
    return [f"{length} bytes behind the picture are none of it: they were passed over."]


def _of_camera(content: memoryview, end: int) -> bool:
    """Whether what lies behind a JPEG is a second picture (for bright screens, CIPA DC-007), the seconds before it
    (Google's motion photos), or a Samsung's trailer, as ExifTool knows it by its end."""
    start = bytes(content[end : end + 16])
    return start.startswith(b"\xff\xd8\xff") or start[4:8] == b"ftyp" or bytes(content[-4:]) == b"SEFT"


def _loaded(image: Image.Image) -> Image.Image:
    """Its first frame, decoded, of one of the modes L, RGB, RGBA and CMYK."""
    image.load()
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip
        return _from_16_bits(image)
    transparent = image.info.get("transparency")
    if transparent is not None and image.mode == "RGB" and max(transparent) > 255:  # of 16 bits; the picture has 8
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    if image.mode in ("RGBA", "LA", "PA") or transparent is not None:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.uint32)
    grey = Image.fromarray(((values * 255 + 32_767) // 65_535).astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is None:
        return _keeping(image, grey)
    made = grey.convert("RGBA")
    made.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return _keeping(image, made)


def _keeping(image: Image.Image, made: Image.Image) -> Image.Image:
    """With the colour profile of what it was made from."""
    made.info = {name: value for name, value in image.info.items() if name == "icc_profile"}
    return made


def _in_srgb(image: Image.Image, found: Found) -> Image.Image:
    """RGB or RGBA, by its own colour profile where it has one."""
    profile = image.info.get("icc_profile")
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha else image
    made = _by_profile(colours, profile, found) if profile else colours.convert("RGB")
    if alpha:
        made.putalpha(alpha)
    return made


def _by_profile(colours: Image.Image, profile: bytes, found: Found) -> Image.Image:
    """(L, RGB or CMYK) -> RGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(
            colours.convert("L") if source.profile.xcolor_space.strip() == "GRAY" else colours,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        assert made
        return made
    except (ImageCms.PyCMSError, OSError, ValueError):
        found.notes.append("Its colour profile is damaged or of another kind of picture: it was passed over.")
        return colours.convert("RGB")


def _shrunk(image: Image.Image, found: Found) -> Image.Image:
    if max(image.size) <= MAX_SIDE:
        return image
    scale = MAX_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    found.notes.append(f"It was made smaller, to {MAX_SIDE} pixels on its longer side.")
    return image.resize(size, Image.Resampling.LANCZOS)  # which weighs colours by their alpha


def _upright(made: Image.Image, image: Image.Image, found: Found) -> Image.Image:
    """Turned as its EXIF says."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # what cameras write there is checked by nobody
        found.notes.append("How it is to be turned cannot be read.")
        return made
    method = _TURNS.get(orientation)
    return made.transpose(method) if method is not None else made


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By the orientation of EXIF (CIPA DC-008, 4.6.4)."""


def _without_idle_alpha(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    least, most = image.getchannel("A").getextrema()
    if most == 0:
        raise BadPicture("image: it is transparent all over.", hint="Export it with its layers visible.")
    return image.convert("RGB") if least == 255 else image


def _limit() -> None:
    """What this process may take at most, whatever the file does to it."""
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, _WRITTEN_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))


def main(source: str, target: str, max_pixels: str) -> None:
    """The program: paths of both files, and the limit in pixels."""
    _limit()
    Image.MAX_IMAGE_PIXELS = None  # the headers were walked
    try:
        answer: dict[str, Any] = {"found": asdict(normalise(Path(source), Path(target), int(max_pixels)))}
    except AvatarError as error:
        answer = {"error": error.code, "message": str(error), "hint": error.hint}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
