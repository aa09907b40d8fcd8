"""Cues in every alphabet: sorted, inside the time, with every closure and bite."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.types import SILENCE, EyeEvent, EyeTrack, Timing, VisemeSet, VisemeTrack
from deployments.core.visemes import INDEX, VISEMES
from deployments.media.mouth import MouthOptions, natural
from deployments.media.projection import ARKIT_FPS, ARKIT_NAMES, MouthCue, arkit, mouth_cues
from tests.deployments.strategies import BITES, CLOSURES, sequences, speech_of, track_of

SETS: list[VisemeSet] = ["basic", "oculus", "azure", "rhubarb"]
TIMINGS: list[Timing] = ["natural", "exact"]
NEAR_MS = 40
"""A viewer takes a closure this far from its sound for the same (and so does the scorer)."""
NO_EYES = EyeTrack(())


def _track(sequence: list[tuple[str, int]], timing: Timing) -> VisemeTrack:
    track = track_of(sequence)
    return natural(track, MouthOptions()) if timing == "natural" else track


def _made_near(cues: tuple[MouthCue, ...], viseme: str | int, start_ms: int, end_ms: int, duration_ms: int) -> bool:
    """Whether some cue makes the shape in or near the span."""
    ends = [*(cue.t_ms for cue in cues[1:]), duration_ms]
    return any(
        cue.viseme == viseme and cue.t_ms <= end_ms + NEAR_MS and end >= start_ms - NEAR_MS
        for cue, end in zip(cues, ends, strict=True)
    )


@given(sequences(), st.sampled_from(SETS), st.sampled_from(TIMINGS))
def test_cues_are_a_step_function(sequence: list[tuple[str, int]], viseme_set: VisemeSet, timing: Timing) -> None:
    track = _track(sequence, timing)
    cues = mouth_cues(track, viseme_set)
    names = {getattr(viseme, viseme_set) for viseme in VISEMES}
    assert cues[0].t_ms == 0
    for before, after in itertools.pairwise(cues):
        assert before.t_ms < after.t_ms
    assert cues[-1].t_ms <= track.duration_s * 1000
    for cue in cues:
        assert 0 <= cue.weight <= 1
        assert cue.viseme in names
        assert isinstance(cue.viseme, int if viseme_set == "azure" else str)


@given(sequences(), st.sampled_from(TIMINGS))
def test_every_closure_closes_and_every_bite_bites(sequence: list[tuple[str, int]], timing: Timing) -> None:
    cues = mouth_cues(_track(sequence, timing), "basic")
    speech = speech_of(sequence)
    duration_ms = round(speech.audio.duration_s * 1000)
    for span in speech.phonemes:
        start_ms, end_ms = round(span.start_s * 1000), round(span.end_s * 1000)
        if span.symbol in CLOSURES:
            assert _made_near(cues, "REST", start_ms, end_ms, duration_ms)
        if span.symbol in BITES:
            assert _made_near(cues, "FF", start_ms, end_ms, duration_ms)


@given(sequences())
def test_rest_has_full_weight(sequence: list[tuple[str, int]]) -> None:
    assert all(cue.weight == 1 for cue in mouth_cues(track_of(sequence), "basic") if cue.viseme == "REST")


@given(sequences())
def test_exact_cues_are_those_of_the_track(sequence: list[tuple[str, int]]) -> None:
    """At any moment that lies 1 ms from a border, the cue is the track's shape."""
    long_enough = [(symbol, max(length, 12)) for symbol, length in sequence]
    track = track_of(long_enough)
    cues = mouth_cues(track, "oculus")
    starts = [cue.t_ms for cue in cues]
    for start_s, end_s, index in zip(track.starts_s, track.ends_s, track.visemes, strict=True):
        for moment_s in (start_s + 0.001, (start_s + end_s) / 2, end_s - 0.002):
            if start_s < moment_s < end_s:
                cue = cues[int(np.searchsorted(starts, moment_s * 1000, "right")) - 1]
                assert cue.viseme == VISEMES[index].oculus


def test_closures_that_crowd_at_the_end_all_fit() -> None:
    track = VisemeTrack(
        np.array([0.0, 0.1, 0.1, 0.1]),
        np.array([INDEX[name] for name in ("AA", "PP", "FF", "PP")], np.uint8),
        np.ones(4, np.float32),
        0.1,
    )
    assert [(cue.t_ms, cue.viseme) for cue in mouth_cues(track, "basic")] == [
        (0, "AA"),
        (97, "REST"),
        (98, "FF"),
        (99, "REST"),
    ]


def test_more_closures_than_milliseconds() -> None:
    shapes = np.array([INDEX["PP"], INDEX["FF"]] * 4, np.uint8)
    cues = mouth_cues(VisemeTrack(np.zeros(8), shapes, np.ones(8, np.float32), 0.002), "basic")
    assert [cue.t_ms for cue in cues] == [0, 1]


def test_azure_gives_a_diphthong_one_cue() -> None:
    track = track_of([("t", 100), ("ˈa", 100), ("ɪ", 100), ("t", 100)])
    assert [cue.viseme for cue in mouth_cues(track, "azure")] == [19, 11, 19]
    assert [cue.viseme for cue in mouth_cues(track, "rhubarb")] == ["B", "D", "B", "B"]


def test_azure_tells_thin_from_then() -> None:
    assert [cue.viseme for cue in mouth_cues(track_of([("θ", 100), ("ð", 100)]), "azure")] == [19, 17]


@given(sequences(), st.sampled_from(TIMINGS), st.booleans())
def test_blend_shapes_are_sound(sequence: list[tuple[str, int]], timing: Timing, blinks: bool) -> None:
    track = _track(sequence, timing)
    eyes = EyeTrack((EyeEvent("blink", 0.0, min(0.06, track.duration_s)),)) if blinks else NO_EYES
    shapes = arkit(track, eyes)
    assert shapes.fps == ARKIT_FPS
    assert shapes.names == ARKIT_NAMES
    assert shapes.frames.shape == (max(1, int(np.ceil(track.duration_s * ARKIT_FPS))), 52)
    assert shapes.frames.dtype == np.float32
    assert ((shapes.frames >= 0) & (shapes.frames <= 1)).all()


@given(sequences(), st.sampled_from(TIMINGS))
def test_pose_of_closures_and_bites_is_reached(sequence: list[tuple[str, int]], timing: Timing) -> None:
    """For every one that lasts a frame, near its middle."""
    lasting = [(symbol, max(length, 60)) for symbol, length in sequence]
    track = _track(lasting, timing)
    frames = arkit(track, NO_EYES).frames
    for start_s, end_s, index, weight in zip(track.starts_s, track.ends_s, track.visemes, track.weights, strict=True):
        viseme = VISEMES[index]
        if viseme.kind in {"closure", "bite"} and end_s - start_s >= 0.04:
            pose = np.array([viseme.arkit.get(name, 0.0) * weight for name in ARKIT_NAMES])
            frame = (start_s + end_s) / 2 * ARKIT_FPS
            near = frames[max(0, int(frame) - 1) : int(frame) + 3]
            assert np.isclose(near, pose, atol=1e-6).all(axis=1).any()


def test_bite_beside_a_closure_is_seen() -> None:
    """German "pf", spoken fast: both fall nearest to one frame."""
    track = track_of([("a", 88), ("p", 12), ("f", 12), ("a", 100)])
    frames = arkit(track, NO_EYES).frames
    for name in ("mouthPressLeft", "mouthUpperUpLeft"):
        assert frames[:, ARKIT_NAMES.index(name)].max() == pytest.approx(
            0.5 if name == "mouthPressLeft" else 0.4, rel=0.3
        )


def test_shapes_move_smoothly() -> None:
    track = track_of([("u", 300), ("ɑ", 300), ("u", 300)])
    jaw = arkit(track, NO_EYES).frames[:, ARKIT_NAMES.index("jawOpen")]
    assert np.abs(np.diff(jaw)).max() < 0.75 * (jaw.max() - jaw.min())


def test_eyes_close_and_look() -> None:
    track = track_of([(SILENCE, 3000)])
    looks: list[EyeEvent] = [
        EyeEvent("saccade", 1.0, 0.3, "left"),
        EyeEvent("saccade", 1.5, 0.3, "right"),
        EyeEvent("saccade", 2.0, 0.3, "up"),
        EyeEvent("saccade", 2.5, 0.3, "down"),
    ]
    frames = arkit(track, EyeTrack((EyeEvent("blink", 0.21, 0.15), *looks))).frames
    columns = {name: frames[:, ARKIT_NAMES.index(name)] for name in ARKIT_NAMES}
    assert columns["eyeBlinkLeft"].max() == columns["eyeBlinkRight"].max() == 1
    assert columns["eyeBlinkLeft"][:6].max() == columns["eyeBlinkLeft"][12:].max() == 0
    for second, names in (
        (1.15, ("eyeLookInLeft", "eyeLookOutRight")),
        (1.65, ("eyeLookOutLeft", "eyeLookInRight")),
        (2.15, ("eyeLookUpLeft", "eyeLookUpRight")),
        (2.65, ("eyeLookDownLeft", "eyeLookDownRight")),
    ):
        frame = round(second * ARKIT_FPS)
        assert {name for name in ARKIT_NAMES if columns[name][frame] > 0} == set(names)


def test_empty_track() -> None:
    empty = VisemeTrack(np.zeros(0), np.zeros(0, np.uint8), np.zeros(0, np.float32), 0.0)
    assert mouth_cues(empty, "basic") == ()
    assert not arkit(empty, NO_EYES).frames.any()
