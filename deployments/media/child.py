"""Runs programs of ours on a stranger's file, `decoding` above all: each in a process of its own that dies alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from deployments.core.errors import BadRecording, RecordingTooLong

_PROGRAM = "deployments.media.decoding"
_TIMEOUT_S = 300
"""An hour of sound takes 15 s on an idle machine."""
_MAX_ANSWER_BYTES = 65_536
_ERRORS = {kind.code: kind for kind in (BadRecording, RecordingTooLong)}


async def decode(source: Path, target: Path, max_seconds: float) -> dict[str, Any]:
    """What `decoding.Found` has, as plain values; the WAV is at `target` then.

    Raises:
        BadRecording: also where FFmpeg died of it, or did not come to an end.
        RecordingTooLong
    """
    try:
        said = await run(_PROGRAM, str(source), str(target), str(max_seconds))
    except TimeoutError:
        raise BadRecording("file: it cannot be read in any reasonable time.", hint=_HINT) from None
    return _answer(said)


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


_HINT = "Convert it to WAV and send that."


def _answer(said: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(said)
    except ValueError:
        raise BadRecording("file: it is damaged in a way that the decoder died of.", hint=_HINT) from None
    if "found" in answer:
        found: dict[str, Any] = answer["found"]
        return found
    raise _ERRORS[answer["error"]](answer["message"], hint=answer["hint"])
