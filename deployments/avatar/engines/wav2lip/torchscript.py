"""Takes the tensors out of a TorchScript archive without running anything of it.

torch.jit.load compiles and can run what an archive brings as code. Its tensors lie beside the code: data.pkl says which
module has which, by a pickle that here can only make records of names and views of bytes; data/ has the bytes.
(Format: torch/csrc/jit/serialization in PyTorch.)
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .files import MAX_PICKLE_BYTES

_MAX_MODULES = 10_000
"""This network has about 400. A few records that hold each other several times would never end."""
_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
}


class _Record:
    """A module: whatever its class, here it is its fields alone."""

    __slots__ = ("fields",)

    def __setstate__(self, state: object) -> None:
        self.fields = state


# What a pickle may call has no attribute that it could set.
class _Rebuild:
    """Makes a tensor of a storage, as torch._utils._rebuild_tensor_v2."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
        if not isinstance(storage, Tensor) or not _whole(offset) or len(size) != len(stride):
            raise ValueError("a tensor that is none")
        if not all(map(_whole, (*size, *stride))):
            raise ValueError("a tensor of an odd shape")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if math.prod(size) and last >= len(storage):
            raise ValueError("a tensor that is larger than its bytes")
        return storage.as_strided(size, stride, offset)


class _Listed:
    """Makes a list of one, as torch.jit._pickle.build_intlist and its kin."""

    __slots__ = ()

    def __call__(self, values: Any) -> list[Any]:
        return list(values)


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "__torch__":
            return _Record
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Rebuild()
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch.jit._pickle":
            return _Listed()
        raise ValueError(f"it asks for {module[:40]}.{name[:40]}, which no network holds")

    def persistent_load(self, pid: Any) -> Tensor:
        tag, dtype, key, _device, _count = pid
        if tag != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(key, str):
            raise ValueError("a storage that is none")
        if key not in self._storages:
            raw = bytearray(self._archive.read(f"{self._root}data/{key}"))
            self._storages[key] = torch.frombuffer(raw, dtype=dtype) if raw else torch.zeros(0, dtype=dtype)
        return self._storages[key]


def read(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers by their names in the network, on the CPU.

    Raises:
        ValueError: something in it that no archive of a network has, or nothing; says what.
    """
    with zipfile.ZipFile(path) as archive:
        root = _root(archive, path.stat().st_size)
        try:
            network = _Reader(archive, root).load()
        except Exception as error:  # a hostile pickle can make its reader raise anything
            raise ValueError(f"its pickle cannot be read ({type(error).__name__}: {str(error)[:120]})") from error
    tensors = dict(_tensors(network))
    if not tensors:
        raise ValueError("a TorchScript archive without parameters: frozen or optimised ones have no names any more")
    return tensors


def _root(archive: zipfile.ZipFile, file_bytes: int) -> str:
    """Folder in the archive that has data.pkl."""
    pickles = [entry for entry in archive.infolist() if entry.filename.split("/")[1:] == ["data.pkl"]]
    if len(pickles) != 1:
        raise ValueError("a TorchScript archive with no data.pkl, or several")
    if pickles[0].file_size > MAX_PICKLE_BYTES:
        raise ValueError(f"its pickle has more than {MAX_PICKLE_BYTES >> 20} MB")
    root = pickles[0].filename.removesuffix("data.pkl")
    # Code beside it may be compressed, bytes of tensors never are: so none unpacks to more than it is.
    if sum(entry.file_size for entry in archive.infolist() if entry.filename.startswith(f"{root}data/")) > file_bytes:
        raise ValueError("it unpacks to more than its own size, which no checkpoint does")
    return root


def _tensors(network: object) -> Iterator[tuple[str, Tensor]]:
    waiting: list[tuple[str, object]] = [("", network)]
    for _ in range(_MAX_MODULES):
        if not waiting:
            return
        prefix, module = waiting.pop()
        fields = getattr(module, "fields", None)
        if isinstance(module, _Record) and isinstance(fields, dict):
            for name, value in fields.items():
                if isinstance(value, Tensor):
                    yield f"{prefix}{name}", value
                elif isinstance(value, _Record):
                    waiting.append((f"{prefix}{name}.", value))
    raise ValueError(f"more than {_MAX_MODULES} modules")


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
