"""All settings: the `args:` of a Serve config file, overridden by the environment.

Every field can be set as AVATAR_<SECTION>__<FIELD>; PLAIN_NAMES lists the older names that work too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from deployments.cache.contract import CacheOptions
from deployments.cache.stores.filesystem import open_filesystem
from deployments.jobs.contract import JobOptions, Rules
from deployments.media.recording import MediaOptions
from deployments.tts.voices import VoiceLibrary

from .access_settings import AccessSettings


class Section(BaseModel):
    """Closed: a misspelt key is an error, not a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Autoscaling(Section):
    """Fields of Serve's autoscaling_config, but for max_replicas, which has a setting of its own."""

    min_replicas: int = Field(default=1, ge=0)
    target_ongoing_requests: float = Field(default=1.5, gt=0)
    """Calls per replica, the waiting ones included, that Serve aims at."""
    upscale_delay_s: float = Field(default=5, ge=0)
    downscale_delay_s: float = Field(default=300, ge=0)


class Performance(Section):
    """How much runs at once."""

    max_tts_workers: int = Field(default=2, ge=1, le=1000)
    """Most TTS replicas."""
    tts_autoscaling: Autoscaling = Autoscaling()


class Timeouts(Section):
    """Limits in seconds."""

    tts_generation: float = Field(default=30, gt=0, le=120)
    """One sentence."""
    lipsync_generation: float = Field(default=20, gt=0, le=120)
    """One sentence."""
    sync_render: float = Field(default=60, gt=0, le=3600)
    """A client waits for a render; then it is told where to ask for it, and the render goes on."""
    without_progress: float = Field(default=300, gt=0, le=3600)
    """A job that says nothing: waiting for a busy replica takes its time, too."""


class EngineChoice(Section):
    """Which engine a room runs."""

    engine: str
    """Name of a file in the room's engines/."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Its Options."""


class Voice(Section):
    """Voices and what is made of their speech."""

    tts: EngineChoice = EngineChoice(engine="piper")
    lipsync: EngineChoice = EngineChoice(engine="phonemes")
    default: str | None = None
    """ID of the default voice; else en_US-lessac-medium if installed, else en_US-joe-medium."""
    folder: Path | None = None
    """Folder of downloaded voices; DATA_DIR/voices by default."""
    models: Path | None = None
    """Folder of models that voices of the user's own need; DATA_DIR/models by default."""
    model: Path | None = None
    """One more Piper .onnx file; becomes the default voice."""
    media: MediaOptions = MediaOptions()

    @field_validator("model")
    @classmethod
    def _exists(cls, model: Path | None) -> Path | None:
        if model is not None and not (model.is_file() and Path(f"{model}.json").is_file()):
            raise ValueError(f"{model} and {model}.json must both exist")
        return model.resolve() if model else None


class Storage(Section):
    """Where things are kept."""

    data_dir: Path = Path("data")
    """Voices and results."""
    results_url: str | None = None
    """Folder of results as a URL (s3://bucket/results); DATA_DIR/results by default."""
    results_ttl_hours: float = Field(default=168, gt=0)
    """A render can be fetched for this long."""
    audio_base_url: str | None = None
    """Put in front of /{id}.ogg in audio_url; by default the address that the client used, and /audio."""

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        # Replicas do not run in the folder that the server was started in.
        return path.expanduser().resolve()


class Limits(Section):
    """What the server takes on."""

    max_concurrent_requests: int = Field(default=10, ge=1)
    """Renders that the server computes at a time."""
    max_queued_requests: int = Field(default=10_000, ge=0)
    """Jobs waiting for their turn; more are answered with 429. What is cached needs no turn."""


class Monitoring(Section):
    """Logs."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["TEXT", "JSON"] = "TEXT"


PLAIN_NAMES: dict[str, tuple[str, str]] = {
    "MAX_TTS_WORKERS": ("performance", "max_tts_workers"),
    "TTS_TIMEOUT": ("timeouts", "tts_generation"),
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
    storage: Storage = Storage()
    limits: Limits = Limits()
    monitoring: Monitoring = Monitoring()

    @model_validator(mode="after")
    def _places_can_be_named(self) -> Settings:
        for url in (self.cache_url, self.results_url):
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
        return VoiceLibrary(self.voices_folder, self.voice.model, self.voice.default)

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
        library = {"voices_dir": self.voices_folder, "model": self.voice.model, "default_voice": self.voice.default}
        return {**library, **self.voice.tts.options}

    @property
    def engines(self) -> dict[str, str]:
        """Room -> engine."""
        return {"tts": self.voice.tts.engine, "lipsync": self.voice.lipsync.engine}

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
