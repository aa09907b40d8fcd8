"""HTTP bodies of completed renders."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from deployments.core.types import LipSyncSummary, RenderRequest, Timing, VisemeSet
from deployments.media.projection import BlendShapes

from ..results import RenderResult


class Cue(BaseModel):
    """From t_ms on the mouth makes this shape."""

    t_ms: int
    viseme: str | int
    weight: float = Field(description="How strongly, 0-1; 1 for REST.")

    @classmethod
    def all_of(cls, result: RenderResult) -> list[Cue]:
        """Those of a render."""
        return [cls(t_ms=cue.t_ms, viseme=cue.viseme, weight=cue.weight) for cue in result.mouth_cues]


class Eye(BaseModel):
    """A blink or a saccade."""

    t_ms: int
    event_type: Literal["blink", "saccade"]
    duration_ms: int
    direction: Literal["left", "right", "up", "down"] | None = Field(description="As the viewer sees it.")


class Word(BaseModel):
    """A word of the text and when it sounds."""

    text: str
    start_ms: int
    end_ms: int
    start_char: int
    end_char: int

    @classmethod
    def all_of(cls, result: RenderResult) -> list[Word]:
        """Those of a render."""
        return [
            cls(
                text=word.text,
                start_ms=round(word.start_s * 1000),
                end_ms=round(word.end_s * 1000),
                start_char=word.start_char,
                end_char=word.end_char,
            )
            for word in result.words
        ]


class Shapes(BaseModel):
    """ARKit blend shapes, frame by frame."""

    fps: int
    names: list[str]
    frames: list[list[float]]

    @classmethod
    def of(cls, shapes: BlendShapes) -> Shapes:
        """The same for HTTP."""
        return cls(fps=shapes.fps, names=list(shapes.names), frames=shapes.rows())


class StageTime(BaseModel):
    """What became of the calls of a stage."""

    ms: float = Field(description="From the first call to the last value.")
    calls: int
    cached: int = Field(description="Calls whose value was there, or was being made for somebody else.")


class UsedVoice(BaseModel):
    """What spoke."""

    voice_id: str = Field(description="As it was asked for.")
    speaker: str | None
    speed: float = Field(description="Of the voice that spoke.")
    language: str
    tts: str = Field(description="The voice that spoke.")
    engine: str | None = Field(default=None, description="What changed it, if anything.")
    model: str | None = Field(default=None, description="File of the voice model.")
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="Of the engine, all of them.")

    @classmethod
    def of(cls, request: RenderRequest, language: str) -> UsedVoice:
        """From a request whose voice is chosen."""
        change = request.conversion
        return cls(
            voice_id=request.character or request.voice_id,
            speaker=request.speaker,
            speed=request.speed,
            language=language,
            tts=request.voice_id,
            engine=change.engine if change else None,
            model=(change.model or None) if change else None,
            parameters=json.loads(change.parameters) if change else {},
        )


class LipSyncUsed(BaseModel):
    """What moved the mouth."""

    engine: str
    method: str = Field(description="What was really done; several with commas between.")
    confidence: float = Field(description="0-1: how far the mouth can be trusted.")
    notes: list[str] = Field(description="What was odd, in sentences.")

    @classmethod
    def of(cls, summary: LipSyncSummary | None) -> LipSyncUsed | None:
        """The same for HTTP."""
        return cls(**{**vars(summary), "notes": list(summary.notes)}) if summary else None


class VideoMade(BaseModel):
    """A finished video."""

    url: str = Field(description="MP4: H.264 and AAC.")
    thumbnail_url: str = Field(description="JPEG of the first frame.")
    width: int
    height: int
    fps: int
    frames: int
    size_bytes: int
    av_offset_ms: float = Field(description="End of the picture less end of the sound, as a player shows them.")

    @classmethod
    def of(cls, result: RenderResult, base: str) -> VideoMade | None:
        """With addresses on the server's own."""
        if result.video is None:
            return None
        thumbnail = f"{base}/v1/avatar/render/{result.render_id}/thumbnail.jpg"
        return cls(url=f"{base}/download/{result.render_id}.mp4", thumbnail_url=thumbnail, **vars(result.video))


class RenderResponse(BaseModel):
    """A completed render."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "render_id": "5f0c6a9e2b7d4c1f8e3a6b9d0c2f4e71",
                    "status": "completed",
                    "audio_url": "http://127.0.0.1:8000/audio/5f0c6a9e2b7d4c1f8e3a6b9d0c2f4e71.ogg",
                    "duration_ms": 2340,
                    "mouth_cues": [
                        {"t_ms": 0, "viseme": "REST", "weight": 1.0},
                        {"t_ms": 120, "viseme": "AA", "weight": 0.85},
                    ],
                    "eye_events": [
                        {"t_ms": 1500, "event_type": "blink", "duration_ms": 150, "direction": None},
                    ],
                    "cached": False,
                    "processing_time_ms": 152.3,
                }
            ]
        }
    )

    render_id: str
    status: Literal["completed"] = "completed"
    audio_url: str
    duration_ms: int
    mouth_cues: list[Cue] = Field(description="A step function: each holds until the next.")
    eye_events: list[Eye]
    cached: bool = Field(description="True: nothing was computed for this request.")
    processing_time_ms: float
    words: list[Word]
    blend_shapes: Shapes | None = Field(default=None, description="Only for viseme_set arkit.")
    captions_url: str = Field(description="WebVTT; .srt in its place gives SubRip.")
    viseme_set: VisemeSet
    timing: Timing
    text: str = Field(description="What is said, or was recognised; offsets of words refer to it.")
    audio_filename: str | None = Field(default=None, description="The recording, where it is one.")
    voice: UsedVoice | None = Field(description="null for a recording.")
    language: str | None = Field(description="null where nobody knows.")
    lipsync: LipSyncUsed | None = Field(description="null for a render of an older release.")
    engines: dict[str, str]
    video: VideoMade | None = Field(default=None, description="Only where one was asked for.")
    timings: dict[str, StageTime] = Field(description="By stage; empty for an answer that was given before.")

    @classmethod
    def of(cls, result: RenderResult, audio_base: str, base: str, processing_time_ms: float) -> RenderResponse:
        """Adds addresses to a result.

        Args:
            result: the render.
            audio_base: put in front of /{id}.ogg.
            base: the server's own address, without a slash at the end.
            processing_time_ms: as the client sees it, but for the way there and back.
        """
        request = result.request
        return cls(
            render_id=result.render_id,
            audio_url=f"{audio_base}/{result.render_id}.{result.audio_format}",
            duration_ms=result.duration_ms,
            mouth_cues=Cue.all_of(result),
            eye_events=_eyes(result),
            cached=result.cached,
            processing_time_ms=round(processing_time_ms, 1),
            words=Word.all_of(result),
            blend_shapes=Shapes.of(result.blend_shapes) if result.blend_shapes else None,
            captions_url=f"{base}/v1/avatar/render/{result.render_id}/captions.vtt",
            viseme_set=request.viseme_set,
            timing=request.timing,
            text=result.text,
            audio_filename=request.audio or None,
            voice=None if request.audio else UsedVoice.of(request, result.language),
            language=result.language or None,
            lipsync=LipSyncUsed.of(result.lipsync),
            engines=result.engines,
            video=VideoMade.of(result, base),
            timings={name: StageTime(**vars(stage)) for name, stage in result.stages.items()},
        )


def _eyes(result: RenderResult) -> list[Eye]:
    return [
        Eye(
            t_ms=round(event.start_s * 1000),
            event_type=event.type,
            duration_ms=round(event.duration_s * 1000),
            direction=event.direction,
        )
        for event in result.eye_events
    ]
