"""Frames on the CPU: one remap for all that moves, a small one for the mouth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .framing import over
from .plan import Plan
from .sampling import sample
from .state import State


def draw(state: State, plans: Sequence[Plan]) -> NDArray[np.uint8]:
    """(N, H, W, 3) uint8 RGB: a frame for each plan."""
    frames = np.empty((len(plans), *state.still.shape), np.uint8)
    frames[:] = state.still
    for frame, plan in zip(frames, plans, strict=True):
        seen = sample(plan.picture, state.body.grid.fine(plan.maps)[state.layout.body_area])
        seen[state.layout.mouth_area] = _mouth(plan)
        behind = state.background[state.layout.area]
        frame[state.layout.area] = seen if seen.shape[2] == 3 else over(seen, np.ascontiguousarray(behind))
    return frames


def _mouth(plan: Plan) -> NDArray[np.uint8]:
    """The lips, and what is seen between them."""
    lips = sample(plan.picture, plan.mouth)
    if plan.inside is not None:
        lips[..., :3] = over(plan.inside, np.ascontiguousarray(lips[..., :3]))
    return lips
