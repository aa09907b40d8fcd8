"""How far arrays are from references."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deployments.core.parity import compare

WANTED = np.array([[1.0, -1.0, 1.0, -1.0]])


def test_figures() -> None:
    row = compare("case", "out", WANTED + 0.1, WANTED, most_worst=0.11, least_snr_db=19.9)
    assert row.snr_db == pytest.approx(20) and row.worst == pytest.approx(0.1) and row.good


@pytest.mark.parametrize(("most", "least"), [(0.09, 0.0), (1.0, 20.1)], ids=["worst", "SNR"])
def test_beyond_either_tolerance(most: float, least: float) -> None:
    assert not compare("case", "out", WANTED + 0.1, WANTED, most, least).good


def test_equal_arrays() -> None:
    """Axes of length 1 do not count."""
    row = compare("case", "out", WANTED[0], WANTED, 0)
    assert row.snr_db == math.inf and row.worst == 0 and row.good


@pytest.mark.parametrize("found", [WANTED[0, :3], np.full(4, np.nan)], ids=["shape", "nan"])
def test_what_cannot_be_compared(found: np.ndarray) -> None:
    assert not compare("case", "out", found, WANTED).good
