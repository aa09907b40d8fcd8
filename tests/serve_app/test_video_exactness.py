"""Is the mouth right in the finished file? Faces are found again in its decoded frames."""

from __future__ import annotations

import asyncio
import functools
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from deployments.avatar.contract import Portrait
from deployments.avatar.faces.finder import FaceFinder
from deployments.avatar.landmarks import LIPS_INNER_LOWER, LIPS_INNER_UPPER, MOUTH_CORNERS
from deployments.cache.memo import Memo
from deployments.core import engines
from deployments.core.types import RenderRequest, Take
from deployments.core.video import Filming, Video
from deployments.core.visemes import CLOSURE, VISEMES
from deployments.media.recording import Recording
from serve_app.filming import produce
from serve_app.inprocess import in_process
from serve_app.settings import Settings
from tests.portraits import astronaut, coded
from tests.serve_app.test_limits import changed

TEXT = "Hello! Peter Piper picked a peck of pickled peppers, and five blue moons shone over the vineyards in May."
FPS = 25
SHIFT = round(0.3 * FPS)
"""Frames: of the 300 ms that must not go unnoticed."""
JAW = np.array([viseme.arkit.get("jawOpen", 0.0) for viseme in VISEMES])


@dataclass(frozen=True, eq=False)
class Shown:
    """A finished video and what was to be seen in it."""

    take: Take
    frames: np.ndarray[Any, Any]
    """(N, H, W, 3) uint8, decoded."""
    gaps: np.ndarray[Any, Any]
    """(N,) between the lips, in widths of the mouth."""
    box: tuple[float, float, float, float]
    """Of the face."""


@pytest.fixture(scope="module")
def shown(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The astronaut says TEXT."""
    own = changed(settings, "storage", data_dir=tmp_path_factory.mktemp("data"))
    picture = Path(tmp_path_factory.mktemp("sent")) / "me.png"
    picture.write_bytes(coded(astronaut(), ".png"))
    name = "0" * 32 + ".png"
    own.uploads.save(name, picture, {"width": 512})
    take, video = asyncio.run(_film(own, name))
    with av.open(io.BytesIO(video.mp4), "r") as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    finder = FaceFinder()
    faces = [finder.look(Portrait(_opaque(pixels)))[0] for pixels in frames]
    return Shown(take, frames, np.array([_gap(face.landmarks) for face in faces]), faces[0].box)


async def _film(settings: Settings, image: str) -> tuple[Take, Video]:
    asked = Filming(image, "warp", engines.parameters("avatar", "warp", {}), fps=FPS, quality="high")
    request = settings.cast.choose(RenderRequest(TEXT, "", video=asked))
    recording = Recording(settings.voice.media, request.timing)
    take, video = await produce(in_process(settings, request), request, "en", recording, Memo([], "bypass"), 60)
    assert video is not None
    return take, video


def _opaque(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def _gap(points: np.ndarray[Any, Any]) -> float:
    middle = len(LIPS_INNER_UPPER) // 2
    upper, lower = points[LIPS_INNER_UPPER[middle], :2], points[LIPS_INNER_LOWER[middle], :2]
    left, right = (points[corner, :2] for corner in MOUTH_CORNERS)
    return float(np.linalg.norm(upper - lower) / np.linalg.norm(right - left))


def _asked(take: Take, frames: int) -> np.ndarray[Any, Any]:
    """(N,) how far the jaw is to be open in each frame; over three of them, for no jaw jumps."""
    track = take.animation.visemes
    at = np.searchsorted(track.starts_s, (np.arange(frames) + 0.5) / FPS, side="right") - 1
    return np.convolve(JAW[track.visemes[at]] * track.weights[at], [0.25, 0.5, 0.25], "same")


def _likeness(gaps: np.ndarray[Any, Any], asked: np.ndarray[Any, Any], lag: int) -> float:
    """Correlation with what was asked for `lag` frames before."""
    count = len(gaps) - abs(lag)
    late, early = max(0, lag), max(0, -lag)
    return float(np.corrcoef(gaps[late : late + count], asked[early : early + count])[0, 1])


def test_the_mouth_opens_as_the_animation_says(shown: Shown) -> None:
    likeness = functools.partial(_likeness, shown.gaps, _asked(shown.take, len(shown.gaps)))
    best = max(range(-5, 6), key=likeness)
    assert likeness(best) >= 0.8 and abs(best) <= 1


def test_another_sound_is_noticed(shown: Shown) -> None:
    likeness = functools.partial(_likeness, shown.gaps, _asked(shown.take, len(shown.gaps)))
    assert likeness(SHIFT) < likeness(0) - 0.3 and likeness(-SHIFT) < likeness(0) - 0.3


def test_every_p_b_m_closes_the_lips(shown: Shown) -> None:
    track = shown.take.animation.visemes
    times = (np.arange(len(shown.gaps)) + 0.5) / FPS
    closures = np.flatnonzero(track.visemes == CLOSURE)
    assert len(closures) >= 9
    for index in closures:
        during = (times > track.starts_s[index] - 0.5 / FPS) & (times < track.ends_s[index] + 0.5 / FPS)
        assert shown.gaps[during].min() < 0.02, f"at {track.starts_s[index]:.2f} s"


def test_it_opens_at_all_and_rests_at_the_end(shown: Shown) -> None:
    assert shown.gaps.max() > 0.2 and shown.gaps[-1] < 0.02


def test_what_is_behind_does_not_move(shown: Shown) -> None:
    """The corners over the shoulders, where no hair is; less than two grey levels, the codec's own noise included."""
    left, _, right, bottom = shown.box
    width = right - left
    height, across = shown.frames.shape[1:3]
    edges = int(max(8, left - 0.9 * width)), int(min(across - 8, right + 0.9 * width))
    for corner in (shown.frames[:, : int(bottom), : edges[0]], shown.frames[:, : int(bottom), edges[1] :]):
        assert corner.size and height
        moved = np.abs(corner.astype(np.int16) - corner[0]).mean(axis=(1, 2, 3))
        assert moved.max() < 2
