"""How much of the networks runs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_FREE_SHARE = 0.5
"""Of the free memory that batches may take: the other half is for what PyTorch keeps, and for neighbours."""
_LIVE_TENSORS = 20
"""Largest tensors that are alive together, with the working space of convolutions: a call of 10 s on the CPU took 1 GB
where the largest tensor has 51 MB."""


def batch_frames(device: torch.device, largest_tensor: int) -> int:
    """10 ms frames that fit into the free memory together; 0 on CPUs, where a batch is no faster than its parts.

    Args:
        device: where the network runs.
        largest_tensor: bytes of the largest tensor of one frame.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free * _FREE_SHARE) // (largest_tensor * _LIVE_TENSORS)
    return 0


class Batches:
    """Runs items in groups of at most so many frames, and learns from running out of memory.

    Attributes:
        frames: of a group, padding included; halved when a group of that many did not fit, and kept so.
    """

    def __init__(self, frames: int) -> None:
        self.frames = frames

    def run(
        self, items: Sequence[Item], frames: Callable[[Item], int], call: Callable[[list[Item]], list[Result]]
    ) -> Iterator[list[tuple[Item, Result]]]:
        """Results as they come, a group at a time; between groups the caller may stop.

        Args:
            items: of any lengths.
            frames: length of an item.
            call: results for a group, in its order.

        Raises:
            torch.OutOfMemoryError: one item alone does not fit.
        """
        waiting = sorted(items, key=frames)  # like with like: less padding
        while waiting:
            group = self._take(waiting, frames)
            try:
                results = call(group)
            except torch.OutOfMemoryError:
                if len(group) == 1:
                    raise
                self.frames = len(group) * frames(group[-1]) // 2
                torch.cuda.empty_cache()
                continue
            del waiting[: len(group)]
            yield list(zip(group, results, strict=True))

    def _take(self, waiting: list[Item], frames: Callable[[Item], int]) -> list[Item]:
        """The first items that fit; at least one. They are sorted: the last is the longest."""
        fitting = (n for n in range(len(waiting), 1, -1) if n * frames(waiting[n - 1]) <= self.frames)
        return waiting[: next(fitting, 1)]
