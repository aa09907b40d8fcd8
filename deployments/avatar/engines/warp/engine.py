"""The engine: portraits in, frames out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.avatar.contract import SAMPLE_RATE, Canvas, Face, Part, Portrait
from deployments.core.types import AudioClip

from . import Options, Parameters, frame, state
from .gestures import gestures
from .muscles import MUSCLES
from .plan import Pose, plan
from .shapes import SHAPE
from .speaking import mouth
from .state import State

if TYPE_CHECKING:
    from .gpu import Gpu


class Engine:
    """Bends portraits."""

    example = AudioClip(np.zeros(SAMPLE_RATE // 5, np.float32), SAMPLE_RATE)
    """Frames do not depend on the sound."""
    frames_at_a_time = 16
    """50-100 ms of work, and 13 MB of 512x512."""

    def __init__(self, options: Options) -> None:
        """
        Raises:
            BadInput: a device that this machine does not have.
        """
        cv2.setNumThreads(options.threads)
        self._draw = frame.draw if options.device == "cpu" else _gpu(options.device).draw

    def prepare(self, portrait: Portrait, face: Face, canvas: Canvas, backdrop: Portrait | None = None) -> State:
        """See contract.Engine.

        Raises:
            NoFace: the face is too small.
        """
        return state.prepare(portrait, face, canvas, backdrop)

    def size_bytes(self, state_: State) -> int:
        """See contract.Engine."""
        return state.size_bytes(state_)

    def render(self, parts: Sequence[Part[State]]) -> list[NDArray[np.uint8]]:
        """See contract.Engine."""
        return [self._draw(part.state, [plan(part.state, pose) for pose in poses(part)]) for part in parts]


def _gpu(device: str) -> Gpu:
    """torch takes 300 MB: it is imported where it is used."""
    from .gpu import Gpu

    return Gpu(device)


def poses(part: Part[State]) -> list[Pose]:
    """What the face does in every frame of a part."""
    chosen = Parameters(**json.loads(part.parameters))
    fps = part.state.fps
    times_s = (np.array(part.frames, np.float64) + 0.5) / fps
    spoken = mouth(part.animation.visemes, times_s, 1 / fps, chosen.expressiveness)
    life = gestures(part.animation, times_s, 1 / fps, chosen.head_motion, chosen.expressiveness, chosen.blinks)
    count = len(MUSCLES) - 3
    muscles = np.column_stack((spoken[:, :count], life.brow, life.yaw, life.pitch)).astype(np.float32)
    tongue, tip = (spoken[:, SHAPE.index(name)] for name in ("tongue", "tip"))
    return [
        Pose(
            muscles[i],
            float(tongue[i]),
            float(tip[i]),
            float(life.shut[i]),
            (float(life.gaze_x[i]), float(life.gaze_y[i])),
            float(life.roll[i]),
            float(life.aside[i]),
            float(life.down[i]),
            float(life.breath[i]),
        )
        for i in range(len(muscles))
    ]
