"""Models in memory: bounded by their bytes, the one that was not used for longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

ModelT = TypeVar("ModelT")


class Loaded(Generic[ModelT]):
    """For one thread."""

    def __init__(self, limit_bytes: int) -> None:
        """
        Args:
            limit_bytes: of all models together; one that is larger than that is kept alone.
        """
        self._limit_bytes = limit_bytes
        self._models: OrderedDict[str, tuple[ModelT, int]] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """Of all that is in memory."""
        return sum(size for _, size in self._models.values())

    def __len__(self) -> int:
        return len(self._models)

    def clear(self) -> None:
        """Nothing is in memory any more."""
        self._models.clear()

    def get(self, name: str, load: Callable[[], tuple[ModelT, int]]) -> ModelT:
        """A model, loaded unless it is there.

        Args:
            name: of the model and its weights.
            load: gives the model and its size in bytes. What it raises is raised.
        """
        if name not in self._models:
            self._models[name] = load()
            while len(self._models) > 1 and self.size_bytes > self._limit_bytes:
                self._models.popitem(last=False)
        self._models.move_to_end(name)
        return self._models[name][0]
