"""The engine against references that upstream made."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from deployments.rvc.engines.rvc import parity
from serve_app import cli
from tests.shared import SHARED, shared

REFERENCES = SHARED / "data" / "rvc"


def test_float32_is_within_every_tolerance() -> None:
    """Audio, latents, pitch and features of all cases, the network alone and the whole way."""
    rows = list(parity.check(shared(REFERENCES), "cpu", "float32"))
    assert {row.array for row in rows} == {"audio", "m_p", "logs_p", "z", "pitch", "pitchf", "features", "audio_int16"}
    assert [row for row in rows if not row.good] == []


def test_bfloat16_keeps_25_db() -> None:
    """Of the audio, in all cases."""
    rows = list(parity.check(shared(REFERENCES), "cpu", "bfloat16"))
    assert {row.array for row in rows} == {"audio"}
    assert [row for row in rows if not row.good] == []


@pytest.fixture
def one_case(tmp_path: Path) -> Path:
    """A folder with one case of the network."""
    (tmp_path / "synth").mkdir()
    for suffix in (".npz", ".pth"):
        shutil.copy(shared(REFERENCES) / "synth" / f"v2_40k_nof0{suffix}", tmp_path / "synth")
    return tmp_path


def test_a_wrong_reference_is_noticed(one_case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says which array, and fails."""
    assert cli.main(["parity", "rvc", str(one_case), "--device", "cpu"]) == 0
    path = one_case / "synth" / "v2_40k_nof0.npz"
    arrays = dict(np.load(path))
    arrays["z"] = arrays["z"] + 2e-4
    np.savez(path, **arrays)
    capsys.readouterr()
    assert cli.main(["parity", "rvc", str(one_case), "--device", "cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if "BEYOND" in line] == ["z"]


def test_a_folder_without_cases_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a misspelt path would pass."""
    assert cli.main(["parity", "rvc", str(tmp_path)]) == 1
    assert "no cases" in capsys.readouterr().err
