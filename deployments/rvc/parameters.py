"""What every engine of the room takes from a request."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_PITCH = {"type": "number", "description": "Octaves, instead of pitch_semitones: 0.12 is 1.44 semitones."}


class Pitched(BaseModel):
    """Base of the engines' `Parameters`. `pitch` in octaves is understood too: 0.12 is 1.44 semitones."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra=lambda schema: schema["properties"].update(pitch=_PITCH),
    )

    pitch_semitones: float = Field(default=0.0, ge=-24, le=24, allow_inf_nan=False, description="Up or down.")

    @model_validator(mode="before")
    @classmethod
    def _octaves(cls, given: Any) -> Any:
        if not isinstance(given, dict) or type(given.get("pitch")) not in (int, float):
            return given  # anything else that is called pitch is refused as an unknown field
        if "pitch_semitones" in given:
            raise ValueError("give pitch_semitones or pitch (in octaves), not both")
        rest = {name: value for name, value in given.items() if name != "pitch"}
        return {**rest, "pitch_semitones": given["pitch"] * 12}

    @field_validator("pitch_semitones")
    @classmethod
    def _one_spelling(cls, semitones: float) -> float:
        # A thousandth of a semitone is not heard; 0.1 octaves and 1.2 semitones are one wish, and so are 0 and -0.
        return round(semitones, 3) + 0.0
