"""Picture files of every kind that users send, made by Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

KINDS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
"""Kind -> Pillow's name of the format."""
_EXACT: dict[str, dict[str, Any]] = {
    "png": {},
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"lossless": True},
}


def scene(width: int = 48, height: int = 32) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB: a soft picture that is different from each side; red in the upper left corner."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height, 2)
    return np.dstack([220 - 180 * x, 40 + 150 * y, 60 + 90 * x]).round().astype(np.uint8)


def picture(kind: str, pixels: NDArray[np.uint8] | Image.Image, **options: Any) -> bytes:
    """A file of a kind, as exact as that kind can be.

    Args:
        kind: of KINDS.
        pixels: (H, W), (H, W, 3) or (H, W, 4) uint8, or an image of any mode.
        options: of Pillow's `save`.
    """
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    target = io.BytesIO()
    image.save(target, KINDS[kind], **{**_EXACT[kind], **options})
    return target.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks, (name, content), with right checksums."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is so large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png((b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))


def swapped_profile() -> bytes:
    """An ICC profile (ICC.1:2010) that calls blue what sRGB calls red: sRGB with two of its columns exchanged."""
    from PIL import ImageCms

    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", made, 128)
    for index in range(count):
        at = 132 + 12 * index
        name = bytes(made[at : at + 4])
        made[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    return bytes(made)
