"""What a key may take: requests a minute."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.errors import RateLimited

_ROUNDING = 1e-6
"""Who waits as long as told must not be refused for what floats lose on the way."""


@dataclass
class _Bucket:
    tokens: float
    filled_s: float


class TokenBuckets:
    """A bucket for each key: full with a minute's requests, filled evenly. One for the whole server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, name: str, per_minute: float | None) -> None:
        """Takes one.

        Raises:
            RateLimited: there is none; says when there will be.
        """
        if per_minute is None:
            return
        now_s, size = self._clock(), max(1.0, per_minute)
        bucket = self._buckets.setdefault(name, _Bucket(size, now_s))
        bucket.tokens = min(size, bucket.tokens + (now_s - bucket.filled_s) * per_minute / 60)
        bucket.filled_s = now_s
        if bucket.tokens < 1 - _ROUNDING:
            wait_s = math.ceil((1 - bucket.tokens) * 60 / per_minute)
            raise RateLimited(
                f"This key may send {per_minute:g} requests a minute.",
                hint=f"Wait {wait_s} s, or ask the operator for more.",
                retry_after_s=wait_s,
            )
        bucket.tokens -= 1
