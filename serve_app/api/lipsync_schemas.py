"""HTTP bodies of POST /v1/avatar/lipsync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployments.core.errors import BadInput
from deployments.core.types import CacheUse, RenderRequest, Timing, VisemeSet

from ..results import RenderResult
from .bodies import RECORDED, Language, LipSyncName, PlainText, UploadName
from .schemas import Cue, LipSyncUsed, Shapes, Word

Format = Literal["json", "rhubarb", "tsv"]


class LipSyncFields(BaseModel):
    """How the lips are to be read; in a form beside the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Annotated[
        PlainText | None,
        Field(validation_alias=AliasChoices("text", "dialog"), description="What is said in it, if that is known."),
    ] = None
    language: Language | None = None
    lipsync: LipSyncName = "auto"
    viseme_set: Annotated[
        VisemeSet | None,
        Field(description="The alphabet of mouth_cues: basic if left out; Rhubarb's formats have their own."),
    ] = None
    timing: Annotated[
        Timing, Field(description="natural has mouth lead and coarticulation; exact has the times of the speech.")
    ] = "exact"
    format: Annotated[
        Format, Field(description="json: as a render has it; rhubarb, tsv: the files that Rhubarb Lip Sync writes.")
    ] = "json"
    cache: CacheUse = "use"

    @model_validator(mode="before")
    @classmethod
    def _once(cls, plain: Any) -> Any:
        if isinstance(plain, Mapping) and {"text", "dialog"} <= plain.keys():
            raise BadInput("text, dialog: they are two names of one field.", hint="Send one of them.")
        return plain

    @classmethod
    def read(cls, plain: Mapping[str, Any] | bytes) -> Any:
        """Of fields, or of a JSON document.

        Raises:
            RequestValidationError, BadInput
        """
        try:
            return cls.model_validate_json(plain) if isinstance(plain, bytes) else cls.model_validate(plain)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False)
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in problems]) from error

    def to_request(self, audio_filename: str) -> RenderRequest:
        """The same without HTTP.

        Raises:
            BadInput: fields that do not go together.
        """
        if self.format != "json" and self.viseme_set not in {None, "rhubarb"}:
            raise BadInput(
                f"viseme_set: the format {self.format} has Rhubarb's shapes.",
                hint="Leave it out, or take the format json.",
            )
        own: VisemeSet = "basic" if self.format == "json" else "rhubarb"
        return RenderRequest(
            self.text or "",
            "",
            viseme_set=self.viseme_set or own,
            timing=self.timing,
            cache=self.cache,
            lipsync=self.lipsync,
            audio=audio_filename,
            language=self.language or "",
        )


class LipSyncBody(LipSyncFields):
    """A recording that was uploaded before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**RECORDED, "format": "json"}]})

    audio_filename: UploadName


class LipSyncResponse(BaseModel):
    """The cues of a recording."""

    render_id: str
    status: Literal["completed"] = "completed"
    duration_ms: int
    mouth_cues: list[Cue] = Field(description="A step function: each holds until the next.")
    blend_shapes: Shapes | None = Field(default=None, description="Only for viseme_set arkit.")
    viseme_set: VisemeSet
    timing: Timing
    text: str = Field(description="What is said, or was recognised; offsets of words refer to it.")
    words: list[Word]
    language: str | None
    lipsync: LipSyncUsed | None
    audio_filename: str
    cached: bool
    processing_time_ms: float

    @classmethod
    def of(cls, result: RenderResult, processing_time_ms: float) -> LipSyncResponse:
        """Of a render of a recording."""
        request, shapes = result.request, result.blend_shapes
        return cls(
            render_id=result.render_id,
            duration_ms=result.duration_ms,
            mouth_cues=Cue.all_of(result),
            blend_shapes=Shapes.of(shapes) if shapes else None,
            viseme_set=request.viseme_set,
            timing=request.timing,
            text=result.text,
            words=Word.all_of(result),
            language=result.language or None,
            lipsync=LipSyncUsed.of(result.lipsync),
            audio_filename=request.audio,
            cached=result.cached,
            processing_time_ms=round(processing_time_ms, 1),
        )


class RhubarbMetadata(BaseModel):
    """As Rhubarb has it."""

    soundFile: str
    duration: float = Field(description="Seconds.")


class RhubarbCue(BaseModel):
    """As Rhubarb has it."""

    start: float = Field(description="Seconds.")
    end: float
    value: Literal["A", "B", "C", "D", "E", "F", "G", "H", "X"]


class RhubarbFile(BaseModel):
    """What Rhubarb Lip Sync writes with -f json."""

    metadata: RhubarbMetadata
    mouthCues: list[RhubarbCue]
