"""/v1/audio/speech and /v1/models: what OpenAI's clients expect, so that chat front ends speak with our voices.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from deployments.core.errors import NotFound
from deployments.core.types import RenderRequest, SpeechFormat
from deployments.lipsync.choice import AUTO
from deployments.media.speech_file import MEDIA_TYPES

from ..studio import Studio
from .access import Access, Caller
from .bodies import PlainText
from .error_schemas import errors
from .orders import order_of

MODELS = ("avatar-serve", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""Names that clients have as a default are understood; the voice decides what speaks."""
OPENAI_VOICES = (
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "juniper"),
    *("marin", "nova", "onyx", "sage", "shimmer", "verse"),
)
"""Clients that cannot be told another voice send one of these: the default voice speaks."""


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, or events with its parts.",
        "content": {media_type: {} for media_type in (*MEDIA_TYPES.values(), "text/event-stream")},
    },
    **errors(401, 403, 409, 413, 429, 504, 507),
}


class CustomVoice(BaseModel):
    """As OpenAI's clients name a voice of one's own."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="From GET /v1/voices.")


class SpeechBody(BaseModel):
    """A text to be spoken as an audio file."""

    model_config = ConfigDict(extra="forbid")

    input: PlainText
    model: Annotated[Literal[MODELS], Field(description="All are the same.")] = "avatar-serve"  # type: ignore[valid-type]
    voice: Annotated[
        str | CustomVoice | None,
        Field(description="From GET /v1/voices; OpenAI's own names give the server's default voice."),
    ] = None
    response_format: SpeechFormat = "mp3"
    speed: Annotated[
        float, Field(ge=0.25, le=4.0, allow_inf_nan=False, description="Below 0.5 and above 2 as 0.5 and 2.")
    ] = 1.0
    stream_format: Annotated[
        Literal["audio", "sse"], Field(description="audio: the bytes of the file; sse: events with parts in base64.")
    ] = "audio"
    instructions: Annotated[
        str | None, Field(max_length=5000, description="Understood by no Piper voice: passed over.")
    ] = None

    def to_request(self) -> RenderRequest:
        """The same without HTTP."""
        voice = self.voice.id if isinstance(self.voice, CustomVoice) else self.voice or ""
        return RenderRequest(
            self.input,
            "" if voice in OPENAI_VOICES else voice,
            min(2.0, max(0.5, self.speed)),
            speech_format=self.response_format,
            lipsync=AUTO,
        )


class Model(BaseModel):
    """As OpenAI has it."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "avatar-serve"


class ModelList(BaseModel):
    """As OpenAI has it."""

    object: Literal["list"] = "list"
    data: list[Model]


def router(studio: Studio, access: Access) -> APIRouter:
    """
    Args:
        studio: does the work.
        access: who may ask.
    """
    routes = APIRouter(tags=["OpenAI-compatible"])
    user = Depends(access.user)

    @routes.post("/v1/audio/speech", response_class=StreamingResponse, responses=_ANSWERS)
    async def speech(body: SpeechBody, request: Request, caller: Caller = user) -> StreamingResponse:
        """An audio file, sent sentence by sentence as it is spoken."""
        parts = studio.narrate(body.to_request(), order_of(caller, request))
        first = await anext(parts, b"")  # what is wrong with the request is said before the first byte
        whole = _rest(first, parts)
        if body.stream_format == "sse":
            return StreamingResponse(_sse(whole, body), media_type="text/event-stream")
        return StreamingResponse(whole, media_type=MEDIA_TYPES[body.response_format])

    @routes.get("/v1/models", responses=errors(401))
    async def models(_caller: Caller = user) -> ModelList:
        """Names that /v1/audio/speech takes as its model."""
        return ModelList(data=[Model(id=name) for name in MODELS])

    @routes.get("/v1/models/{model}", responses=errors(401, 404))
    async def model(model: str, _caller: Caller = user) -> Model:
        """One of them."""
        if model not in MODELS:
            raise NotFound(f"There is no model {model[:40]}.", hint="GET /v1/models lists all of them.")
        return Model(id=model)

    return routes


async def _rest(first: bytes, parts: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for part in parts:
            yield part
    finally:
        await parts.aclose()


async def _sse(parts: AsyncIterator[bytes], body: SpeechBody) -> AsyncIterator[str]:
    async for part in parts:
        yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()})
    # Tokens are what OpenAI charges by; here nothing is, and characters are what there is to count.
    usage = {"input_tokens": len(body.input), "output_tokens": 0, "total_tokens": len(body.input)}
    yield _event({"type": "speech.audio.done", "usage": usage})


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"
