"""Padding and cutting."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.core.types import AudioClip
from deployments.rvc.engines.rvc.signals import Framing, cut_points, high_pass, pad, spans, to_model_rate
from tests.deployments.rvc.models import speech


def test_the_high_pass_moves_nothing_and_takes_what_is_low() -> None:
    """40 dB at 20 Hz, nothing at 200 Hz."""
    times = np.arange(16_000) / 16_000
    low, tone = np.sin(2 * np.pi * 20 * times), np.sin(2 * np.pi * 200 * times)
    middle = slice(4000, 12_000)
    np.testing.assert_allclose(high_pass(tone)[middle], tone[middle], atol=0.01)
    assert np.abs(high_pass(low)[middle]).max() < 0.01


@pytest.mark.parametrize("length", [1, 2, 17, 18, 19, 100])
def test_the_shortest_sounds_can_be_filtered_and_padded(length: int) -> None:
    """Mirrored again and again."""
    padded = pad(high_pass(np.ones(length)), Framing(pad_s=0.5))
    assert len(padded) == length + 16_000 and np.isfinite(padded).all()


def test_a_long_sound_is_cut_where_it_is_quiet() -> None:
    """Near every center, within query; pieces overlap by the padding and own every frame once."""
    framing = Framing(pad_s=0.5, query_s=1, center_s=3, max_s=4)
    sound = speech(10).astype(np.float64)
    sound[50_000:50_400] = 0
    cuts = cut_points(sound, framing)
    assert [abs(cut - around) <= 16_000 for cut, around in zip(cuts, (48_000, 96_000, 144_000), strict=True)]
    assert 50_080 <= cuts[0] < 50_400
    pieces = spans(len(pad(sound, framing)), cuts, framing)
    owned = [piece.kept for piece in pieces if piece.kept is not None]
    assert [piece.start for piece in pieces] == [0, *(160 * sum(owned[: n + 1]) for n in range(3))]
    assert pieces[-1].kept is None and pieces[-1].stop == len(sound) + 16_000
    assert cut_points(sound[: 4 * 16_000 - 160], framing) == []


def test_lengths_can_be_rounded_up_to_share_a_batch() -> None:
    """On the right side alone: nothing moves."""
    sound = speech(1.03).astype(np.float64)
    plain, rounded = pad(sound, Framing(pad_s=0.5)), pad(sound, Framing(pad_s=0.5, grid_s=0.5))
    assert len(rounded) % 8000 == 0 and len(rounded) - len(plain) < 8000
    np.testing.assert_array_equal(rounded[: len(plain)], plain)


def test_loud_sounds_are_turned_down_and_rates_changed() -> None:
    """To the level and the rate of the model."""
    clip = AudioClip((speech(0.5, 44_100) * 9).clip(-1, 1).astype(np.float32), 44_100)
    samples = to_model_rate(clip)
    assert abs(len(samples) - 8000) <= 1 and np.abs(samples).max() == pytest.approx(0.95)
    quiet = AudioClip(speech(0.2) * np.float32(0.1), 16_000)
    np.testing.assert_array_equal(to_model_rate(quiet), quiet.samples)
