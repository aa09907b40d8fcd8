"""Weights that users bring: every layout gives the same network, all else is BadModel with a reason."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from deployments.avatar.engines.wav2lip import torchscript
from deployments.avatar.engines.wav2lip.checkpoint import load
from deployments.avatar.engines.wav2lip.network import Wav2Lip
from deployments.core.errors import BadModel

from .models import published, trace

Weights = dict[str, Tensor]


def _halved(weights: Weights) -> Weights:
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}


def _traced(weights: Weights, path: Path) -> None:
    network = Wav2Lip().eval()
    network.load_state_dict(weights)
    trace(network, (torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)), path)


def _old(weights: Weights, path: Path) -> None:
    torch.save(published(_halved(weights)), path, _use_new_zipfile_serialization=False)


LAYOUTS: dict[str, Callable[[Weights, Path], object]] = {
    "published": lambda weights, path: torch.save(published(_halved(weights)), path),
    "torch before 1.6": _old,
    "bare": lambda weights, path: torch.save(_halved(weights), path),
    "torchscript": _traced,
    "safetensors": lambda weights, path: save_file(_halved(weights), path),
    "safetensors with module": lambda weights, path: save_file(
        {f"module.{name}": tensor for name, tensor in _halved(weights).items()}, path
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> Any:
    """Of a file that is gone after the test: it is large."""
    path = tmp_path / "some.pth"
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_network(layout: str, weights: Weights, path: Path) -> None:
    """In float32, batch statistics included, whatever the file's name ends in."""
    LAYOUTS[layout](weights, path)
    found = load(path).state_dict()
    assert list(found) == list(weights)
    for name, tensor in found.items():
        assert tensor.dtype == weights[name].dtype
        wanted = weights[name] if layout == "torchscript" else weights[name].half().to(tensor.dtype)
        assert torch.equal(tensor, wanted), name


def _save(content: Any, path: Path) -> None:
    torch.save(content, path)


def _cut(layout: str, size: int) -> Callable[[Weights, Path], None]:
    """A file of a layout that ends after so many bytes."""

    def make(weights: Weights, path: Path) -> None:
        LAYOUTS[layout](weights, path)
        os.truncate(path, size)

    return make


def _hollow(weights: Weights, path: Path) -> None:
    """Shapes without bytes: each a single number that is repeated."""
    shapes = {
        name: torch.zeros(1).expand(tensor.shape) if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }
    torch.save({"state_dict": shapes, "optimizer": torch.zeros(19_000_000)}, path)


def _spoiled(weights: Weights, name: str, value: Tensor) -> Weights:
    return {**_halved(weights), name: value}


class Hostile:
    """Leaves a file behind when it is unpickled by something that runs what it reads."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


FIRST, COUNT = "face_encoder_blocks.0.0.conv_block.0.bias", "audio_encoder.0.conv_block.1.num_batches_tracked"
BROKEN: dict[str, tuple[Callable[[Weights, Path], object], str]] = {
    "a weight less": (
        lambda weights, path: _save({k: v for k, v in _halved(weights).items() if k != FIRST}, path),
        "conv_block.0.bias is missing",
    ),
    "a weight more": (lambda weights, path: _save(_spoiled(weights, "extra", torch.zeros(1)), path), "'extra' is no"),
    "another shape": (
        lambda weights, path: _save(_spoiled(weights, FIRST, torch.zeros(17)), path),
        r"shape \(17,\), Wav2Lip's is \(16,\)",
    ),
    "not finite": (
        lambda weights, path: _save(_spoiled(weights, FIRST, torch.full((16,), torch.nan)), path),
        "not finite",
    ),
    "floats for counts": (
        lambda weights, path: _save(_spoiled(weights, COUNT, torch.tensor(1.0)), path),
        "has the type torch.float32",
    ),
    "sparse": (
        lambda weights, path: _save(_spoiled(weights, FIRST, torch.zeros(16).to_sparse()), path),
        "no plain tensor",
    ),
    "no dictionary": (lambda weights, path: _save([torch.zeros(18_200_000)], path), "no dictionary"),
    "larger than the file": (_hollow, "larger than the file"),
    "cut short": (_cut("published", 72_500_000), "only a part"),
    "cut short, old": (_cut("torch before 1.6", 72_500_000), "cut short"),
    "cut short, safetensors": (_cut("safetensors", 72_500_000), "only a part"),
    "much too short": (_cut("torch before 1.6", 14_500_000), "14.5 MB, whole ones 145 or 416"),
    "page": (lambda _, path: path.write_text("\n<!DOCTYPE html><title>Sign in</title>"), "a web page"),
    "pointer": (lambda _, path: path.write_text("version https://git-lfs.github.com/spec/v1\noid x"), "Git LFS"),
    "empty": (lambda _, path: path.write_bytes(b""), "neither"),
    "something else": (lambda _, path: path.write_bytes(b"\x93NUMPY" + bytes(1000)), "neither"),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_what_is_no_checkpoint_is_refused_with_the_reason(damage: str, weights: Weights, path: Path) -> None:
    make, reason = BROKEN[damage]
    make(weights, path)
    with pytest.raises(BadModel, match=reason) as caught:
        load(path)
    assert str(caught.value).startswith("some.pth: ")


def test_a_download_that_went_wrong_says_what_to_do(path: Path) -> None:
    path.write_text("<html>")
    with pytest.raises(BadModel) as caught:
        load(path)
    assert caught.value.hint and "Download it again" in caught.value.hint


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
def test_a_pickle_that_runs_something_is_not_run(zipped: bool, tmp_path: Path, path: Path) -> None:
    trace = tmp_path / "trace"
    content = {"state_dict": Hostile(trace), "pad": torch.zeros(18_200_000)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadModel, match="unsafe"):
        load(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "it would have run"


def _archive(path: Path, pickled: bytes, data: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/constants.pkl", pickle.dumps(()))
        for name, raw in (data or {}).items():
            archive.writestr(f"net/data/{name}", raw)
    return path


def _module(fields: bytes) -> bytes:
    """A pickle of one record with these fields: opcodes of protocol 2."""
    return b"\x80\x02c__torch__\nN\n)\x81}(" + fields + b"ub."


def _tensor(name: bytes, count: bytes, size: bytes, stride: bytes) -> bytes:
    """Opcodes of a field that is a tensor of one axis over the storage 0."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK" + count + b"tQ"
    shape = b"K\x00K" + size + b"\x85K" + stride + b"\x85\x89ccollections\nOrderedDict\n)R"
    return b"X\x01\x00\x00\x00" + name + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + shape + b"tR"


def test_tensors_of_torchscript_are_read_by_name(tmp_path: Path) -> None:
    four = torch.arange(4.0).numpy().tobytes()
    path = _archive(tmp_path / "a.pt", _module(_tensor(b"w", b"\x04", b"\x02", b"\x02")), {"0": four})
    found = torchscript.read(path)
    assert list(found) == ["w"] and found["w"].tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("pickled", "reason"),
    [
        (pickle.dumps(Hostile(Path("trace"))), "asks for"),
        (b"cos\nsystem\n(X\x05\x00\x00\x00falsetR.", "os.system"),
        (b"cbuiltins\neval\n.", "builtins.eval"),
        (_module(_tensor(b"w", b"\x04", b"\x05", b"\x01")), "larger than its bytes"),
        (_module(_tensor(b"w", b"\x04", b"\x02", b"\x09")), "larger than its bytes"),
        (b"ctorch._utils\n_rebuild_tensor_v2\nN}X\x01\x00\x00\x00xNs\x86b.", "cannot be read"),
        (b"ccollections\nOrderedDict\nN}X\x06\x00\x00\x00__iter__X\x01\x00\x00\x00xs\x86b.", "cannot be read"),
        (b"c__torch__\nN\n}X\x06\x00\x00\x00fieldsNsb.", "cannot be read"),
        (b"\x80\x02", "cannot be read"),
        (_module(b""), "without parameters"),
        (b"N.", "without parameters"),
    ],
    ids=[
        "path",
        "system",
        "eval",
        "size",
        "stride",
        "set attribute",
        "set on class",
        "set on record",
        "cut",
        "frozen",
        "none",
    ],
)
def test_a_torchscript_pickle_can_make_tensors_alone(tmp_path: Path, pickled: bytes, reason: str) -> None:
    """Whatever it asks for, nothing runs, and nothing of this process changes."""
    four = torch.arange(4.0).numpy().tobytes()
    with pytest.raises(ValueError, match=reason):
        torchscript.read(_archive(tmp_path / "a.pt", pickled, {"0": four}))


def test_records_that_hold_each_other_come_to_an_end(tmp_path: Path) -> None:
    """Sixty records, each twice in the next one: 2^60 ways through them."""
    nested = b"c__torch__\nN\n)\x81}b"
    for number in range(60):
        nested += b"q" + bytes([number]) + b"0c__torch__\nN\n)\x81}(X\x01\x00\x00\x00ah" + bytes([number])
        nested += b"X\x01\x00\x00\x00bh" + bytes([number]) + b"ub"
    with pytest.raises(ValueError, match="modules"):
        torchscript.read(_archive(tmp_path / "a.pt", b"\x80\x02" + nested + b"."))


def test_an_archive_that_unpacks_to_more_than_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", _module(b""))
        archive.writestr("net/data/0", bytes(1 << 20))
    with pytest.raises(ValueError, match="more than its own size"):
        torchscript.read(path)


def test_a_module_of_pytorch_is_read_like_its_state_dict(tmp_path: Path) -> None:
    """Any network, here with modules in lists and without parameters between."""

    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Sequential(nn.BatchNorm2d(2)))
    path = tmp_path / "a.pt"
    trace(network, (torch.zeros(1, 1, 8, 8),), path)
    found = torchscript.read(path)
    assert found.keys() == network.state_dict().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in network.state_dict().items())
