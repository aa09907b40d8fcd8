"""What the warp engine makes of three portraits, sound by sound: python -m tests.bench.contact_sheet OUT.jpg.

For looking at: a row for each portrait, a column for each shape of the mouth, a blink and a glance.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.avatar.contract import Canvas, Part
from deployments.avatar.engines.warp import Options
from deployments.avatar.engines.warp.engine import Engine
from deployments.core.types import Animation, EyeEvent
from tests.deployments.avatar.portraits import NAMES, portrait, said

SHOWN = {
    "rest": "sil",
    "p b m": "PP",
    "f v": "FF",
    "th": "TH",
    "l": "L",
    "s": "S",
    "sh ch": "CH",
    "ee": "I",
    "e": "E",
    "ah": "AA",
    "oh": "O",
    "oo": "U",
}
"""Heading -> viseme of a column."""
EYES = {"blink": EyeEvent("blink", 0.42, 0.16), "glance": EyeEvent("saccade", 0.3, 0.5, "right")}
SIDE = 176
"""Pixels of a picture."""
_SECOND = 0.49


def _columns() -> dict[str, Animation]:
    shapes = {heading: said([(viseme, 1, 1)]) for heading, viseme in SHOWN.items()}
    return shapes | {heading: said([("sil", 1, 1)], [event]) for heading, event in EYES.items()}


def _row(name: str) -> NDArray[np.uint8]:
    """All columns of one portrait, side by side."""
    engine = Engine(Options())
    state = engine.prepare(*portrait(name), Canvas(background=(233, 238, 244)))
    frame = int(_SECOND * state.fps)
    still = json.dumps({"head_motion": 0})
    parts = [Part(state, engine.example, each, range(frame, frame + 1), still) for each in _columns().values()]
    x, y = state.anatomy.centre
    half = round(1.55 * state.anatomy.eyes)
    left, top = round(float(x)) - half, max(round(float(y) - 1.3 * half), 0)
    cut = [frames[0][top : top + 2 * half, left : left + 2 * half] for frames in engine.render(parts)]
    small = [cv2.resize(each, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for each in cut]
    return np.asarray(np.hstack(small), np.uint8)


def _headings(names: list[str]) -> NDArray[np.uint8]:
    strip = np.full((24, SIDE * len(names), 3), 255, np.uint8)
    for i, name in enumerate(names):
        (width, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.55, 1)
        where = (i * SIDE + (SIDE - width) // 2, 17)
        cv2.putText(strip, name, where, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (40, 40, 40), 1, cv2.LINE_AA)
    return strip


def sheet() -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB: the columns in two blocks, one below the other."""
    names = list(_columns())
    half = len(names) // 2
    strip = np.vstack((_headings(names), *(_row(name) for name in NAMES)))
    return np.vstack((strip[:, : half * SIDE], strip[:, half * SIDE :]))


if __name__ == "__main__":
    picture = cv2.cvtColor(sheet(), cv2.COLOR_RGB2BGR)
    Path(sys.argv[1]).write_bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())
