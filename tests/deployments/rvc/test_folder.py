"""The folder of models: what is there, what is missing, and that nothing outside of it is ever read."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.core.errors import UnknownVoice, VoiceNotInstalled
from deployments.core.types import Conversion
from deployments.rvc.folder import ModelFolder

ARA = Conversion("rvc", "Ara.pth", '{"f0_method": "swift-f0"}')


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    """With a voice and ContentVec; the files are none, nothing here reads them."""
    for name in ("rvc/Ara.pth", "rvc/Ara.index", "contentvec/config.json", "contentvec/pytorch_model.bin"):
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return ModelFolder(tmp_path / "models")


@pytest.mark.parametrize("name", ["Ara.pth", "rvc/Ara.pth", "models/rvc/Ara.pth"])
def test_a_model_is_found_by_its_file_name_with_or_without_its_folders(folder: ModelFolder, name: str) -> None:
    files = folder.find(name)
    assert files.checkpoint == folder.folder / "rvc" / "Ara.pth" and files.index == folder.folder / "rvc" / "Ara.index"


@pytest.mark.parametrize(
    "name", ["", "Ara", "ara.pth", "../secret.pth", "/etc/passwd", "x/../../secret.pth", "rvc/../Ara.pth", "A\x00.pth"]
)
def test_nothing_else_is(folder: ModelFolder, name: str) -> None:
    (folder.folder.parent / "secret.pth").write_bytes(b"secret")
    with pytest.raises(UnknownVoice, match="no voice model") as caught:
        folder.find(name)
    assert "Ara.pth" in str(caught.value.hint) and "voices add" in str(caught.value.hint)


def test_a_link_that_leads_out_is_no_model(folder: ModelFolder, tmp_path: Path) -> None:
    (tmp_path / "secret.pth").write_bytes(b"secret")
    (tmp_path / "secret.index").write_bytes(b"secret")
    (folder.folder / "rvc" / "Out.pth").symlink_to(tmp_path / "secret.pth")
    (folder.folder / "rvc" / "In.pth").symlink_to("Ara.pth")
    (folder.folder / "rvc" / "In.index").symlink_to(tmp_path / "secret.index")
    assert folder.installed() == ["Ara.pth", "In.pth"]
    assert folder.find("In.pth").index is None
    with pytest.raises(UnknownVoice):
        folder.find("Out.pth")


def test_what_is_missing_is_named_with_the_command(folder: ModelFolder) -> None:
    rmvpe = Conversion("rvc", "Ara.pth", '{"f0_method": "rmvpe"}')
    assert folder.missing(ARA) == [] and folder.missing(rmvpe) == ["rmvpe"]
    (folder.contentvec / "pytorch_model.bin").unlink()
    with pytest.raises(VoiceNotInstalled, match="contentvec and rmvpe") as caught:
        folder.check(rmvpe)
    assert caught.value.hint == "Run: avatar-serve models pull contentvec rmvpe"
    assert folder.models_of("rvc") == [] and folder.models_of("world") == [""]


def test_the_digest_follows_every_file_that_is_read(folder: ModelFolder) -> None:
    assert folder.weights(Conversion("world")) == "" and folder.stamp(Conversion("world")) == ()
    seen = {folder.weights(ARA)}
    (folder.folder / "rmvpe.pt").write_bytes(b"rmvpe")
    assert {folder.weights(ARA)} == seen  # it is not read for this one
    seen.add(folder.weights(Conversion("rvc", "Ara.pth", '{"f0_method": "rmvpe"}')))
    for path in (
        folder.find("Ara.pth").checkpoint,
        folder.folder / "rvc" / "Ara.index",
        folder.contentvec / "config.json",
    ):
        path.write_bytes(b"something else")
        seen.add(folder.weights(ARA))
    assert len(seen) == 5
    (folder.folder / "rvc" / "Ara.index").unlink()
    assert folder.weights(ARA) not in seen
