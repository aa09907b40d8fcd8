"""The sections of the settings that belong to no room; a room's own section stands in its contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from deployments.media.recording import MediaOptions


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
    max_avatar_workers: int = Field(default=3, ge=1, le=1000)
    """Most Avatar replicas."""
    avatar_autoscaling: Autoscaling = Autoscaling()
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    """Of the models that can use a GPU; auto takes the first that there is, in this order."""
    gpu_enabled: bool = True
    """False: the same as device cpu."""


class Timeouts(Section):
    """Limits in seconds."""

    tts_generation: float = Field(default=30, gt=0, le=120)
    """One sentence."""
    rvc_conversion: float = Field(default=20, gt=0, le=60)
    """One sentence, or a batch of them."""
    lipsync_generation: float = Field(default=20, gt=0, le=120)
    """One sentence."""
    avatar_generation: float = Field(default=120, gt=0, le=600)
    """A video without progress: preparing its portrait, or drawing a few frames."""
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


class Conversions(Section):
    """What becomes of a voice."""

    engines: dict[str, dict[str, Any]] = {"world": {}, "rvc": {}}
    """Engine of the rvc room -> its Options. A request says which of them."""
    memory_mb: float = Field(default=1500, gt=0)
    """Of loaded voice models: a full-size one takes 110 MB in float32, and its index as much as its file."""
    batch_size: int = Field(default=1, ge=1, le=64)
    """Sentences that a replica converts together at most."""
    batch_wait_s: float = Field(default=0.0, ge=0, le=1)
    """How long the first sentence of a batch waits for others."""


class LipSyncChoice(Section):
    """What moves the mouth."""

    default: str = "auto"
    """auto: the best that the input allows: phonemes for what a voice speaks, align for a recording with its text,
    recognize for one without. Or the engine that is taken wherever it can be."""
    fallback: bool = True
    """Where an engine fails on a recording, auto goes on with the next best and says so; false: the render fails."""
    engines: dict[str, dict[str, Any]] = {"phonemes": {}, "align": {}, "recognize": {}, "rhubarb": {}}
    """Engine of the lipsync room -> its Options. A request may say which of them."""

    @model_validator(mode="after")
    def _default_is_there(self) -> LipSyncChoice:
        if self.default not in {"auto", *self.engines}:
            raise ValueError(f"default: {self.default!r} is not among the engines: {', '.join(self.engines)}")
        return self


class Videos(Section):
    """What makes portraits talk."""

    default: str = "warp"
    """Engine that is taken where a request names none."""
    engines: dict[str, dict[str, Any]] = {"warp": {}}
    """Engine of the avatar room -> its Options. A request may say which of them."""
    memory_mb: float = Field(default=500, gt=0)
    """Of prepared portraits in a replica."""
    batch_size: int = Field(default=1, ge=1, le=64)
    """Videos whose frames a replica draws together at most."""
    batch_wait_s: float = Field(default=0.0, ge=0, le=1)
    """How long the first of a batch waits for others."""
    max_seconds: float = Field(default=600, gt=0, le=3600)
    """Of a video."""

    @model_validator(mode="after")
    def _default_is_there(self) -> Videos:
        if self.default not in self.engines:
            raise ValueError(f"default: {self.default!r} is not among the engines: {', '.join(self.engines)}")
        return self


class Voice(Section):
    """Voices and what is made of their speech."""

    tts: EngineChoice = EngineChoice(engine="piper")
    rvc: Conversions = Conversions()
    lipsync: LipSyncChoice = LipSyncChoice()
    default: str | None = None
    """ID of the default voice; else en_US-lessac-medium if installed, else en_US-joe-medium."""
    characters: Path = Path(__file__).parents[1] / "configs" / "voices.yaml"
    """Names for voices and what becomes of them; files in DATA_DIR/models/rvc add to it."""
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
    uploads_url: str | None = None
    """Folder of uploads as a URL; DATA_DIR/uploads by default."""
    uploads_ttl_hours: float = Field(default=24, gt=0)
    """An upload can be used for this long after its last use."""
    max_uploads_mb: float = Field(default=2000, gt=0)
    """Of all uploads: 2.9 MB a minute of sound, about 1 MB a picture. Those that were not used for longest go first."""
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
    max_upload_mb: float = Field(default=200, gt=0, le=2000)
    """Of a file that is uploaded: an hour of 16-bit mono WAV at 24 kHz is 173."""
    max_image_mb: float = Field(default=20, gt=0, le=200)
    """Of a picture that is uploaded."""
    max_image_megapixels: float = Field(default=50, gt=0, le=500)
    """Of a picture: 8,660 by 5,773. It takes four bytes a pixel while it is read."""
    max_audio_seconds: float = Field(default=3600, gt=0, le=36_000)
    """Of a recording: a render holds it in memory, 0.4 MB a second at its end."""


class Monitoring(Section):
    """Logs."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["TEXT", "JSON"] = "TEXT"
