"""The garbage collector in processes that answer while others wait."""

from __future__ import annotations

import gc


def freeze() -> None:
    """Leaves all that exists now out of later collections.

    For the end of a start: modules, routes and schemas are some hundred thousand objects that stay for ever, and each
    full collection would walk through them, 50 ms during which nobody is answered (gc.freeze, Python's library).
    """
    gc.collect()
    gc.freeze()
