"""The engine against references."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from deployments.avatar.engines.wav2lip import parity
from serve_app import cli
from tests.shared import SHARED, shared

REFERENCES = SHARED / "data" / "wav2lip"


def test_float32_is_within_every_tolerance() -> None:
    """The network, and spectrograms with reflected edges."""
    rows = list(parity.check(shared(REFERENCES), "cpu", "float32"))
    assert [row.array for row in rows] == ["out", "noise_mel", "speech_mel"]
    assert [row for row in rows if not row.good] == []


def test_bfloat16_keeps_25_db() -> None:
    rows = list(parity.check(shared(REFERENCES), "cpu", "bfloat16"))
    assert [row for row in rows if not row.good] == []
    assert rows[0].snr_db < 80, "it is another precision"


def test_a_wrong_reference_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says which array, and fails: here with spectrograms whose edges are zeros."""
    for name in ("keys.json", "fill_check.json", "io.npz"):
        shutil.copy(shared(REFERENCES) / name, tmp_path)
    arrays = dict(np.load(shared(REFERENCES) / "mel_ref.npz"))
    arrays["speech_mel_reflect"] = arrays["speech_mel_zero"]
    np.savez(tmp_path / "mel_ref.npz", **arrays)
    assert cli.main(["parity", "wav2lip", str(tmp_path), "--device", "cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if "BEYOND" in line] == ["speech_mel"]


def test_a_folder_without_cases_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a misspelt path would pass."""
    assert cli.main(["parity", "wav2lip", str(tmp_path)]) == 1
    assert "no cases" in capsys.readouterr().err


def test_a_rule_that_fills_otherwise_is_noticed(tmp_path: Path) -> None:
    """Else the weights would be blamed on the network."""
    for name in ("keys.json", "fill_check.json"):
        (tmp_path / name).write_text((shared(REFERENCES) / name).read_text().replace('"bn_w_res"', '"bn_w"'))
    with pytest.raises(ValueError, match="SHA-256"):
        parity.filled_network(tmp_path, 20261121)
    with pytest.raises(ValueError, match="'new'"):
        parity.fill([("a", (2, 2), "new")], 0)
