"""Who may be seen: portraits, engines and their parameters, chosen before anything is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deployments.core.errors import BadInput
from deployments.core.types import RenderRequest
from deployments.core.video import Filming
from serve_app.settings import Settings
from tests.serve_app.recordings import keep

ASKED = RenderRequest("Hello.", "", video=Filming("ada"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"storage": {"data_dir": tmp_path}})


def test_tracks_are_named_after_the_language_of_the_voice(settings: Settings) -> None:
    chosen = settings.cast.choose(ASKED).video
    assert chosen and chosen.language == "en_US" and chosen.image.startswith("ada-")


def test_or_of_the_recording(settings: Settings, tmp_path: Path) -> None:
    recorded = replace(ASKED, text="", audio=keep(settings.uploads, [0.1] * 240, tmp_path))
    recorded = replace(recorded, language="de", lipsync="recognize")
    chosen = settings.cast.choose(recorded).video
    assert chosen and chosen.language == "de"


def test_a_parameter_that_is_none_is_named_by_its_field(settings: Settings) -> None:
    asked = replace(ASKED, video=Filming("ada", parameters='{"blinks": 7}'))
    with pytest.raises(BadInput, match=r"^parameters: blinks"):
        settings.cast.choose(asked)
