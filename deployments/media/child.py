"""Runs programs of ours on a stranger's file: each in a process of its own that dies alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from deployments.core.errors import AvatarError, BadPicture, BadRecording, RecordingTooLong

_DECODING, _PICTURES = "deployments.media.decoding", "deployments.media.pictures"
_TIMEOUT_S = 300
"""An hour of sound takes 15 s on an idle machine."""
_MAX_ANSWER_BYTES = 262_144
"""The landmarks of one face take 9,000, and at most eight are described."""
_ERRORS = {kind.code: kind for kind in (BadRecording, RecordingTooLong, BadPicture)}


async def decode(source: Path, target: Path, max_seconds: float) -> dict[str, Any]:
    """What `decoding.Found` has, as plain values; the WAV is at `target` then.

    Raises:
        BadRecording: also where FFmpeg died of it, or did not come to an end.
        RecordingTooLong
    """
    try:
        said = await run(_DECODING, str(source), str(target), str(max_seconds))
    except TimeoutError:
        raise BadRecording("file: it cannot be read in any reasonable time.", hint=_SOUND_HINT) from None
    died = BadRecording("file: it is damaged in a way that the decoder died of.", hint=_SOUND_HINT)
    return _answer(said, died)


async def picture(source: Path, target: Path, max_pixels: int) -> dict[str, Any]:
    """What `pictures.Found` has, as plain values; the PNG is at `target` then.

    Raises:
        BadPicture: also where Pillow died of it, or did not come to an end.
    """
    try:
        said = await run(_PICTURES, str(source), str(target), str(max_pixels))
    except TimeoutError:
        raise BadPicture("image: it cannot be read in any reasonable time.", hint=_PICTURE_HINT) from None
    return _answer(said, BadPicture("image: it is damaged in a way that the decoder died of.", hint=_PICTURE_HINT))


async def run(program: str, *arguments: str) -> bytes:
    """What a program of ours says on stdout; as far as it came, where it died.

    Args:
        program: dotted name of its module.
        arguments: of the program.

    Raises:
        TimeoutError
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        env=_environment(),
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            said = await _first(process.stdout, _MAX_ANSWER_BYTES)
            await process.wait()
            return said
    finally:
        if process.returncode is None:  # out of time, or whoever asked has left
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _environment() -> dict[str, str]:
    """Where Python and its libraries are, and none of the secrets that may stand in ours."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}


async def _first(stream: asyncio.StreamReader | None, most_bytes: int) -> bytes:
    """All that comes, up to so many bytes."""
    assert stream
    try:
        return await stream.readexactly(most_bytes)
    except asyncio.IncompleteReadError as error:
        return error.partial


_SOUND_HINT = "Convert it to WAV and send that."
_PICTURE_HINT = "Convert it to PNG and send that."


def _answer(said: bytes, died: AvatarError) -> dict[str, Any]:
    try:
        answer = json.loads(said)
    except ValueError:
        raise died from None
    if "found" in answer:
        found: dict[str, Any] = answer["found"]
        return found
    raise _ERRORS[answer["error"]](answer["message"], hint=answer["hint"])
