"""In front of the cache: finished answers in this process."""

from __future__ import annotations

from collections.abc import Callable

from deployments.cache.contract import LevelStats
from deployments.cache.lru import Lru

from .results import RenderResult


class Answers:
    """Level 0: small, in each ingress replica. Media stay where the first render of an answer stored them."""

    def __init__(self, limit_bytes: int, ttl_s: float, on_recall: Callable[[bool], object] | None = None) -> None:
        """
        Args:
            limit_bytes: of all answers together.
            ttl_s: life of one in seconds.
            on_recall: told of each lookup whether it was a hit.
        """
        self._on_recall = on_recall
        self._kept: Lru[RenderResult] = Lru(limit_bytes)
        self._ttl_s = ttl_s
        self._accesses = self._hits = 0

    def recall(self, key: str) -> RenderResult | None:
        """The answer that was given before."""
        self._accesses += 1
        answer = self._kept.get(key)
        self._hits += answer is not None
        if self._on_recall:
            self._on_recall(answer is not None)
        return answer

    def keep(self, key: str, answer: RenderResult) -> None:
        """For the next who asks the same."""
        self._kept.put(key, answer, answer.size_bytes, self._ttl_s)

    def drop(self, prefix: str) -> None:
        """Forgets the answers whose keys begin so."""
        for key in [key for key in self._kept if key.startswith(prefix)]:
            self._kept.pop(key)

    def stats(self) -> LevelStats:
        """Numbers of this process."""
        return LevelStats(len(self._kept), self._kept.size_bytes, self._kept.limit_bytes, self._accesses, self._hits)
