"""Portraits whose landmarks are known, and timelines, for tests of avatar engines.

astronaut: a photograph by NASA (public domain, of scikit-image): smiles, with her mouth open. ada, leo: drawn, they
come with the product. Landmarks are those of MediaPipe's attention mesh.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

import deployments.avatar
from deployments.avatar.contract import SAMPLE_RATE, Face, Portrait
from deployments.core.types import Animation, AudioClip, EyeEvent, EyeTrack, VisemeTrack
from deployments.core.visemes import INDEX
from tests.portraits import astronaut

NAMES = ("astronaut", "ada", "leo")
OPAQUE = ("astronaut",)
_BUILT_IN = Path(deployments.avatar.__file__).parent / "portraits"
_LANDMARKS = Path(__file__).parent / "landmarks.npz"


def portrait(name: str) -> tuple[Portrait, Face]:
    """One of NAMES, and the face in it."""
    if name in OPAQUE:
        rgb = astronaut()
        pixels = np.dstack((rgb, np.full(rgb.shape[:2], 255, np.uint8)))
    else:
        found = cv2.imread(str(_BUILT_IN / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert found is not None
        pixels = np.asarray(cv2.cvtColor(found, cv2.COLOR_BGRA2RGBA), np.uint8)
    with np.load(_LANDMARKS) as landmarks:
        points = landmarks[name]
    (left, top), (right, bottom) = points[:, :2].min(0), points[:, :2].max(0)
    return Portrait(pixels), Face(points, (float(left), float(top), float(right), float(bottom)), 1.0, "given")


def said(shapes: Sequence[tuple[str, float, float]], eyes: Sequence[EyeEvent] = ()) -> Animation:
    """A timeline of (viseme, seconds, weight)."""
    lengths = np.array([seconds for _, seconds, _ in shapes], np.float64)
    track = VisemeTrack(
        np.concatenate(([0.0], np.cumsum(lengths)[:-1])) if shapes else np.zeros(0),
        np.array([INDEX[name] for name, _, _ in shapes], np.uint8),
        np.array([weight for _, _, weight in shapes], np.float32),
        float(lengths.sum()),
    )
    return Animation(AudioClip(np.zeros(0, np.float32), SAMPLE_RATE), track, EyeTrack(tuple(eyes)), ())
