"""What is known of a finished render, and the files it is made of."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from deployments.cache.made import Tally
from deployments.core.types import Conversion, EyeEvent, LipSyncSummary, RenderRequest, Take, VisemeSet, WordSpan
from deployments.core.video import Filming, Video
from deployments.media import captions, encoding
from deployments.media.projection import BlendShapes, MouthCue, arkit, mouth_cues

RowT = TypeVar("RowT")


def new_render_id() -> str:
    """128 random bits: who has the ID may fetch the media."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class StageTiming:
    """What became of the calls of a stage."""

    ms: float
    """From the first call to the last value."""
    calls: int
    cached: int
    """Calls whose value was there, or was being made for somebody else."""


@dataclass(frozen=True)
class VideoSummary:
    """A finished video, but its bytes."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fps: int
    """Frames in a second."""
    frames: int
    av_offset_ms: float
    """End of the picture less end of the sound, as a player shows them."""
    size_bytes: int
    """Of video.mp4."""

    @classmethod
    def of(cls, video: Video) -> VideoSummary:
        """What is told of it."""
        return cls(video.width, video.height, video.fps, video.frames, video.av_offset_ms, len(video.mp4))


@dataclass(frozen=True, eq=False)
class RenderResult:
    """All of a finished render but its media bytes."""

    render_id: str
    request: RenderRequest
    duration_ms: int
    audio_format: str
    """ogg, or wav where Opus encoding failed."""
    mouth_cues: tuple[MouthCue, ...]
    """Empty for arkit."""
    blend_shapes: BlendShapes | None
    """Only for arkit."""
    eye_events: tuple[EyeEvent, ...]
    words: tuple[WordSpan, ...]
    language: str
    engines: dict[str, str]
    """Room -> engine."""
    text: str = ""
    """What is said; offsets of words refer to it."""
    lipsync: LipSyncSummary | None = None
    """None: not known, of an older release."""
    stages: dict[str, StageTiming] = field(default_factory=dict)
    """Stage -> what became of its calls."""
    cached: bool = False
    """True: nothing was computed for it."""
    release: str = ""
    """Of the server that made it; empty where stages of two releases did."""
    ref: str = ""
    """Folder of its files; empty: that of its render_id."""
    video: VideoSummary | None = None
    """None: none was asked for."""

    @property
    def folder(self) -> str:
        """Name of the folder in which its files are."""
        return self.ref or self.render_id

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory: a small frozen dataclass is 250 bytes with its numbers."""
        spans = len(self.mouth_cues) + len(self.eye_events) + len(self.words) + 4
        return 250 * spans + 8 * len(self.text) + (self.blend_shapes.frames.nbytes if self.blend_shapes else 0)


def read(content: bytes) -> RenderResult:
    """The result that a response.json says; what this release does not know is passed over."""
    plain = json.loads(content)
    known = {each.name for each in fields(RenderResult)}
    shapes = plain.pop("blend_shapes")
    lipsync = plain.get("lipsync")
    return RenderResult(
        **{
            **{name: value for name, value in plain.items() if name in known},
            "request": _request(plain["request"]),
            "text": plain.get("text", plain["request"]["text"]),
            "video": plain.get("video") and _dataclass(VideoSummary, plain["video"]),
            "lipsync": lipsync and LipSyncSummary(**{**lipsync, "notes": tuple(lipsync["notes"])}),
            "mouth_cues": tuple(_dataclass(MouthCue, each) for each in plain["mouth_cues"]),
            "eye_events": tuple(_dataclass(EyeEvent, each) for each in plain["eye_events"]),
            "words": tuple(_dataclass(WordSpan, each) for each in plain["words"]),
            "stages": {stage: _dataclass(StageTiming, each) for stage, each in plain["stages"].items()},
            "blend_shapes": shapes
            and BlendShapes(shapes["fps"], tuple(shapes["names"]), np.array(shapes["frames"], np.float32)),
        }
    )


def _request(plain: Mapping[str, Any]) -> RenderRequest:
    conversion, filming = plain.get("conversion"), plain.get("video")
    parts = {
        "conversion": _dataclass(Conversion, conversion) if conversion else None,
        "video": _dataclass(Filming, filming) if filming else None,
    }
    return _dataclass(RenderRequest, {**plain, **parts})


def _dataclass(kind: type[RowT], plain: Mapping[str, Any]) -> RowT:
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in plain.items() if name in known})


def describe(
    render_id: str,
    request: RenderRequest,
    take: Take,
    language: str,
    engines: dict[str, str],
    tallies: Mapping[str, Tally],
    video: Video | None = None,
) -> RenderResult:
    """Projects a take onto the viseme set that was asked for."""
    stages = {
        stage: StageTiming(round(tally.seconds * 1000, 1), tally.calls, tally.cached)
        for stage, tally in tallies.items()
    }
    converter = {"rvc": request.conversion.engine} if request.conversion else {}
    voice = {} if request.audio else {**engines, **converter}
    filmed = {"avatar": request.video.engine} if request.video else {}
    animation = take.animation
    viseme_set: VisemeSet = request.viseme_set
    shapes = arkit(animation.visemes, animation.eyes) if viseme_set == "arkit" else None
    return RenderResult(
        render_id=render_id,
        request=request,
        duration_ms=round(animation.duration_s * 1000),
        audio_format="ogg" if take.ogg else "wav",
        mouth_cues=() if shapes else mouth_cues(animation.visemes, viseme_set),
        blend_shapes=shapes,
        eye_events=animation.eyes.events,
        words=animation.words,
        language=language,
        engines={**voice, "lipsync": take.lipsync.engine, **filmed},
        text=take.text,
        lipsync=take.lipsync,
        stages=stages,
        cached=all(stage.calls == stage.cached for stage in stages.values()),
        video=VideoSummary.of(video) if video else None,
    )


def media_files(
    result: RenderResult, take: Take, recorded: Iterable[bytes] | None = None, video: Video | None = None
) -> dict[str, Iterable[bytes]]:
    """File name -> content, bit by bit: audio, captions and video.

    Args:
        result: of the take.
        take: what was made.
        recorded: the WAV file of a recording, which the take does not have.
        video: of the take.
    """
    files: dict[str, Iterable[bytes]] = {"audio.wav": recorded or (encoding.wav(take.animation.audio),)}
    if take.ogg:
        files["audio.ogg"] = (take.ogg,)
    for extension, write in captions.FORMATS.items():
        files[f"captions.{extension}"] = (write(take.text, result.words).encode(),)
    if video:
        files |= {"video.mp4": (video.mp4,), "thumbnail.jpg": (video.thumbnail,)}
    return files


def document(result: RenderResult) -> bytes:
    """Content of response.json."""
    return json.dumps(_plain(result), ensure_ascii=False).encode()


def _plain(result: RenderResult) -> dict[str, Any]:
    shapes = result.blend_shapes
    frames = {**vars(shapes), "frames": shapes.rows()} if shapes else None
    fields = {name: value for name, value in vars(result).items() if name != "blend_shapes"}
    return {**{name: _plain_value(value) for name, value in fields.items()}, "blend_shapes": frames}


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [asdict(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain_value(item) for name, item in value.items()}
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value
