"""Scores of the phoneme engine on the reference sentences beside the repository."""

from __future__ import annotations

from deployments.core.types import Timing
from tests.deployments.lipsync.scoring import DATA, score

FIGURES = ("strict", "speech", "compat", "closures", "closures_tight", "FF", "best_lag_ms", "strict_at_best_lag")


def run() -> None:
    """Limit: strict 0.95 with exact timing."""
    if not DATA.exists():
        print(f"   {DATA} is not there: nothing to score")
        return
    timings: tuple[Timing, ...] = ("exact", "natural")
    for timing in timings:
        scores = score(timing)
        print(f"   {timing:8}" + ", ".join(f"{name} {scores[name]:g}" for name in FIGURES))
