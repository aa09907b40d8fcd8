"""Loudness that follows the input."""

from __future__ import annotations

import numpy as np

from deployments.rvc.engines.rvc.loudness import limit_peak, mix_loudness


def rms(samples: np.ndarray) -> float:
    """Of all."""
    return float(np.sqrt((samples.astype(np.float64) ** 2).mean()))


def test_the_mix_goes_from_the_inputs_loudness_to_the_voices_own() -> None:
    """With r the level is that of the input to the power 1 - r times its own to the power r."""
    rng = np.random.default_rng(0)
    reference, samples = rng.standard_normal(32_000) * 0.05, rng.standard_normal(80_000).astype(np.float32) * 0.2
    assert mix_loudness(samples, 40_000, reference, 16_000, 1.0) is samples
    for mix, level in ((0.0, 0.05), (0.5, 0.1)):
        mixed = mix_loudness(samples, 40_000, reference, 16_000, mix)
        assert abs(rms(mixed[20_000:60_000]) / level - 1) < 0.03


def test_silence_stays_silence() -> None:
    """No division by nothing."""
    assert not mix_loudness(np.zeros(4000, np.float32), 40_000, np.zeros(1600), 16_000, 0.0).any()


def test_peaks_are_limited_and_quiet_sounds_left_alone() -> None:
    """At 0.99."""
    loud = np.array([0.5, -2.0], np.float32)
    np.testing.assert_allclose(limit_peak(loud), [0.2475, -0.99])
    quiet = np.array([0.5, -0.9], np.float32)
    assert limit_peak(quiet) is quiet
