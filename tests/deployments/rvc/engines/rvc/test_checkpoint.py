"""Voices of strangers: what is right is loaded exactly, all else is BadModel with a reason."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.utils.parametrizations import weight_norm

from deployments.core.errors import BadModel
from deployments.rvc.engines.rvc.checkpoint import inspect, load_voice
from deployments.rvc.engines.rvc.config import parse
from deployments.rvc.engines.rvc.synthesizer import Synthesizer
from tests.deployments.rvc.models import SPEAKERS, checkpoint, config


def saved(folder: Path, content: Any, name: str = "voice.pth") -> Path:
    """The content as a PyTorch file."""
    path = folder / name
    torch.save(content, path)
    return path


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("f0", [0, 1, True])
@pytest.mark.parametrize(
    ("rates", "rate"),
    [((10, 6, 2, 2), 24_000), ((10, 8, 2, 2), 32_000), ((10, 10, 2, 2), "40k"), ((12, 10, 2, 2), 48_000)],
)
def test_every_kind_of_voice_is_read(tmp_path: Path, version: str, f0: int, rates: tuple[int, ...], rate: Any) -> None:
    """v1 and v2, with and without f0, at all rates, old names of rates included."""
    found = inspect(saved(tmp_path, checkpoint(config(rates, rate), version, f0)))
    assert (found.version, found.has_f0, found.speakers) == (version, bool(f0), SPEAKERS)
    assert found.hop * 100 == found.sample_rate == (40_000 if rate == "40k" else rate)


def test_weight_norm_is_folded_as_pytorch_does(tmp_path: Path) -> None:
    """g * v / |v|, of convolutions and of transposed ones."""
    weights = checkpoint()["weight"]
    weights["dec.ups.0.weight_g"] = torch.rand(64, 1, 1).half() + 0.5
    _, network = load_voice(saved(tmp_path, {**checkpoint(), "weight": weights}))
    conv = weight_norm(torch.nn.ConvTranspose1d(64, 32, 20, 10))
    conv.parametrizations.weight.original0.data = weights["dec.ups.0.weight_g"].float()
    conv.parametrizations.weight.original1.data = weights["dec.ups.0.weight_v"].float()
    torch.testing.assert_close(network.dec.ups[0].weight.data, conv.weight.data)


def test_what_the_trainer_leaves_behind_is_ignored(tmp_path: Path) -> None:
    """enc_q, and what Applio adds."""
    content = checkpoint()
    content["weight"]["enc_q.pre.weight"] = torch.zeros(4, 4)
    content |= {"embedder_model": "contentvec", "vocoder": "HiFi-GAN", "epoch": 200, "author": "x"}
    assert inspect(saved(tmp_path, content)).version == "v2"


def _config(position: int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["config"][position] = value

    return change


def _weight(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["weight"][name] = value

    return change


def _nested() -> list[Any]:
    """A list whose text would have 2^200 characters."""
    nested: list[Any] = []
    for _ in range(200):
        nested = [nested, nested]
    return nested


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content.update(vocoder="MRF HiFi-GAN"), "vocoder is 'MRF HiFi-GAN'"),
        (lambda content: content.update(vocoder="RefineGAN"), "vocoder is 'RefineGAN'"),
        (lambda content: content.update(embedder_model="spin-v2"), "'spin-v2' features"),
        (lambda content: content.update(embedder_model=_nested()), "trained on list features"),
        (lambda content: content.update(version="v3"), "version"),
        (lambda content: content.update(version="v1"), "emb_phone.weight has the shape"),
        (lambda content: content.update(version=_nested()), "version"),
        (lambda content: content.update(f0=0), "is no weight of an RVC voice"),
        (lambda content: content.update(f0="yes"), "f0"),
        (lambda content: content.update(config=[1, 2]), "18 values"),
        (lambda content: content.update(weight=[1]), "weight or config is missing"),
        (lambda content: content["weight"].pop("emb_g.weight"), "table of speakers"),
        (lambda content: content["weight"].pop("dec.cond.bias"), "dec.cond.bias is missing"),
        (_config(3, 1_000_000_000), "hidden_channels"),
        (_config(3, "24"), "hidden_channels"),
        (_config(3, 24.0), "hidden_channels"),
        (_config(6, 30), "is missing"),
        (_config(9, "2"), "resblock"),
        (_config(12, [10, 10, 2, 4]), "upsample"),
        (_config(12, [10] * 5000), "upsample_rates"),
        (_config(12, _nested()), "upsample_rates"),
        (_config(13, 2048), "its config says"),
        (_config(17, 44_100), "sample rate"),
        (_weight("dec.cond.bias", torch.full((64,), torch.nan).half()), "not finite"),
        (_weight("dec.cond.bias", torch.full((64,), torch.inf).half()), "not finite"),
        (_weight("dec.cond.bias", torch.zeros(64, dtype=torch.int64)), "no plain tensor"),
        (_weight("dec.cond.bias", torch.zeros(64, dtype=torch.complex64)), "no plain tensor"),
        (_weight("dec.cond.bias", torch.zeros(64).to_sparse()), "no plain tensor"),
        (_weight("dec.cond.bias", torch.zeros(1).expand(64)), "no plain tensor"),
        (_weight("dec.cond.bias", torch.zeros(64, device="meta")), "no plain tensor"),
        (_weight("dec.cond.bias", 5), "no plain tensor"),
        (_weight("dec.extra", torch.zeros(2)), "'dec.extra' is no weight"),
    ],
)
def test_what_is_no_voice_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], Any], reason: str) -> None:
    """The error names the file and the reason, and is short."""
    content = checkpoint()
    change(content)
    with pytest.raises(BadModel, match=r"voice\.pth") as caught:
        load_voice(saved(tmp_path, content))
    assert reason in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "reason"),
    [({"model": {}, "optimizer": {}, "iteration": 3}, "training checkpoint"), ([1], "no dictionary"), ({}, "missing")],
)
def test_other_files_of_trainers_are_refused(tmp_path: Path, content: Any, reason: str) -> None:
    """G_*.pth above all, which people take for a voice."""
    with pytest.raises(BadModel, match=reason):
        load_voice(saved(tmp_path, content, "G_2333333.pth"))


class _Exploit:
    """A pickle that runs a command when it is read without weights_only."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


def test_a_pickle_cannot_run_anything(tmp_path: Path) -> None:
    """The classic attack by a checkpoint."""
    trace = tmp_path / "was here"
    path = saved(tmp_path, {"weight": _Exploit(f"touch '{trace}'")})
    with pytest.raises(BadModel, match="unsafe"):
        load_voice(path)
    assert not trace.exists()


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    """At any length; also HTML in place of a file, which a broken download link gives."""
    whole = saved(tmp_path, checkpoint()).read_bytes()
    path = tmp_path / "part.pth"
    for part in (b"", whole[:100], whole[: len(whole) // 2], whole[:-1], b"<!DOCTYPE html><title>404</title>"):
        path.write_bytes(part)
        with pytest.raises(BadModel, match=r"part\.pth"):
            load_voice(path)


def test_flipped_bytes_are_refused_or_harmless(tmp_path: Path) -> None:
    """Whatever byte of the pickle is another: BadModel or a voice, and nothing else."""
    whole = saved(tmp_path, checkpoint()).read_bytes()
    start = whole.index(b"data.pkl")
    path = tmp_path / "flipped.pth"
    for offset in range(start, start + 3000, 41):
        changed = bytearray(whole)
        changed[offset] ^= 0xFF
        path.write_bytes(changed)
        try:
            inspect(path)
        except BadModel as error:
            assert "flipped.pth" in str(error)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """Zeros compress a thousandfold; the sizes in the archive are looked at first."""
    path = tmp_path / "bomb.pth"
    source = saved(tmp_path, checkpoint())
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in whole.infolist():
            filler = b"\0" * (64 << 20) if entry.filename.endswith("data/0") else b""
            bomb.writestr(entry.filename, whole.read(entry) + filler)
    with pytest.raises(BadModel, match="unpacks to more"):
        load_voice(path)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc has the peak of the memory")
def test_a_claim_costs_no_memory(tmp_path: Path) -> None:
    """A voice of 10 million numbers, all of them views of the same few: each has its right shape."""
    values = config()
    values[4], values[6] = 8192, 8
    with torch.device("meta"):
        network = Synthesizer(parse(values, "v2", 1, SPEAKERS))
    names = {name: tensor.shape for name, tensor in network.state_dict().items()}
    few = torch.zeros(max(shape.numel() for shape in names.values())).half()
    weights = {name: few[: shape.numel()].view(shape) for name, shape in names.items()}
    path = saved(tmp_path, {**checkpoint(), "config": values, "weight": weights}, "claims.pth")
    good = saved(tmp_path, checkpoint())
    code = f"""
from pathlib import Path
from deployments.core.errors import BadModel
from deployments.rvc.engines.rvc.checkpoint import load_voice
def most_kb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
load_voice(Path({str(good)!r}))  # what PyTorch imports on the way
before = most_kb()
try:
    load_voice(Path({str(path)!r}))
except BadModel as error:
    print(error, most_kb() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    message, grown_kb = done.stdout.rsplit(maxsplit=1)
    assert "larger than the file" in message and int(grown_kb) < 20_000
