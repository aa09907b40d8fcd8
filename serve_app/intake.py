"""Takes uploads in: a body that streams in -> a file -> what is decoded of it -> the store."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from deployments.core.errors import QueueFull, TooSlow
from deployments.media import child

from .sections import Limits
from .upload_store import SUFFIXES, UploadStore

logger = logging.getLogger("ray.serve")

_HEARING = "deployments.lipsync.hearing"
_LOOKING = "deployments.avatar.looking"
_AT_ONCE = 4
"""Uploads that are taken in at a time: each holds its body and its sound on the disk."""
_MAX_WAITING = 16
_WAIT_S = 30.0
"""For a turn: clients and proxies that hear nothing give up after 60 s."""
_BODY_S = 600
"""Seconds for a body: 200 MB at 3 Mbit/s."""
_CHUNK_BYTES = 1 << 18
_ALWAYS = {"duration_s", "sample_rate", "channels", "codec", "container", "peak", "rms_dbfs", "active_s"} | {
    *("silent", "notes", "size_bytes", "speech_share")
}
"""What is known of every upload."""


class Source(Protocol):
    """A file of a form, as Starlette has it."""

    async def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""


class Intake:
    """For one event loop."""

    def __init__(self, store: UploadStore, limits: Limits) -> None:
        """
        Args:
            store: where uploads are kept.
            limits: what is refused.
        """
        self.store = store
        self._limits = limits
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Entered before the body is read.

        Raises:
            QueueFull: too many wait already, or have waited too long.
            TooSlow: the body did not come in time.
        """
        if self._turns.locked() and self._waiting >= _MAX_WAITING:
            raise QueueFull("As many uploads as may wait are waiting.", hint="Try again in a few seconds.")
        self._waiting += 1
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._turns.acquire()
        except TimeoutError:
            raise QueueFull("Other uploads take long.", hint="Try again in a few seconds.") from None
        finally:
            self._waiting -= 1
        try:
            async with asyncio.timeout(_BODY_S):
                yield
        except TimeoutError:
            raise TooSlow(
                f"The body did not come within {_BODY_S} s.", hint="Send a smaller file, or over a faster line."
            ) from None
        finally:
            self._turns.release()

    async def take_audio(self, source: Source) -> dict[str, Any]:
        """Decodes and keeps a recording; the same bytes again are the same upload.

        Args:
            source: what was sent.

        Returns:
            Its name, and what was found in it (decoding.Found; size_bytes, speech_share), as plain values.

        Raises:
            BadRecording, RecordingTooLong, StorageFailed
        """
        with tempfile.TemporaryDirectory(prefix="avatar-upload-") as folder:
            sent, made = Path(folder) / "sent", Path(folder) / "made.wav"
            digest, size = await _spool(source, sent)
            name = f"{digest[:32]}.wav"
            known = await asyncio.to_thread(self.store.known, name)
            if known is None or not known.keys() >= _ALWAYS:  # or kept by a release that looked for less
                known = {**await child.decode(sent, made, self._limits.max_audio_seconds), "size_bytes": size}
                known["speech_share"] = 0.0 if known["silent"] else await _speech_share(made, known["peak"])
                await asyncio.to_thread(self.store.save, name, made, known)
        return {**known, "filename": name}

    async def take_picture(self, source: Source) -> dict[str, Any]:
        """Decodes and keeps a picture, and looks for faces in it; the same bytes again are the same upload.

        Args:
            source: what was sent.

        Returns:
            Its name, and what was found in it (pictures.Found; size_bytes; what looking.look says), as plain values.

        Raises:
            BadPicture, StorageFailed
        """
        with tempfile.TemporaryDirectory(prefix="avatar-upload-") as folder:
            sent, made = Path(folder) / "sent", Path(folder) / "made.png"
            digest, size = await _spool(source, sent)
            name = f"{digest[:32]}{SUFFIXES['image']}"
            known = await asyncio.to_thread(self.store.known, name)
            if known is None:
                most_pixels = round(self._limits.max_image_megapixels * 1e6)
                known = {**await child.picture(sent, made, most_pixels), "size_bytes": size, **await _faces(made)}
                await asyncio.to_thread(self.store.save, name, made, known)
        return {**known, "filename": name}


async def _faces(picture: Path) -> dict[str, Any]:
    """What looking.py says; who uses the picture looks again where that cannot be told."""
    try:
        seen: dict[str, Any] = json.loads(await child.run(_LOOKING, str(picture)))
    except (TimeoutError, ValueError):
        logger.warning("whether there is a face in an upload could not be told")
        return {"faces": [], "face": None, "problem": None, "face_notes": []}
    return seen


async def _speech_share(sound: Path, peak: float) -> float | None:
    """0-1; None where that cannot be told: nothing else depends on it."""
    try:
        share: float = json.loads(await child.run(_HEARING, str(sound), str(peak)))
    except (TimeoutError, ValueError):
        logger.warning("whether anybody speaks in an upload could not be told")
        return None
    return round(share, 3)


async def _spool(source: Source, target: Path) -> tuple[str, int]:
    """Writes it down; SHA-256 in hexadecimal digits, and bytes."""
    content, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        while chunk := await source.read(_CHUNK_BYTES):
            size += len(chunk)
            await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(content.update, chunk)
    return content.hexdigest(), size
