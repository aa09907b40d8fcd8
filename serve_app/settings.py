"""All settings: the `args:` of a Serve config file, overridden by the environment.

Every field can be set as AVATAR_<SECTION>__<FIELD>; PLAIN_NAMES lists the older names that work too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from deployments.cache.contract import CacheOptions
from deployments.cache.stores.filesystem import open_filesystem
from deployments.jobs.contract import JobOptions, Rules
from deployments.rvc.folder import VOICES, ModelFolder
from deployments.tts.voices import VoiceLibrary

from .access_settings import AccessSettings
from .cast import Cast
from .characters import Characters
from .sections import Limits, Monitoring, Performance, Storage, Timeouts, Videos, Voice
from .upload_store import UploadStore

PLAIN_NAMES: dict[str, tuple[str, str]] = {
    "MAX_TTS_WORKERS": ("performance", "max_tts_workers"),
    "MAX_AVATAR_WORKERS": ("performance", "max_avatar_workers"),
    "AVATAR_TIMEOUT": ("timeouts", "avatar_generation"),
    "TTS_TIMEOUT": ("timeouts", "tts_generation"),
    "RVC_TIMEOUT": ("timeouts", "rvc_conversion"),
    "DEVICE": ("performance", "device"),
    "CACHE_ENABLED": ("cache", "enabled"),
    "CACHE_DIR": ("cache", "cache_dir"),
    "VALKEY_HOST": ("jobs", "valkey_host"),
    "VALKEY_PORT": ("jobs", "valkey_port"),
    "VALKEY_PASSWORD": ("jobs", "valkey_password"),
    "SYNC_TIMEOUT_SECONDS": ("timeouts", "sync_render"),
    "MAX_CONCURRENT_REQUESTS": ("limits", "max_concurrent_requests"),
    "DATA_DIR": ("storage", "data_dir"),
    "AUDIO_BASE_URL": ("storage", "audio_base_url"),
    "PIPER_MODEL": ("voice", "model"),
    "LOG_LEVEL": ("monitoring", "log_level"),
}
"""Environment variables without the AVATAR_ prefix -> section and field."""


class _PlainNames(PydanticBaseSettingsSource):
    """Reads PLAIN_NAMES from the environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Required by the base class: the value of one section."""
        section = {
            key: os.environ[name]
            for name, (section_name, key) in PLAIN_NAMES.items()
            if section_name == field_name and os.environ.get(name)
        }
        return section or None, field_name, True

    def __call__(self) -> dict[str, Any]:
        """All sections that the environment names."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value}


class Settings(BaseSettings):
    """Everything that can be set, by section."""

    model_config = SettingsConfigDict(
        env_prefix="AVATAR_", env_nested_delimiter="__", extra="forbid", frozen=True, protected_namespaces=()
    )

    performance: Performance = Performance()
    timeouts: Timeouts = Timeouts()
    cache: CacheOptions = CacheOptions()
    jobs: JobOptions = JobOptions()
    access: AccessSettings = AccessSettings()
    voice: Voice = Voice()
    avatar: Videos = Videos()
    storage: Storage = Storage()
    limits: Limits = Limits()
    monitoring: Monitoring = Monitoring()

    @model_validator(mode="after")
    def _places_can_be_named(self) -> Settings:
        for url in (self.cache_url, self.results_url, self.uploads_url):
            open_filesystem(url)  # says what is wrong with it; connects to nothing
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        return env_settings, _PlainNames(settings_cls), init_settings

    @property
    def voices(self) -> VoiceLibrary:
        """The voices of this machine."""
        return VoiceLibrary(self.voices_folder, self.voice.model, self._default_voice)

    @property
    def characters(self) -> Characters:
        """Names for voices and what becomes of them."""
        return Characters(self.voice.characters, self.models_folder / VOICES)

    @property
    def _default_voice(self) -> str | None:
        """The voice that speaks where a character is the default."""
        default = self.voice.default
        character = self.characters.all().get(default) if default else None
        return character.tts or None if character else default

    @property
    def voices_folder(self) -> Path:
        """Where downloaded voices lie."""
        return (self.voice.folder or self.storage.data_dir / "voices").expanduser().resolve()

    @property
    def models_folder(self) -> Path:
        """Where ContentVec, RMVPE and the like lie."""
        return (self.voice.models or self.storage.data_dir / "models").expanduser().resolve()

    @property
    def tts_options(self) -> dict[str, Any]:
        """Options of the TTS engine: where the voices are, and what the file adds."""
        library = {"voices_dir": self.voices_folder, "model": self.voice.model, "default_voice": self._default_voice}
        return {**library, **self.voice.tts.options}

    @property
    def rvc_choices(self) -> dict[str, dict[str, Any]]:
        """Engines of the rvc room and their Options: where models are, on what they run, and what the file adds."""
        chosen = {name: dict(options) for name, options in self.voice.rvc.engines.items()}
        if "rvc" in chosen:
            device = {"device": self.performance.device if self.performance.gpu_enabled else "cpu"}
            chosen["rvc"] = {"models_dir": self.models_folder, **device, **chosen["rvc"]}
        return chosen

    @property
    def avatar_choices(self) -> dict[str, dict[str, Any]]:
        """Engines of the avatar room and their Options: where models are, on what they run, and what the file adds."""
        device = {"device": self.performance.device if self.performance.gpu_enabled else "cpu"}
        added = {"wav2lip": {"models_dir": self.models_folder, **device}}
        return {name: {**added.get(name, {}), **options} for name, options in self.avatar.engines.items()}

    @property
    def voice_models(self) -> ModelFolder:
        """The voice models of this machine."""
        return ModelFolder(self.models_folder)

    @property
    def cast(self) -> Cast:
        """Who can speak on this machine."""
        return Cast(
            *(self.voices, self.characters, self.voice_models, self.uploads),
            *(self.voice.lipsync, self.avatar.model_copy(update={"engines": self.avatar_choices}), self.voice.default),
        )

    @property
    def engines(self) -> dict[str, str]:
        """Room -> engine."""
        return {"tts": self.voice.tts.engine}

    @property
    def cache_url(self) -> str:
        """Where level 2 of the cache lies: a folder or an URL."""
        chosen = self.cache.cache_dir
        if chosen and ":/" in chosen:  # an URL, or what was meant for one: it is checked as such
            return chosen
        # Replicas do not run in the folder that the server was started in.
        return str(Path(chosen).expanduser().resolve() if chosen else self.storage.data_dir / "cache")

    @property
    def job_rules(self) -> Rules:
        """How much the jobs room takes on."""
        return Rules(
            at_once=self.limits.max_concurrent_requests,
            max_queued=self.limits.max_queued_requests,
            stall_s=self.timeouts.without_progress,
            ttl_s=self.storage.results_ttl_hours * 3600,
            max_attempts=self.jobs.max_attempts,
            shares_work=self.cache.enabled,
        )

    @property
    def server_name(self) -> str:
        """Tells servers of one machine apart, which may share DATA_DIR: each leads jobs of its own."""
        return os.environ.get("PORT", "")

    @property
    def results_url(self) -> str:
        """Where results lie, as pyarrow.fs takes it."""
        return self.storage.results_url or (self.storage.data_dir / "results").as_uri()

    @property
    def uploads_url(self) -> str:
        """Where uploads lie, as pyarrow.fs takes it."""
        return self.storage.uploads_url or (self.storage.data_dir / "uploads").as_uri()

    @property
    def uploads(self) -> UploadStore:
        """What users have uploaded."""
        return UploadStore(self.uploads_url, self.storage.uploads_ttl_hours, self.storage.max_uploads_mb)
