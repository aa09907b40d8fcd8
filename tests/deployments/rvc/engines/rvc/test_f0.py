"""Pitch: its place in time, its bins, its gaps."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.rvc.engines.rvc import f0 as module
from deployments.rvc.engines.rvc.f0 import SwiftF0, coarse, fill_unvoiced, harvest, median, resample_f0
from deployments.rvc.engines.rvc.signals import HOP, SAMPLE_RATE


def glide(seconds: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """A buzz from 100 to 300 Hz with a pause in the middle, and its pitch at 0, 10, 20 ms..."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hertz = 100 * 3 ** (times / seconds)
    cycles = np.cumsum(hertz) / SAMPLE_RATE
    sound = sum(np.sin(2 * np.pi * cycles * k) / k for k in range(1, 10)) * 0.2
    pause = (times > 0.9) & (times < 1.2)
    return np.where(pause, 0, sound), np.where(pause, 0, hertz)[::HOP]


@pytest.mark.parametrize("estimate", [SwiftF0(), harvest], ids=["swift-f0", "harvest"])
def test_it_follows_a_glide_in_its_own_time(estimate: module.Estimator) -> None:
    """Within half a percent in the median; a frame late would be 0.55 % off, so the sign of the error counts."""
    sound, truth = glide()
    found = estimate(sound)
    assert found.shape == truth.shape
    both = (found > 0) & (truth > 0)
    assert both.sum() > 0.9 * (truth > 0).sum()
    assert abs(np.median(np.log2(found[both] / truth[both]))) < np.log2(1.003)
    assert not found[95:115].any()


def test_between_voiced_frames_the_scale_is_logarithmic() -> None:
    """And beside an unvoiced one the nearest counts."""
    values = resample_f0(np.array([100.0, 400, 50]), np.array([True, True, False]), np.array([0, 0.5, 1.2, 1.8, 9]))
    np.testing.assert_allclose(values, [100, 200, 400, 0, 0])


def test_coarse_pitch_has_the_bins_of_the_training() -> None:
    """1 at 50 Hz and where unvoiced, 255 at 1100 Hz and above."""
    assert coarse(np.array([0.0, 10, 50, 1100, 2000])).tolist() == [1, 1, 1, 255, 255]
    assert coarse(np.array([220.0])).tolist() == [60]  # 1 + 254 (307.5 - 77.8) / (1064.4 - 77.8) = 60.1


def test_unvoiced_frames_can_be_drawn_through() -> None:
    """The rule of 2026; nothing comes of nothing."""
    np.testing.assert_allclose(fill_unvoiced(np.array([0.0, 100, 0, 0, 160, 0])), [100, 100, 120, 140, 160, 160])
    assert not fill_unvoiced(np.zeros(4)).any()


def test_outliers_are_filtered() -> None:
    """A median of three."""
    np.testing.assert_allclose(
        median(np.array([100.0, 101, 400, 102, 103])), [100, 101, 102, 103, 102]
    )  # zeros outside
