"""What an upload is told of the faces in it, by the program itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from deployments.avatar.looking import look
from deployments.media import child
from tests.portraits import astronaut, coded, meadow


def _kept(folder: Path, pixels: np.ndarray) -> Path:
    path = folder / "kept.png"
    path.write_bytes(coded(pixels, ".png"))
    return path


async def test_somebody(tmp_path: Path) -> None:
    said = json.loads(await child.run("deployments.avatar.looking", str(_kept(tmp_path, astronaut()))))
    (face,) = said["faces"]
    assert said["face"] == face and said["problem"] is None and face["problem"] is None
    assert len(face["landmarks"]) == 478 and face["method"] == "model"


def test_nobody(tmp_path: Path) -> None:
    said = look(_kept(tmp_path, meadow()))
    assert said["faces"] == [] and said["face"] is None and "no face" in said["problem"] and "box" in said["problem"]


def test_somebody_too_small(tmp_path: Path) -> None:
    said = look(_kept(tmp_path, np.ascontiguousarray(astronaut()[::3, ::3])))
    assert len(said["faces"]) == 1 and said["face"] is None and "pixels" in said["problem"]


def test_a_crowd_fits_into_the_answer(tmp_path: Path) -> None:
    """Of more faces than are described."""
    crowd = np.tile(astronaut()[20:280, 120:340], (3, 4, 1))
    said = look(_kept(tmp_path, crowd))
    assert 2 <= len(said["faces"]) <= 8 and len(json.dumps(said)) < child._MAX_ANSWER_BYTES / 2
