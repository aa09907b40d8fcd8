"""What tells one release from another."""

from __future__ import annotations

from serve_app.release import release
from serve_app.settings import Settings


def test_equal_builds_are_one_release() -> None:
    assert release(Settings()) == release(Settings())


def test_other_engine_options_are_another_and_other_limits_are_not() -> None:
    lipsync = {"engines": {"phonemes": {"quietest": 0.5}}}
    assert release(Settings.model_validate({"voice": {"lipsync": lipsync}})) != release(Settings())
    assert release(Settings.model_validate({"limits": {"max_queued_requests": 3}})) == release(Settings())
