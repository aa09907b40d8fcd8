"""HTTP bodies of requests for a video."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from deployments.core.types import RenderRequest
from deployments.core.video import Filming, VideoQuality

from .bodies import RenderBody

PICTURE_NAME = r"^([0-9a-f]{32}\.png|[a-z]{1,20})$"
_BACKGROUND = r"^(#[0-9a-fA-F]{6}|[0-9a-f]{32}\.png)$"
EXAMPLE: dict[str, JsonValue] = {"image_filename": "ada", "text": "Hello, I am a talking avatar!"}
_RECORDED: dict[str, JsonValue] = {
    "image_filename": "7d865e959b2466918c9863afca942d0f.png",
    "audio_filename": "0f343b0931126a20f133d67c2b018a3b.wav",
}

_Even = Annotated[int, Field(ge=64, le=1920, multiple_of=2)]


class VideoBody(RenderBody):
    """A portrait, and what it says: a text or a recording."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [EXAMPLE, _RECORDED],
            "anyOf": [{"required": ["text"]}, {"required": ["audio_filename"]}],
        },
    )

    image_filename: Annotated[
        str,
        Field(
            pattern=PICTURE_NAME,
            description="filename of an upload (POST /upload/image), or a built-in portrait (GET /portraits).",
        ),
    ]
    engine: Annotated[
        str | None, Field(min_length=1, max_length=40, description="warp, wav2lip; those of them that the server has.")
    ] = None
    parameters: Annotated[
        dict[str, JsonValue] | None,
        Field(
            max_length=20,
            description="Of the engine. warp: head_motion 0-1 (1), expressiveness 0.5-1.5 (1), blinks (true); wav2lip: "
            "feather 0.02-0.25 (0.12).",
        ),
    ] = None
    width: Annotated[_Even, Field(description="Pixels, even.")] = 512
    height: Annotated[_Even, Field(description="Pixels, even.")] = 512
    fps: Annotated[int, Field(ge=10, le=60, description="Frames in a second.")] = 25
    crop: Annotated[
        Literal["face", "whole"],
        Field(description="face: head and shoulders fill the video; whole: all of the picture, cut to its shape."),
    ] = "face"
    quality: VideoQuality = "medium"
    background: Annotated[
        str | None,
        Field(
            pattern=_BACKGROUND,
            description="#rrggbb, or the filename of an uploaded picture: shows where the portrait is transparent.",
        ),
    ] = None
    captions: Annotated[bool, Field(description="Also as a track of subtitles in the video.")] = False
    landmarks: Annotated[
        dict[str, JsonValue] | None,
        Field(description="Where the face is, when it is not found by itself, in pixels of the uploaded picture."),
    ] = None

    def to_request(self) -> RenderRequest:
        """The same without HTTP.

        Raises:
            BadInput: fields that do not go together.
        """
        return replace(super().to_request(), video=self._filming())

    def _filming(self) -> Filming:
        return Filming(
            image=self.image_filename,
            engine=self.engine or "",
            parameters=json.dumps(self.parameters or {}, sort_keys=True),
            width=self.width,
            height=self.height,
            fps=self.fps,
            crop=self.crop,
            quality=self.quality,
            background=(self.background or "").lower(),
            captions=self.captions,
            landmarks=json.dumps(self.landmarks, sort_keys=True) if self.landmarks else "",
        )
