"""How far an engine's arrays are from references."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Row:
    """One array of one case."""

    case: str
    array: str
    snr_db: float
    """Of the reference without its mean, to the difference; infinite when equal."""
    worst: float
    """Largest absolute difference, in the array's unit; infinite where shapes differ."""
    least_snr_db: float
    most_worst: float

    @property
    def good(self) -> bool:
        """Whether it is within tolerance; what cannot be compared is not, whatever the tolerance."""
        return math.isfinite(self.worst) and self.snr_db >= self.least_snr_db and self.worst <= self.most_worst


def compare(
    case: str,
    array: str,
    found: ArrayLike,
    reference: ArrayLike,
    most_worst: float = math.inf,
    least_snr_db: float = -math.inf,
) -> Row:
    """
    Args:
        case: of the references.
        array: its name there.
        found: any shape; axes of length 1 do not count.
        reference: the same shape.
        most_worst: tolerance of the largest difference, in the array's unit.
        least_snr_db: tolerance of the SNR.
    """
    out, wanted = (np.asarray(values, dtype=np.float64).squeeze() for values in (found, reference))
    if out.shape != wanted.shape or not np.isfinite(out).all():
        return Row(case, array, -math.inf, math.inf, least_snr_db, most_worst)
    noise, signal = float(((out - wanted) ** 2).sum()), float(((wanted - wanted.mean()) ** 2).sum())
    snr = 10 * math.log10(signal / noise) if noise and signal else math.inf
    return Row(case, array, snr, float(np.abs(out - wanted).max(initial=0)), least_snr_db, most_worst)
