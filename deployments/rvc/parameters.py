"""What every engine of the room takes from a request."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Pitched(BaseModel):
    """Base of the engines' `Parameters`. `pitch` in octaves is understood too: 0.12 is 1.44 semitones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pitch_semitones: float = Field(default=0.0, ge=-24, le=24, allow_inf_nan=False, description="Up or down.")

    @model_validator(mode="before")
    @classmethod
    def _octaves(cls, given: Any) -> Any:
        if not (isinstance(given, dict) and isinstance(given.get("pitch"), int | float)):
            return given  # anything else that is called pitch is refused as an unknown field
        if "pitch_semitones" in given:
            raise ValueError("give pitch_semitones or pitch (in octaves), not both")
        rest = {name: value for name, value in given.items() if name != "pitch"}
        return {**rest, "pitch_semitones": given["pitch"] * 12}
