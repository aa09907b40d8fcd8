"""/upload: recordings to be used in a render by their name."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from ..studio import Studio
from .access import Access, Caller
from .error_schemas import errors
from .forms import form_body, form_of


class AudioUpload(BaseModel):
    """A recording that is kept, and what was found in it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "filename": "0f343b0931126a20f133d67c2b018a3b.wav",
                    "duration_ms": 4210,
                    "sample_rate": 44100,
                    "channels": 2,
                    "codec": "mp3float",
                    "container": "mp3",
                    "size_bytes": 67812,
                    "peak": 0.71,
                    "rms_dbfs": -21.4,
                    "active_ms": 3620,
                    "silent": False,
                    "notes": [],
                }
            ]
        }
    )

    filename: str = Field(description="Its name from now on: audio_filename of a render.")
    duration_ms: int
    sample_rate: int = Field(description="Hertz, of the file that was sent.")
    channels: int
    codec: str
    container: str
    size_bytes: int = Field(description="Of the file that was sent.")
    peak: float = Field(description="0-1.")
    rms_dbfs: float = Field(description="Loudness of all of it.")
    active_ms: int = Field(description="Of it that is louder than -50 dBFS.")
    silent: bool = Field(description="True: nothing can be heard in it.")
    notes: list[str] = Field(description="What is odd about it, in sentences.")

    @classmethod
    def of(cls, known: dict[str, Any]) -> AudioUpload:
        """Of what Intake.take_audio gives."""
        return cls(
            **{name: known[name] for name in ("filename", "sample_rate", "channels", "codec", "container")},
            **{name: known[name] for name in ("size_bytes", "peak", "rms_dbfs", "silent", "notes")},
            duration_ms=round(known["duration_s"] * 1000),
            active_ms=round(known["active_s"] * 1000),
        )


def router(studio: Studio, access: Access) -> APIRouter:
    """
    Args:
        studio: keeps them.
        access: who may ask.
    """
    routes = APIRouter(tags=["uploads"])
    user = Depends(access.user)

    @routes.post(
        "/upload/audio",
        responses=errors(401, 403, 408, 413, 429, 507),
        openapi_extra=form_body("file", {}),
    )
    async def upload_audio(request: Request, caller: Caller = user) -> AudioUpload:
        """Takes a recording in: WAV, MP3, OGG, FLAC, M4A or WebM of any rate. Its sound is kept as mono of 24 kHz."""
        await studio.jobs.charge(caller.name, caller.requests_per_minute)
        async with studio.intake.turn(), form_of(request) as form:
            return AudioUpload.of(await studio.intake.take_audio(form.file))

    return routes
