"""/upload: recordings and pictures to be used in a render by their name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from deployments.core.errors import BadInput

from ..studio import Studio
from .access import Access, Caller
from .error_schemas import errors
from .forms import Form, form_body, form_of


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
                    "codec": "mp3",
                    "container": "mp3",
                    "size_bytes": 67812,
                    "peak": 0.71,
                    "rms_dbfs": -21.4,
                    "active_ms": 3620,
                    "silent": False,
                    "speech": True,
                    "speech_share": 0.83,
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
    speech: bool | None = Field(description="Whether somebody speaks in it, in its first ten minutes; null: unknown.")
    speech_share: float | None = Field(description="Of those, how much is speech: 0-1.")
    notes: list[str] = Field(description="What is odd about it, in sentences.")

    @classmethod
    def of(cls, known: dict[str, Any]) -> AudioUpload:
        """Of what Intake.take_audio gives."""
        share = known.get("speech_share")
        return cls(
            **{name: known[name] for name in ("filename", "sample_rate", "channels", "codec", "container")},
            **{name: known[name] for name in ("size_bytes", "peak", "rms_dbfs", "silent", "notes")},
            duration_ms=round(known["duration_s"] * 1000),
            active_ms=round(known["active_s"] * 1000),
            speech=None if share is None else share > 0,
            speech_share=share,
        )


class FaceSeen(BaseModel):
    """A face in a picture."""

    box: tuple[float, float, float, float] = Field(description="Left, top, right, bottom in pixels of width, height.")
    score: float = Field(description="0-1: how sure it is that this is a face.")
    method: str = Field(description="What found it.")
    problem: str | None = Field(description="Why it cannot be made to talk.")
    hint: str | None = Field(default=None, description="What to do about it.")
    landmarks: list[tuple[float, float]] = Field(
        description="478 points in pixels, in the order of MediaPipe's face mesh."
    )


class ImageUpload(BaseModel):
    """A picture that is kept, and what was found in it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "filename": "7d865e959b2466918c9863afca942d0f.png",
                    "width": 1024,
                    "height": 1280,
                    "format": "jpeg",
                    "has_alpha": False,
                    "size_bytes": 212344,
                    "faces": [{"box": [301.2, 250.8, 702.4, 811.0], "score": 0.97, "method": "model", "landmarks": []}],
                    "ready": True,
                    "problem": None,
                    "notes": [],
                }
            ]
        }
    )

    filename: str = Field(description="Its name from now on: image_filename of a video.")
    width: int = Field(description="Of what is kept: upright, and at most 4096 pixels.")
    height: int
    format: str = Field(description="Of the file that was sent: png, jpeg, webp.")
    has_alpha: bool
    size_bytes: int = Field(description="Of the file that was sent.")
    faces: list[FaceSeen] = Field(description="The largest first. The first one without a problem will talk.")
    ready: bool = Field(description="Whether it can be made to talk.")
    problem: str | None = Field(description="Why not, and what to do.")
    notes: list[str] = Field(description="What is odd about it, in sentences.")

    @classmethod
    def of(cls, known: dict[str, Any]) -> ImageUpload:
        """Of what Intake.take_picture gives."""
        faces = [
            FaceSeen(**{**each, "landmarks": [point[:2] for point in each["landmarks"]]}) for each in known["faces"]
        ]
        fields = ("filename", "width", "height", "format", "has_alpha", "size_bytes", "problem")
        notes = [*known["notes"], *known["face_notes"]]
        return cls(**{name: known[name] for name in fields}, notes=notes, faces=faces, ready=known["face"] is not None)


def router(studio: Studio, access: Access) -> APIRouter:
    """
    Args:
        studio: keeps them.
        access: who may ask.
    """
    routes = APIRouter(tags=["uploads"])
    user = Depends(access.user)

    @asynccontextmanager
    async def sent(request: Request, caller: Caller) -> AsyncIterator[Form]:
        await studio.jobs.charge(caller.name, caller.requests_per_minute)
        async with studio.intake.turn(), form_of(request) as form:
            for name in form.fields:
                raise BadInput(f"{name[:100]}: there is no such field.", hint="Allowed fields: file.")
            yield form

    @routes.post(
        "/upload/audio",
        responses=errors(401, 403, 408, 413, 429, 507),
        openapi_extra=form_body("file", {}),
    )
    async def upload_audio(request: Request, caller: Caller = user) -> AudioUpload:
        """Takes a recording in: WAV, MP3, OGG, FLAC, M4A or WebM of any rate. Its sound is kept as mono of 24 kHz."""
        async with sent(request, caller) as form:
            return AudioUpload.of(await studio.intake.take_audio(form.file))

    @routes.post(
        "/upload/image",
        responses=errors(401, 403, 408, 413, 429, 507),
        openapi_extra=form_body("file", {}),
    )
    async def upload_image(request: Request, caller: Caller = user) -> ImageUpload:
        """Takes a picture in, PNG, JPEG or WebP, and looks for faces in it. What is transparent stays so."""
        async with sent(request, caller) as form:
            return ImageUpload.of(await studio.intake.take_picture(form.file))

    return routes
