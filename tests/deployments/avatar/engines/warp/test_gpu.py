"""The way by torch draws what the way by OpenCV draws. Here on the CPU; torch does the same on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deployments.avatar.contract import Canvas, Part, Portrait
from deployments.avatar.engines.warp import Options, frame
from deployments.avatar.engines.warp.engine import Engine, poses
from deployments.avatar.engines.warp.gpu import Gpu
from deployments.avatar.engines.warp.plan import plan
from deployments.core.errors import BadInput
from deployments.core.types import EyeEvent
from tests.deployments.avatar.portraits import NAMES, portrait, said

SPEECH = said([("AA", 0.1, 1), ("PP", 0.06, 1), ("O", 0.1, 1), ("S", 0.1, 1)], [EyeEvent("blink", 0.2, 0.12)])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("behind", [False, True])
def test_both_ways_draw_the_same(name: str, behind: bool) -> None:
    ramp = np.zeros((64, 64, 4), np.uint8)
    ramp[..., 0] = np.arange(0, 256, 4)
    ramp[..., 3] = 255
    engine = Engine(Options())
    state = engine.prepare(*portrait(name), Canvas(256, 256), Portrait(ramp) if behind else None)
    plans = [plan(state, pose) for pose in poses(Part(state, engine.example, SPEECH, range(9)))]
    one, other = frame.draw(state, plans).astype(int), Gpu("cpu").draw(state, plans).astype(int)
    difference = np.abs(one - other)
    assert one.shape == other.shape == (9, 256, 256, 3)
    assert difference.mean() < 0.2 and np.quantile(difference, 0.999) <= 2
    assert difference.max() <= 8  # 1/64 of a pixel on the sharpest edges
    assert Gpu("cpu").draw(state, []).shape == (0, 256, 256, 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match=r"^device: this machine has no cuda"):
        Engine(Options(device="cuda"))
