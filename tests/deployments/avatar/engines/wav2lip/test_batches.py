"""How much is computed at once."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Barrier

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deployments.avatar.engines.wav2lip.batches import Batches


class Device:
    """Doubles numbers, and has room for so many."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sizes: list[int] = []

    def __call__(self, items: Sequence[int]) -> Tensor:
        self.sizes.append(len(items))
        if len(items) > self.room:
            raise torch.OutOfMemoryError("no room")
        return torch.tensor(items) * 2


@given(st.lists(st.integers(0, 99), max_size=30), st.integers(1, 16), st.integers(1, 20), st.sampled_from([None, 1, 3]))
def test_every_item_once_in_order_in_groups_of_one_size(
    items: list[int], size: int, room: int, threads: int | None
) -> None:
    device, batches = Device(room), Batches(size, threads)
    found = list(batches.run(items, device))
    assert [(item, int(result)) for item, result in found] == [(item, 2 * item) for item in items]
    if items:
        assert batches.size == device.sizes[-1] <= max(room, 1)
        assert sorted(set(device.sizes), reverse=True) == list(dict.fromkeys(device.sizes))


def test_what_did_not_fit_is_not_tried_again() -> None:
    device, batches = Device(room=3), Batches(16)
    list(batches.run(range(5), device))
    device.sizes.clear()
    list(batches.run(range(5), device))
    assert device.sizes == [2, 2, 2] and batches.size == 2


def test_each_thread_of_a_cpu_works_alone() -> None:
    """Two at a time, each with one thread of PyTorch's; the caller's own are as they were."""
    before, together = torch.get_num_threads(), Barrier(2, timeout=60)

    def work(_: Sequence[int]) -> Tensor:
        together.wait()
        return torch.tensor([torch.get_num_threads()])

    assert [int(threads) for _, threads in Batches(1, 2).run([1, 2], work)] == [1, 1]
    assert torch.get_num_threads() == before


def test_not_even_one_fits() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        list(Batches(4).run([1, 2], Device(room=0)))
