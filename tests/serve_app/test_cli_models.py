"""avatar-serve models, run as a user runs it."""

from __future__ import annotations

from pathlib import Path

from deployments.models import catalogue
from tests.ports import free_port
from tests.serve_app.test_cli import run
from tests.shelf import Shelf


def test_list_shows_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "rmvpe.pt").write_bytes(b"mine")
    done = run("models", "list", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    where, contentvec, rmvpe = done.stdout.splitlines()
    assert str(tmp_path / "models") in where
    assert contentvec.split()[:4] == ["contentvec", "missing", "189", "MB"] and "every RVC voice" in contentvec
    assert rmvpe.split()[:2] == ["rmvpe", "own"]


def test_pull_refuses_other_bytes_than_the_catalogues(tmp_path: Path, shelf: Shelf) -> None:
    config = catalogue()["contentvec"].files[0]
    shelf.files = {config.url: b" " * config.size_bytes}
    done = run("models", "pull", "contentvec", folder=tmp_path, AVATAR_MODELS_URL=shelf.url)
    assert done.returncode == 1 and "config.json has SHA-256" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "models" / "contentvec").iterdir())


def test_pull_keeps_the_users_own_files(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" / "contentvec"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "model.safetensors").write_bytes(b"mine")
    done = run("models", "pull", "contentvec", folder=tmp_path, AVATAR_VOICE__MODELS=str(folder.parent))
    assert done.returncode == 0 and f"delete them from {folder.parent}" in done.stdout, done.stderr


def test_pull_explains_a_mirror_that_is_away(tmp_path: Path) -> None:
    done = run("models", "pull", folder=tmp_path, AVATAR_MODELS_URL=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1 and "AVATAR_MODELS_URL" in done.stderr and "Traceback" not in done.stderr


def test_pull_knows_its_catalogue(tmp_path: Path) -> None:
    done = run("models", "pull", "nose", folder=tmp_path)
    assert done.returncode == 1 and "there are: contentvec, rmvpe" in done.stderr
