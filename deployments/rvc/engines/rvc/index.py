"""The retrieval of RVC: moves each feature towards its nearest neighbours among those of the training."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import faiss
import numpy as np
from numpy.typing import NDArray

from deployments.core.errors import BadModel

MAX_FILE_BYTES = 2 << 30
"""A gibibyte holds 350,000 vectors of v2, two hours of speech; upstream thins out what is longer."""
_NEIGHBOURS = 8
_L2 = 1
"""faiss.METRIC_L2; the search gives squared distances then."""
_CLOSEST = 1e-6
"""Squared distances below are taken as this: the weight of a vector that is met exactly would be infinite."""


def inspect(path: Path, width: int) -> int:
    """Number of vectors, after all the checks of FeatureIndex.

    Raises:
        BadModel: damaged, of another kind, or for features of another width.
    """
    return FeatureIndex(path, width).vectors


class FeatureIndex:
    """An `added_*.index` of a voice, in memory."""

    def __init__(self, path: Path, width: int) -> None:
        """Reads the file.

        Args:
            path: a faiss index of the kinds IVF,Flat or Flat.
            width: of the voice's features.

        Raises:
            BadModel: damaged, of another kind, or for another width.
        """
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                _Layout(file, size, width).check()
            self._index: Any = faiss.read_index(str(path))
        except (ValueError, OSError, RuntimeError, MemoryError, struct.error) as error:
            raise BadModel(f"{path.name}: {str(error).splitlines()[0][:200]}.") from error
        self.size_bytes = size
        self.vectors: int = self._index.ntotal

    def blend(self, features: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
        """Mixes the features with the mean of their neighbours, weighted by 1 / distance^4.

        Args:
            features: (F, W) float32.
            rate: 0-1, share of the neighbours.

        Returns:
            (F, W) float32.
        """
        # faiss hands out the vectors with the distances, so that no second copy of them all is kept.
        squared, ids, vectors = self._index.search_and_reconstruct(np.ascontiguousarray(features), _NEIGHBOURS)
        usable = (ids >= 0) & np.isfinite(squared)  # a small cell has fewer than eight: the rest are -1
        distances = np.maximum(np.where(usable, squared, 1.0), _CLOSEST, dtype=np.float64)
        weights = np.where(usable, distances**-2, 0)
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(total > 0, total, 1)
        mean = np.einsum("fk,fkw->fw", weights.astype(np.float32), np.where(usable[..., None], vectors, 0))
        found = np.where(total > 0, mean, features)
        return (rate * found + (1 - rate) * features).astype(np.float32)


class _Layout:
    """Reads through a faiss file without believing it: every length must fit what the file has left.

    faiss allocates what a file claims; this proves the claims first. Layout after faiss/impl/index_write.cpp.
    """

    def __init__(self, file: BinaryIO, size: int, width: int) -> None:
        if size > MAX_FILE_BYTES:
            raise ValueError(f"more than {MAX_FILE_BYTES >> 20} MB")
        self._file, self._size, self._width = file, size, width

    def check(self) -> None:
        kind = self._tag()
        if kind == b"IwFl":
            self._inverted_file()
        elif kind == b"IxF2":
            self._flat()
        else:
            raise ValueError("no faiss index of the kinds IVF,Flat and Flat with L2 distances")
        if self._file.tell() != self._size:
            raise ValueError("there is more in the file than its index")

    def _inverted_file(self) -> None:
        vectors = self._header()
        cells, probes = self._numbers("QQ")
        if not 1 <= probes <= cells:
            raise ValueError("it searches more cells than it has")
        if self._tag() != b"IxF2" or self._flat() != cells:
            raise ValueError("its cells are not those of IVF,Flat")
        (direct_map,) = self._numbers("B")
        if direct_map not in (0, 1):
            raise ValueError("its vectors are numbered in a way that RVC does not")
        self._skip(*self._numbers("Q"), item_bytes=8)
        if self._tag() != b"ilar" or self._numbers("QQ") != (cells, 4 * self._width):
            raise ValueError("its lists do not fit its cells")
        self._skip(self._list_lengths(cells, vectors), item_bytes=4 * self._width + 8)  # a vector and its number

    def _list_lengths(self, cells: int, vectors: int) -> int:
        """Vectors in all cells together."""
        kind = self._tag()
        (count,) = self._numbers("Q")
        if (kind == b"full" and count != cells) or (kind == b"sprs" and count % 2) or kind not in (b"full", b"sprs"):
            raise ValueError("its lists do not fit its cells")
        lengths = np.frombuffer(self._read(count, item_bytes=8), dtype="<u8")
        if kind == b"sprs":  # pairs of a cell and its length
            if (lengths[::2] >= cells).any() or len(np.unique(lengths[::2])) != count // 2:
                raise ValueError("a list belongs to no cell")
            lengths = lengths[1::2]
        if (lengths > vectors).any() or int(lengths.sum()) != vectors:
            raise ValueError("its lists do not hold its vectors")
        return vectors

    def _flat(self) -> int:
        vectors = self._header()
        (values,) = self._numbers("Q")
        if values != vectors * self._width:
            raise ValueError("it holds another number of vectors than it says")
        self._skip(values, item_bytes=4)
        return vectors

    def _header(self) -> int:
        """Number of vectors."""
        width, vectors, _, _, trained, metric = self._numbers("iqqqBi")
        if width != self._width:
            raise ValueError(f"its features have {width} values, those of the voice {self._width}")
        if trained != 1 or metric != _L2 or not 0 < vectors <= self._size:
            raise ValueError("it is not trained, empty, or its distances are not L2")
        return int(vectors)

    def _tag(self) -> bytes:
        return self._read(4, item_bytes=1)

    def _numbers(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(f"<{layout}", self._read(struct.calcsize(f"<{layout}"), item_bytes=1))

    def _read(self, count: int, *, item_bytes: int) -> bytes:
        self._require(count * item_bytes)
        return self._file.read(count * item_bytes)

    def _skip(self, count: int, *, item_bytes: int) -> None:
        self._require(count * item_bytes)
        self._file.seek(count * item_bytes, 1)

    def _require(self, count_bytes: int) -> None:
        if count_bytes > self._size - self._file.tell():
            raise ValueError("it is cut short or damaged")
