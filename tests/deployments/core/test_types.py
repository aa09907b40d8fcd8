"""Values behave the same in-process and from another replica."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from deployments.core.types import AudioClip, RenderRequest, VisemeTrack


def test_clip_is_read_only_and_leaves_the_callers_array_alone() -> None:
    mine = np.zeros(10, np.float32)
    clip = AudioClip(mine, 22050)
    with pytest.raises(ValueError, match="read-only"):
        clip.samples[0] = 1
    mine[0] = 1
    assert clip.samples.dtype == np.float32


def test_clip_converts_to_float32() -> None:
    clip = AudioClip(np.array([0.5, -0.5], np.float64), 2)
    assert clip.samples.dtype == np.float32
    assert clip.duration_s == 1.0


def test_clip_survives_pickling() -> None:
    clip = AudioClip(np.linspace(-1, 1, 100, dtype=np.float32), 16000)
    back = pickle.loads(pickle.dumps(clip))
    np.testing.assert_array_equal(back.samples, clip.samples)
    assert back.sample_rate == 16000


def test_track_is_read_only_and_knows_its_ends() -> None:
    track = VisemeTrack(np.array([0.0, 0.2]), np.array([0, 1], np.uint8), np.ones(2, np.float32), 0.5)
    np.testing.assert_array_equal(track.ends_s, [0.2, 0.5])
    for array in (track.starts_s, track.visemes, track.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_request_is_hashable_and_frozen() -> None:
    request = RenderRequest("Hi.", "en_US-joe-medium")
    assert {request: 1}[RenderRequest("Hi.", "en_US-joe-medium")] == 1
    with pytest.raises(FrozenInstanceError):
        request.text = "other"  # type: ignore[misc]
