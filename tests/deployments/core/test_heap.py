"""What exists at the end of a start is left out of collections; what comes after it is not."""

from __future__ import annotations

import gc
import weakref

from deployments.core import heap


class Node:
    """Holds itself: only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_that_comes_after_it_is_still_collected() -> None:
    kept = Node()
    try:
        heap.freeze()
        assert gc.get_freeze_count() > 1000
        assert not any(each is kept for each in gc.get_objects())
        made = weakref.ref(Node())
        gc.collect()
        assert made() is None
    finally:
        gc.unfreeze()
    assert any(each is kept for each in gc.get_objects())
