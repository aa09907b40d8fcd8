"""The sound of an uploaded recording, read piece by piece: half an hour is 86 MB, and never whole in memory."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deployments.core.errors import UploadNotFound
from deployments.core.types import AudioClip
from deployments.lipsync.pieces import WINDOW_S

from .result_store import ResultFile

_SAMPLE_BYTES = 2
_HEAD_BYTES = 4096
"""The chunk with the samples begins within them: we wrote the file ourselves."""
_SCAN_S = 10
"""Read at a time when levels are measured: half a megabyte."""


class RecordedSound:
    """An upload: 16-bit mono PCM in a WAV file, as UploadStore keeps it. Blocking."""

    def __init__(self, name: str, file: ResultFile) -> None:
        """
        Args:
            name: of the upload.
            file: its content.

        Raises:
            UploadNotFound: it is gone, or no file of ours.
        """
        self._name = name
        self._file = file
        with self._whole():
            head = b"".join(file.read(0, min(_HEAD_BYTES, file.size_bytes)))
            self.sample_rate, self._start, length = _layout(head)
            self.samples = min(length, file.size_bytes - self._start) // _SAMPLE_BYTES
            """Samples in all."""

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.samples / self.sample_rate

    @property
    def window(self) -> int:
        """Samples of one level."""
        return round(WINDOW_S * self.sample_rate)

    def levels(self) -> NDArray[np.float32]:
        """(N,) float32: mean square of each window; the last one may be shorter."""
        step = _SCAN_S * round(1 / WINDOW_S) * self.window
        parts = [self._levels(start, min(start + step, self.samples)) for start in range(0, self.samples, step)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _levels(self, start: int, end: int) -> NDArray[np.float32]:
        squares = np.square(self.clip(start, end).samples)
        sums = np.add.reduceat(squares, np.arange(0, len(squares), self.window))
        lengths = np.minimum(self.window, len(squares) - np.arange(0, len(squares), self.window))
        levels: NDArray[np.float32] = (sums / lengths).astype(np.float32)
        return levels

    def clip(self, start: int, end: int) -> AudioClip:
        """The samples from `start` to before `end`.

        Raises:
            UploadNotFound: the file has gone in the meantime.
        """
        samples = np.empty(max(0, min(end, self.samples) - start), np.float32)
        filled, odd = 0, b""
        with self._whole():
            # Converted as it comes: of half an hour, each further copy would be 173 MB.
            for chunk in self._file.read(self._start + start * _SAMPLE_BYTES, len(samples) * _SAMPLE_BYTES):
                content = odd + chunk
                values = np.frombuffer(content, "<i2", len(content) // _SAMPLE_BYTES)
                np.multiply(values, np.float32(1 / 32768), out=samples[filled : filled + len(values)])
                filled += len(values)
                odd = content[len(values) * _SAMPLE_BYTES :]
            if filled != len(samples):
                raise ValueError(f"{filled} of {len(samples)} samples")
        return AudioClip(samples, self.sample_rate)

    def chunks(self) -> Iterator[bytes]:
        """The whole file, bit by bit.

        Raises:
            UploadNotFound: as `clip`.
        """
        with self._whole():
            yield from self._file.read(0, self._file.size_bytes)

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, struct.error) as error:
            raise UploadNotFound(
                f"The recording {self._name} is gone, or cannot be read any more: {type(error).__name__}.",
                hint="Upload it again: POST /upload/audio.",
            ) from error


def _layout(head: bytes) -> tuple[int, int, int]:
    """Hertz, where the samples begin and how many bytes they take, of a WAV file that begins with `head`.

    Raises:
        ValueError, struct.error: it is no 16-bit mono PCM WAV.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise ValueError("no WAV file")
    rate, place = 0, 12
    while True:
        name, length = struct.unpack_from("<4sI", head, place)
        place += 8
        if name == b"data":
            break
        if name == b"fmt ":
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, place)
            if (kind, channels, bits) != (1, 1, 16):
                raise ValueError("not 16-bit mono PCM")
        place += length + length % 2
    if not 0 < rate <= 192_000:
        raise ValueError(f"{rate} Hz")
    return rate, place, length
