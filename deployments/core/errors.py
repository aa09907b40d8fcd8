"""Every error that a user can meet, as one tree.

    AvatarError 500
    ├── BadInput 422 ── NothingToSpeak, UnknownVoice, VoiceNotInstalled, UnknownSpeaker
    ├── NotFound 404
    ├── TooManyRequests 429
    ├── SynthesisFailed 500
    ├── StorageFailed 507
    ├── DownloadFailed 502
    ├── Unavailable 503 ── StageChanged
    └── TimedOut 504

Status and code stand on the class, and the constructor takes one positional message: anything else does not survive
pickling between replicas. `serve_app/api/errors.py` is the one place that turns them into HTTP.
The message of a 5xx is for the log; clients of a 5xx get `public` instead.
"""

from __future__ import annotations

from typing import ClassVar


class AvatarError(Exception):
    """Base of the tree.

    Attributes:
        status: HTTP status that the error maps to.
        code: stable, machine-readable name.
        public: what a client may read when the status is 5xx.
        hint: the next step for the user, or None.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    public: ClassVar[str] = "Something failed inside the server."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class BadInput(AvatarError):
    """The request cannot be served as it is; trying again does not help."""

    status = 422
    code = "invalid_request"


class NothingToSpeak(BadInput):
    """The text holds nothing that the voice can say."""

    code = "nothing_to_speak"


class UnknownVoice(BadInput):
    """No voice of that name exists."""

    code = "unknown_voice"


class VoiceNotInstalled(BadInput):
    """The voice is in the catalogue but its files are not on this machine."""

    code = "voice_not_installed"


class UnknownSpeaker(BadInput):
    """The voice has no such speaker."""

    code = "unknown_speaker"


class NotFound(AvatarError):
    """No such render, file or route."""

    status = 404
    code = "not_found"


class TooManyRequests(AvatarError):
    """The server works on as many renders as it may and its queue is full."""

    status = 429
    code = "too_many_requests"
    retry_after_s: ClassVar[int] = 2
    """Seconds a client should wait: about the time of one short render."""


class SynthesisFailed(AvatarError):
    """The voice model failed on this text."""

    code = "synthesis_failed"
    public = "The voice could not speak this text."


class DownloadFailed(AvatarError):
    """A voice file did not arrive whole."""

    status = 502
    code = "download_failed"
    public = "A file could not be downloaded."


class StorageFailed(AvatarError):
    """The result could not be written."""

    status = 507
    code = "storage_failed"
    public = "The server cannot store the result: its disk is full or read-only."


class Unavailable(AvatarError):
    """A stage has no healthy replica right now."""

    status = 503
    code = "unavailable"
    public = "A part of the server is starting or restarting."


class StageChanged(Unavailable):
    """The stage runs another engine than its caller thinks: a new release is rolling out."""

    code = "stage_changed"


class TimedOut(AvatarError):
    """A stage, or a render as a whole, took longer than its limit."""

    status = 504
    code = "timed_out"
    public = "The render took longer than the server allows."
