"""Engines are found by the names of their files."""

from __future__ import annotations

import pytest

from deployments.core import engines


def test_names_are_files() -> None:
    assert "piper" in engines.names("tts")
    assert "phonemes" in engines.names("lipsync")


def test_unknown_engine_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"no lipsync engine 'none'; there are: .*phonemes"):
        engines.load("lipsync", "none", {})


def test_unknown_option_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        engines.load("lipsync", "phonemes", {"colour": "red"})


def test_options_reach_the_engine() -> None:
    engine = engines.load("lipsync", "phonemes", {"quietest": 1.0, "unstressed": 1.0})
    assert len(engine.track(engine.example).starts_s) == len(engine.example.phonemes)
