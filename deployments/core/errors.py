"""Every error that a user can meet, as one tree.

    AvatarError 500
    ├── BadInput 422 ── NothingToSpeak, UnknownVoice, VoiceNotInstalled, UnknownSpeaker, BadModel, BadRecording,
    │                   BadPicture, NoFace, EngineNotInstalled, IdempotencyMismatch
    ├── Unauthorized 401
    ├── Forbidden 403
    ├── NotFound 404 ── UploadNotFound
    ├── TooSlow 408
    ├── Conflict 409
    ├── BodyTooLarge 413 ── RecordingTooLong
    ├── TooManyRequests 429 ── QueueFull, RateLimited, TooManyJobs
    ├── HeadersTooLarge 431
    ├── SynthesisFailed, LipSyncFailed, FilmingFailed 500
    ├── StorageFailed 507
    ├── DownloadFailed 502
    ├── Unavailable 503 ── StageChanged
    ├── TimedOut 504 ── StillRunning
    └── JobFailed (as what the job failed of)

Status and code stand on the class, and the constructor takes one positional message: pickling hands a new object that
alone, and then its attributes. So what else an error carries is a keyword with a default, kept as an attribute.
`serve_app/api/errors.py` is the one place that turns errors into HTTP.
The message of a 5xx is for the log; clients of a 5xx get `public` instead.
"""

from __future__ import annotations


class AvatarError(Exception):
    """Base of the tree.

    Attributes:
        status: HTTP status that the error maps to.
        code: stable, machine-readable name.
        public: what a client may read when the status is 5xx.
        hint: the next step for the user, or None.
    """

    status: int = 500
    code: str = "internal_error"
    public: str = "Something failed inside the server."

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


class BadModel(BadInput):
    """A weight file that is damaged, unsafe, or of a kind that the engine does not run; names the file and why."""

    code = "bad_model"


class BadRecording(BadInput):
    """A file that is no sound, damaged, cut short, or more than one thing at once; says which."""

    code = "bad_recording"


class BadPicture(BadInput):
    """A file that is no picture, damaged, cut short, too large, or more than one thing at once; says which."""

    code = "bad_picture"


class NoFace(BadInput):
    """Nobody can be seen in a picture, or not well enough to talk; says which."""

    code = "no_face"


class EngineNotInstalled(BadInput):
    """An engine runs a program of the user's, which is not on this machine."""

    code = "engine_not_installed"


class IdempotencyMismatch(BadInput):
    """An Idempotency-Key that was used for another request."""

    code = "idempotency_mismatch"


class Unauthorized(AvatarError):
    """No API key came with the request, or one that nobody was given."""

    status = 401
    code = "unauthorized"


class Forbidden(AvatarError):
    """The API key is known and does not allow this."""

    status = 403
    code = "forbidden"


class NotFound(AvatarError):
    """No such render, file or route."""

    status = 404
    code = "not_found"


class UploadNotFound(NotFound):
    """Nobody uploaded that file, or it has expired."""

    code = "upload_not_found"


class TooSlow(AvatarError):
    """The body of the request did not come in time."""

    status = 408
    code = "too_slow"


class Conflict(AvatarError):
    """What is asked for does not fit the state that things are in, such as cancelling what has ended."""

    status = 409
    code = "conflict"


class BodyTooLarge(AvatarError):
    """The body has more bytes than the route takes."""

    status = 413
    code = "body_too_large"


class RecordingTooLong(BodyTooLarge):
    """It lasts longer than the server takes."""

    code = "recording_too_long"


class TooManyRequests(AvatarError):
    """The server has taken on as much as it may.

    Attributes:
        retry_after_s: seconds that the client should wait.
    """

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: float = 2) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s  # by default about the time of one short render


class QueueFull(TooManyRequests):
    """As many renders wait as may wait."""

    code = "queue_full"


class RateLimited(TooManyRequests):
    """The API key has started as many renders in a minute as it may."""

    code = "rate_limited"


class TooManyJobs(TooManyRequests):
    """The API key has as many jobs at work or waiting as it may."""

    code = "too_many_jobs"


class HeadersTooLarge(AvatarError):
    """The request has more headers, or more bytes in them, than the server takes."""

    status = 431
    code = "headers_too_large"


class SynthesisFailed(AvatarError):
    """The voice model failed on this text."""

    code = "synthesis_failed"
    public = "The voice could not speak this text."


class LipSyncFailed(AvatarError):
    """An engine failed on a speech: another one may not."""

    code = "lipsync_failed"
    public = "The engine of the lip sync failed on this recording."


class FilmingFailed(AvatarError):
    """An avatar engine, or the encoder, failed on a portrait."""

    code = "filming_failed"
    public = "The video of this portrait could not be made."


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


class StillRunning(TimedOut):
    """Nobody waits any longer, but the job goes on.

    Attributes:
        render_id: of the job: its result can be asked for.
    """

    def __init__(self, message: str, *, hint: str | None = None, render_id: str = "") -> None:
        super().__init__(message, hint=hint)
        self.render_id = render_id


class JobFailed(AvatarError):
    """A job that somebody waits for has failed: says so as the error did that it failed of."""

    def __init__(
        self, message: str, *, hint: str | None = None, status: int = 500, code: str = AvatarError.code
    ) -> None:
        super().__init__(message, hint=hint)
        self.public = message  # it was made for the user's eyes when the job failed
        self.status = status
        self.code = code
