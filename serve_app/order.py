"""How a request is to be treated, besides what it asks for."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.core.types import Priority

CLASSES: dict[Priority, int] = {"high": 2, "normal": 1, "low": 0}
"""Priority -> rank."""


@dataclass(frozen=True)
class Order:
    """Whose request it is, and how urgent."""

    owner: str = ""
    """Name of its API key."""
    sees_all: bool = True
    """It is an admin's: jobs of others are no secret."""
    highest: Priority = "high"
    """Class that its jobs may have at most."""
    priority: Priority | None = None
    """Class that it asks for."""
    requests_per_minute: float | None = None
    concurrent_jobs: int | None = None
    idempotency_key: str | None = None
    callback_url: str | None = None
    request_id: str = ""
    """For the log."""

    @property
    def visible(self) -> str | None:
        """Whose jobs it may see; None for all."""
        return None if self.sees_all else self.owner
