"""The section `access`: from a file, from the environment, and what is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from serve_app.access_settings import AccessSettings

ONE, TWO = "1" * 64, "2" * 64


class Alone(BaseSettings):
    """Reads the environment as Settings does."""

    model_config = SettingsConfigDict(env_prefix="AVATAR_", env_nested_delimiter="__", extra="forbid", frozen=True)

    access: AccessSettings = AccessSettings()


def test_by_default_everybody_may_ask_and_no_other_page() -> None:
    access = AccessSettings()
    assert access.keys == () and access.cors_origins == () and access.max_body_bytes == 65_536


def test_the_environment_may_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_ACCESS__KEYS", json.dumps([{"name": "ann", "sha256": ONE, "requests_per_minute": 30}]))
    monkeypatch.setenv("AVATAR_ACCESS__CORS_ORIGINS", '["https://a.example"]')
    monkeypatch.setenv("AVATAR_ACCESS__MAX_BODY_KB", "128")
    access = Alone().access
    assert [(key.name, key.requests_per_minute) for key in access.keys] == [("ann", 30)]
    assert access.cors_origins == ("https://a.example",) and access.max_body_bytes == 131_072


def test_it_shows_no_digest() -> None:
    access = AccessSettings.model_validate({"keys": [{"name": "ann", "sha256": ONE}]})
    assert ONE not in repr(access) and ONE not in access.model_dump_json()


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"keys": [{"name": "ann", "sha256": ONE}, {"name": "ann", "sha256": TWO}]}, "two keys have the name 'ann'"),
        ({"keys": [{"name": "ann", "sha256": ONE}, {"name": "bob", "sha256": ONE}]}, "ann and bob have the same"),
        ({"keys": [{"name": "ann", "sha256": "secret"}]}, "SHA-256"),
        ({"keys": [{"name": "ann", "key": "secret"}]}, "sha256"),
        ({"cors_origins": ["https://a.example/"]}, "is no origin"),
        ({"cors_origins": ["https://a.example/page"]}, "is no origin"),
        ({"cors_origins": ["a.example"]}, "is no origin"),
        ({"cors_origins": ["https://*.example"]}, "is no origin"),
        ({"cors_origins": ["https://A.example"]}, "is no origin"),
        ({"max_body_kb": 0}, "max_body_kb"),
        ({"key": []}, "key"),
    ],
)
def test_what_cannot_work_is_refused(access: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AccessSettings.model_validate(access)


@pytest.mark.parametrize(
    "origin", ["*", "http://localhost:5173", "https://a.example", "http://[::1]:80", "app://local"]
)
def test_origins(origin: str) -> None:
    assert AccessSettings(cors_origins=(origin,)).cors_origins == (origin,)
