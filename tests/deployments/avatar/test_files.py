"""Portraits are what the kept PNGs show."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deployments.avatar.files import read
from deployments.core.errors import BadPicture

GREY = np.array([[0, 60], [120, 255]], np.uint8)
RGB = np.array([[[255, 0, 10], [0, 200, 30]]], np.uint8)
RGBA = np.array([[[255, 0, 10, 0], [0, 200, 30, 128]]], np.uint8)


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (GREY, np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])),
        (RGB[..., ::-1], np.dstack([RGB, np.full((1, 2), 255, np.uint8)])),
        (RGBA[..., [2, 1, 0, 3]], RGBA),  # colours stay where nothing of them is seen
    ],
    ids=["grey", "rgb", "rgba"],
)
def test_a_png_is_a_portrait(tmp_path: Path, kept: np.ndarray, shown: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "kept.png"), kept)
    pixels = read(tmp_path / "kept.png").pixels
    assert np.array_equal(pixels, shown) and not pixels.flags.writeable


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"hello"], ids=["empty", "cut", "text"])
def test_what_is_no_png_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kept.png").write_bytes(content)
    with pytest.raises(BadPicture, match="image: "):
        read(tmp_path / "kept.png")


def test_16_bits_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "kept.png"), np.zeros((2, 2, 3), np.uint16))
    with pytest.raises(BadPicture, match="cannot be read"):
        read(tmp_path / "kept.png")
