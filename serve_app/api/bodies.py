"""HTTP bodies of requests for a render."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from deployments.core.errors import BadInput
from deployments.core.types import CacheUse, Priority, RenderRequest, Timing, VisemeSet

from .voice_schemas import VoiceChange

EXAMPLE: dict[str, JsonValue] = {"text": "Hello, I am a talking avatar!", "voice_id": "en_US-joe-medium", "speed": 1.0}
RECORDED: dict[str, JsonValue] = {
    "audio_filename": "0f343b0931126a20f133d67c2b018a3b.wav",
    "text": "What is said in it, if you know.",
    "language": "en_US",
}
UPLOAD_NAME = r"^[0-9a-f]{32}\.wav$"


TEXT_HINT = "text is plain text of 1 to 5000 characters."


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must hold more than spaces")
    return text


PlainText = Annotated[
    str,
    Field(min_length=1, max_length=5000, description="Plain text, 1-5000 characters."),
    AfterValidator(_not_blank),
]
"""What is to be spoken."""

UploadName = Annotated[
    str,
    Field(
        pattern=UPLOAD_NAME, description="filename of an upload (POST /upload/audio): a recording in place of a voice."
    ),
]
LipSyncName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        description="auto (the best that the input allows), phonemes (of a voice), align (a recording with its text), "
        "recognize (without), rhubarb; those of them that the server has.",
    ),
]
Language = Annotated[
    str, Field(min_length=2, max_length=20, description="Of the recording: en_US, de; left out where nobody knows.")
]
_EITHER: dict[str, JsonValue] = {
    "examples": [EXAMPLE, RECORDED],
    "anyOf": [{"required": ["text"]}, {"required": ["audio_filename"]}],
}
_KEEPS_ITS_VOICE = ("voice_id", "speaker", "voice")


class RenderBody(BaseModel):
    """A text to be spoken, or a recording of speech."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_EITHER)

    text: PlainText | None = None
    audio_filename: UploadName | None = None
    language: Language | None = None
    lipsync: LipSyncName = "auto"
    voice_id: Annotated[
        str | None, Field(max_length=200, description="See GET /v1/voices; the server's default voice if left out.")
    ] = None
    speed: Annotated[float, Field(ge=0.5, le=2.0, allow_inf_nan=False, description="2 speaks twice as fast.")] = 1.0
    speaker: Annotated[
        str | None, Field(max_length=200, description="Name or number, for voices with several speakers.")
    ] = None
    viseme_set: Annotated[VisemeSet, Field(description="The alphabet of mouth_cues.")] = "basic"
    timing: Annotated[
        Timing, Field(description="natural has mouth lead and coarticulation; exact has the times of the speech.")
    ] = "natural"

    cache: Annotated[
        CacheUse,
        Field(description="bypass: nothing is read or kept; refresh: all is computed and replaces the old."),
    ] = "use"

    priority: Annotated[
        Priority | None,
        Field(
            description="Class in the queue; by default high for who waits, normal for a job, as far as the key allows."
        ),
    ] = None
    voice: Annotated[
        VoiceChange | None,
        Field(description="What becomes of the voice. Of a character it changes what is named, and keeps the rest."),
    ] = None
    callback_url: Annotated[
        str | None, Field(max_length=2048, description="Is sent a signed POST when the job has ended.")
    ] = None

    def to_request(self) -> RenderRequest:
        """The same without HTTP.

        Raises:
            BadInput: fields that do not go together.
        """
        self._check()
        return RenderRequest(
            self.text or "",
            self.voice_id or "",
            self.speed,
            self.speaker,
            viseme_set=self.viseme_set,
            timing=self.timing,
            cache=self.cache,
            conversion=self.voice.to_conversion() if self.voice else None,
            lipsync=self.lipsync,
            audio=self.audio_filename or "",
            language=self.language or "",
        )

    def _check(self) -> None:
        if self.audio_filename is None:
            if self.text is None:
                raise BadInput("text: is required.", hint=f"{TEXT_HINT} Or audio_filename names a recording.")
            if self.language is not None:
                raise BadInput("language: a voice has its own.", hint="It is that of a recording: leave it out.")
            return
        chosen = [name for name in _KEEPS_ITS_VOICE if getattr(self, name) is not None]
        chosen += ["speed"] if self.speed != 1.0 else []
        if chosen:
            raise BadInput(
                f"{', '.join(chosen)}: a recording keeps its own voice.",
                hint="Leave out voice_id, speaker, speed and voice, or send a text without audio_filename.",
            )
