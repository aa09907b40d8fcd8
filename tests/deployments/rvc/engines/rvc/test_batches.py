"""Groups that fit into memory."""

from __future__ import annotations

import torch

from deployments.rvc.engines.rvc.batches import Batches, batch_frames


class Memory:
    """A call that runs out of memory beyond so many frames, as a GPU does."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self.calls: list[list[int]] = []

    def __call__(self, group: list[int]) -> list[str]:
        self.calls.append(group)
        if len(group) * max(group) > self._frames:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [f"sound of {frames}" for frames in group]


def run(batches: Batches, items: list[int], call: Memory) -> dict[int, str]:
    """Results by item."""
    return dict(pair for group in batches.run(items, lambda frames: frames, call) for pair in group)


def test_a_group_that_does_not_fit_is_halved_and_the_figure_kept() -> None:
    """Nothing is lost, and the next call does not run into it again."""
    batches, memory, items = Batches(10_000), Memory(1500), [100, 400, 200, 300, 500, 310]
    assert run(batches, items, memory) == {frames: f"sound of {frames}" for frames in items}
    assert batches.frames <= 1500
    again = Memory(1500)
    run(batches, items, again)
    assert all(len(group) * max(group) <= 1500 for group in again.calls)
    assert len(memory.calls) > len(again.calls) > 1


def test_what_does_not_fit_alone_is_an_error() -> None:
    """Once: not forever smaller groups of one."""
    memory = Memory(50)
    try:
        run(Batches(1000), [100], memory)
    except torch.OutOfMemoryError:
        assert memory.calls == [[100]]
    else:
        raise AssertionError("it was converted")


def test_groups_hold_as_much_as_fits_and_like_with_like() -> None:
    """Padding to the longest counts."""
    memory = Memory(10**9)
    run(Batches(600), [500, 100, 90, 110, 300, 290], memory)
    assert memory.calls == [[90, 100, 110], [290, 300], [500]]


def test_without_a_limit_items_go_one_by_one() -> None:
    """On CPUs."""
    memory = Memory(10**9)
    run(Batches(batch_frames(torch.device("cpu"), 1000)), [3, 2], memory)
    assert memory.calls == [[2], [3]]
