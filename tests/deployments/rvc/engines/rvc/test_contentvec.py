"""The extractor: layouts, layers, and folders that hold something else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import HubertModel

from deployments.core.errors import BadModel
from deployments.rvc.engines.rvc.contentvec import ContentVec
from tests.deployments.rvc.models import save_contentvec, speech

SOUND = torch.from_numpy(speech(0.6))[None]


def test_it_computes_what_transformers_does(tmp_path: Path) -> None:
    """Layer 9 with the projection for v1, the last layer for v2; one feature per 20 ms."""
    home = save_contentvec(tmp_path, safetensors=True)
    extractor = ContentVec(home)
    hubert = HubertModel.from_pretrained(home)
    with torch.inference_mode():
        found = hubert(SOUND, output_hidden_states=True)
    torch.testing.assert_close(extractor(SOUND, "v2"), found.last_hidden_state, atol=1e-4, rtol=1e-4)
    projected = extractor.final_proj(found.hidden_states[9])
    torch.testing.assert_close(extractor(SOUND, "v1"), projected, atol=1e-4, rtol=1e-4)
    assert extractor(SOUND, "v2").shape == (1, (SOUND.shape[1] - 80) // 320, 768)


def test_old_files_give_the_same(tmp_path: Path) -> None:
    """pytorch_model.bin in half precision with the names of old releases."""
    new = ContentVec(save_contentvec(tmp_path / "new", safetensors=True))(SOUND, "v2")
    old = ContentVec(save_contentvec(tmp_path / "old"))(SOUND, "v2")
    torch.testing.assert_close(old, new, atol=0.05, rtol=0.05)


def test_the_input_is_normalised_only_where_the_folder_says_so(tmp_path: Path) -> None:
    """preprocessor_config.json: then loudness makes no difference."""
    home = save_contentvec(tmp_path)
    (home / "preprocessor_config.json").write_text('{"do_normalize": false}')
    plain = ContentVec(home)
    assert not torch.allclose(plain(SOUND, "v2"), plain(SOUND * 0.01 + 0.1, "v2"), atol=1e-3)
    (home / "preprocessor_config.json").write_text('{"do_normalize": true}')
    normal = ContentVec(home)
    torch.testing.assert_close(normal(SOUND, "v2"), normal(SOUND * 0.5 + 0.1, "v2"), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"hidden_size": 1024}, "hidden_size"),
        ({"hidden_size": "768"}, "hidden_size"),
        ({"num_hidden_layers": 8}, "num_hidden_layers"),
        ({"num_hidden_layers": 1_000_000}, "num_hidden_layers"),
        ({"num_hidden_layers": 10}, "layout of transformers"),
        ({"intermediate_size": 64}, "layout of transformers"),
        ({"hidden_act": "surprise"}, "layout of transformers"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path: Path, setting: dict[str, object], reason: str) -> None:
    """The error names the folder."""
    path = save_contentvec(tmp_path) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **setting}))
    with pytest.raises(BadModel, match="contentvec") as caught:
        ContentVec(path.parent)
    assert reason in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "pytorch_model.bin"])
def test_a_missing_or_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    """So that somebody can put it right."""
    home = save_contentvec(tmp_path)
    (home / name).write_bytes(b"<html>")
    with pytest.raises(BadModel, match=name.replace(".", r"\.")):
        ContentVec(home)
    (home / name).unlink()
    with pytest.raises(BadModel, match=name.replace(".", r"\.")):
        ContentVec(home)
    shutil.rmtree(home)
    with pytest.raises(BadModel):
        ContentVec(home)
