"""How much of the network runs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

CPU_BATCH = 8
"""Frames of a group: 26 in a second of CPU time in bfloat16, as with 16; 24 with 32, 20 with 1."""
GPU_BATCH = 64
"""Half of upstream's: a second of video or two, soon enough to be cancelled between."""


class Batches:
    """Runs items in groups of one size, and learns from running out of memory.

    A short group is filled up with its last item: another number of frames is other kernels, which round another way,
    and a new shape costs a CPU its preparation once more. So a frame does not depend on what it is rendered with.

    On a CPU each thread has groups of its own. PyTorch's own way, all threads on each layer of one group, is as fast on
    an idle machine; on a busy one they wait for each other at every layer: at a load of 3.5 on two cores, two threads
    needed 1.2 s for what one did in 0.31 s.

    Attributes:
        size: of a group; halved when it did not fit, and kept so.
        threads: how many groups run at the same time.
    """

    def __init__(self, size: int, threads: int | None = None) -> None:
        """
        Args:
            size: frames.
            threads: of a CPU; None for a GPU, which is called from the caller's own thread.
        """
        self.size, self.threads = size, threads or 1
        self._pool = threads and ThreadPoolExecutor(threads, "wav2lip", initializer=_alone)

    def call(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The function of each item, on the threads that all work is done on; in order."""
        return list(self._pool.map(function, items) if self._pool else map(function, items))

    def run(
        self, items: Sequence[Item], call: Callable[[Sequence[Item]], torch.Tensor]
    ) -> Iterator[tuple[Item, torch.Tensor]]:
        """Results as they come, in order; between groups the caller may stop.

        Args:
            items: any number.
            call: (size, ...) results of a group of `size`.

        Raises:
            torch.OutOfMemoryError: one item alone does not fit.
        """
        done = 0
        while done < len(items):
            taken = items[done : done + self.size * self.threads]
            groups = [taken[first : first + self.size] for first in range(0, len(taken), self.size)]
            try:
                results = self.call(call, [[*group, *[group[-1]] * (self.size - len(group))] for group in groups])
            except torch.OutOfMemoryError:
                if self.size == 1:
                    raise
                self.size //= 2
                torch.cuda.empty_cache()
                continue
            done += len(taken)
            for group, found in zip(groups, results, strict=True):
                yield from zip(group, found, strict=False)  # what filled it up is left out


def _alone() -> None:
    torch.set_num_threads(1)  # of the thread that says so, and of threads to come
