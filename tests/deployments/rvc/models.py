"""A folder of models with random weights: no voice of anybody. Small, and real in every format."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from transformers import HubertConfig, HubertModel

from deployments.rvc.engines.rvc.config import PHONE_WIDTHS
from serve_app import cli
from tests.shared import SHARED, shared

DATA = SHARED / "data" / "rvc"


def write_contentvec(models: Path, seed: int = 4) -> None:
    """A small HuBERT with the layers and widths that RVC needs, in the layout of transformers."""
    folder = models / "contentvec"
    folder.mkdir(parents=True, exist_ok=True)
    settings = json.loads(shared(DATA / "hubert_config.json").read_text(encoding="utf-8"))
    torch.manual_seed(seed)
    weights = HubertModel(HubertConfig(**settings)).state_dict()
    projection = torch.nn.Linear(PHONE_WIDTHS["v2"], PHONE_WIDTHS["v1"]).state_dict()
    weights |= {f"final_proj.{name}": tensor for name, tensor in projection.items()}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    torch.save(weights, folder / "pytorch_model.bin")


def voice_files() -> tuple[Path, Path]:
    """A v2 voice of 40 kHz with pitch, and an index that fits it."""
    return shared(DATA / "e2e" / "voice_v2_40k_f0.pth"), shared(
        DATA / "index" / "added_IVF5_Flat_nprobe_1_ref_v2.index"
    )


def write_voice(models: Path, name: str) -> None:
    """NAME.pth and NAME.index."""
    (models / "rvc").mkdir(parents=True, exist_ok=True)
    for source, ending in zip(voice_files(), ("pth", "index"), strict=True):
        shutil.copy(source, models / "rvc" / f"{name}.{ending}")


@contextmanager
def installed(data_dir: Path, models: Path, name: str) -> Iterator[Path]:
    """A character of that name, installed as a user does it; gives the folder of voices."""
    write_contentvec(models)
    checkpoint, index = (str(path) for path in voice_files())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(data_dir))
        assert cli.main(["voices", "add", checkpoint, index, "--name", name, "--pitch-semitones", "2"]) == 0
    yield models / "rvc"
    shutil.rmtree(models)
