"""Frames in batches on a GPU: what frame.py does, by torch.

The maps are the same. grid_sample weighs pixels exactly, OpenCV in steps of 1/32 of a pixel: frames differ by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from deployments.core.errors import BadInput

from .plan import Plan
from .state import State


class Gpu:
    """Draws on a device of torch."""

    def __init__(self, device: str) -> None:
        """
        Raises:
            BadInput: this machine has no such device.
        """
        if device == "cuda" and not torch.cuda.is_available():
            raise BadInput(f"device: this machine has no {device}.", hint="device: cpu runs everywhere.")
        self._device = torch.device(device)

    @torch.inference_mode()
    def draw(self, state: State, plans: Sequence[Plan]) -> NDArray[np.uint8]:
        """(N, H, W, 3) uint8 RGB: a frame for each plan."""
        frames = self._put(np.broadcast_to(state.still, (len(plans), *state.still.shape)).copy())
        if not plans:
            return np.asarray(frames.cpu().numpy(), np.uint8)
        pictures = self._put(np.stack([plan.picture for plan in plans])).permute(0, 3, 1, 2).float()
        coarse = self._put(np.stack([plan.maps for plan in plans])).permute(0, 3, 1, 2)
        fine = functional.interpolate(coarse, scale_factor=state.body.grid.cell, mode="bilinear")
        seen = _look_up(pictures, fine.permute(0, 2, 3, 1)[:, *state.layout.body_area])
        lips = _look_up(pictures, self._put(np.stack([plan.mouth for plan in plans])))
        empty = np.zeros((*plans[0].mouth.shape[:2], 4), np.uint8)
        inside = self._put(np.stack([empty if plan.inside is None else plan.inside for plan in plans])).float()
        lips[..., :3] = inside[..., :3] + lips[..., :3] * (1 - inside[..., 3:] / 255)
        seen[:, *state.layout.mouth_area] = lips
        if seen.shape[-1] == 4:
            seen = seen[..., :3] + self._put(state.background[state.layout.area]) * (1 - seen[..., 3:] / 255)
        frames[:, *state.layout.area] = seen.round().clamp(0, 255).to(torch.uint8)
        return np.asarray(frames.cpu().numpy(), np.uint8)

    def _put(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.array(array)).to(self._device)


def _look_up(pictures: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """(N, h, w, C) float32.

    Args:
        pictures: (N, C, H, W) float32.
        places: (N, h, w, 2) float32, pixels.
    """
    size = torch.tensor((pictures.shape[3], pictures.shape[2]), device=places.device)
    shares = (places + 0.5) * 2 / size - 1
    found = functional.grid_sample(pictures, shares, mode="bilinear", padding_mode="border", align_corners=False)
    return found.permute(0, 2, 3, 1)
