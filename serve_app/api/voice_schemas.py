"""The field `voice` of a request, and the entries of GET /v1/voices."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.types import Conversion
from deployments.rvc.engines import rvc, world
from deployments.tts.voices import VoiceInfo

from ..cast import CharacterInfo


class WorldVoice(world.Parameters):
    """An effect on the voice: pitch and formants."""

    model_config = ConfigDict(strict=True)

    engine: Literal["world"]

    def to_conversion(self) -> Conversion:
        """The same without HTTP; what was left out stays out."""
        return Conversion(self.engine, "", json.dumps(self.model_dump(exclude_unset=True, exclude={"engine"})))


class RvcVoice(rvc.Parameters):
    """Another voice, by a model of RVC."""

    model_config = ConfigDict(strict=True)

    engine: Literal["rvc"]
    model: Annotated[
        str, Field(max_length=200, description="File of the voice model; that of the character voice_id if left out.")
    ] = ""

    def to_conversion(self) -> Conversion:
        """The same without HTTP; what was left out stays out."""
        given = self.model_dump(exclude_unset=True, exclude={"engine", "model"})
        return Conversion(self.engine, self.model, json.dumps(given))


VoiceChange = Annotated[WorldVoice | RvcVoice, Field(discriminator="engine")]


class VoiceEntry(BaseModel):
    """A voice that is installed or can be, or a character made of one."""

    voice_id: str
    name: str
    language: str
    language_name: str
    country: str
    quality: str
    speakers: list[str] = Field(description="Empty for one speaker, and until the voice is installed.")
    installed: bool = Field(description="Whether it can speak now.")
    size_mb: float
    download: str | None = Field(description="The command that installs it.")
    character: CharacterEntry | None = Field(default=None, description="For a character: what it is made of.")

    @classmethod
    def of(cls, voice: VoiceInfo) -> VoiceEntry:
        """From what is known of the voice."""
        installed = voice.model is not None
        return cls(
            voice_id=voice.voice_id,
            name=voice.name,
            language=voice.language,
            language_name=voice.language_name,
            country=voice.country,
            quality=voice.quality,
            speakers=list(voice.speakers),
            installed=installed,
            size_mb=round(voice.size_bytes / 1e6, 1),
            download=None if installed else voice.download_command,
        )

    @classmethod
    def of_character(cls, info: CharacterInfo) -> VoiceEntry:
        """From what is known of the character."""
        own, voice = info.character, info.voice
        made_of = CharacterEntry(
            tts=voice.voice_id if voice else own.tts, engine=own.engine, model=own.model, lacks=list(info.lacks)
        )
        return cls(
            voice_id=own.name,
            name=own.name,
            language=voice.language if voice else "",
            language_name=voice.language_name if voice else "",
            country=voice.country if voice else "",
            quality=voice.quality if voice else "",
            speakers=[],
            installed=not info.lacks,
            size_mb=round(voice.size_bytes / 1e6, 1) if voice else 0.0,
            download=None,
            character=made_of,
        )


class CharacterEntry(BaseModel):
    """What a character is made of."""

    tts: str = Field(description="The voice that speaks.")
    engine: str = Field(description="What changes it.")
    model: str = Field(description="File of the voice model; empty for an effect.")
    lacks: list[str] = Field(description="What is missing, with the command that installs it.")


class VoiceList(BaseModel):
    """All voices."""

    default: str
    voices: list[VoiceEntry]


VoiceEntry.model_rebuild()
