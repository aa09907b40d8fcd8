"""The models that voices of the user's own need."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from deployments.core.errors import BadInput, DownloadFailed
from deployments.models import BASE_URL, ModelFile, ModelInfo, catalogue, pull
from tests.shelf import Shelf

CONFIG, WEIGHTS = b"{}", b"weights" * 1000
LISTED = {"ear/config.json": CONFIG, "ear/note.json": b"[]", "ear/model.bin": WEIGHTS}


def _model(name: str, contents: dict[str, bytes], needs: tuple[tuple[str, ...], ...]) -> ModelInfo:
    files = tuple(
        ModelFile(path, f"repo/{path}", len(content), hashlib.sha256(content).hexdigest())
        for path, content in contents.items()
    )
    return ModelInfo(name, "hears", "MIT", files, needs)


EAR = _model("ear", LISTED, (("ear/config.json",), ("ear/model.safetensors", "ear/model.bin")))
PITCH = _model("pitch", {"pitch.pt": b"pitch"}, (("pitch.pt",),))
MODELS = {"ear": EAR, "pitch": PITCH}


@pytest.fixture
def shelf(shelf: Shelf) -> Shelf:
    """A server with all of it."""
    shelf.files |= {f"repo/{path}": content for path, content in {**LISTED, "pitch.pt": b"pitch"}.items()}
    return shelf


def _pull(shelf: Shelf, folder: Path, *names: str) -> list[str]:
    return [model.name for model in pull(names, folder, f"{shelf.url}/", progress=False, models=MODELS, timeout_s=5)]


def _put(folder: Path, **contents: bytes) -> None:
    (folder / "ear").mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / "ear" / name.replace("_", ".")).write_bytes(content)


def test_all_of_the_catalogue_comes(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    assert [EAR.state(folder), PITCH.state(folder)] == ["missing", "missing"]
    assert _pull(shelf, folder) == ["ear", "pitch"]
    assert [EAR.state(folder), PITCH.state(folder)] == ["ready", "ready"]
    assert (folder / "ear" / "model.bin").read_bytes() == WEIGHTS


def test_one_of_them_comes(shelf: Shelf, tmp_path: Path) -> None:
    assert _pull(shelf, tmp_path, "pitch") == ["pitch"]
    assert (EAR.state(tmp_path), PITCH.state(tmp_path)) == ("missing", "ready")
    assert shelf.asked == ["/repo/pitch.pt"]


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({"config_json": CONFIG}, "incomplete"),
        ({"model_bin": WEIGHTS}, "incomplete"),
        ({"config_json": CONFIG, "model_bin": WEIGHTS}, "incomplete"),  # a pull brings the note that is left
        ({"config_json": CONFIG, "note_json": b"[]", "model_bin": WEIGHTS}, "ready"),
        ({"config_json": CONFIG, "model_safetensors": b"mine"}, "own"),
        ({"config_json": b"{1}", "model_bin": b"mine"}, "own"),
        ({"config_json": CONFIG, "note_json": b"[]", "model_bin": WEIGHTS, "model_safetensors": b"mine"}, "own"),
        ({"model_safetensors": b"mine"}, "incomplete"),
    ],
)
def test_what_is_there_is_told(tmp_path: Path, files: dict[str, bytes], state: str) -> None:
    _put(tmp_path, **files)
    assert EAR.state(tmp_path) == state


def test_the_users_own_files_are_kept(shelf: Shelf, tmp_path: Path) -> None:
    _put(tmp_path, config_json=CONFIG, model_bin=b"mine")
    assert _pull(shelf, tmp_path, "ear") == ["ear"]
    assert shelf.asked == [] and (tmp_path / "ear" / "model.bin").read_bytes() == b"mine"


def test_what_lacks_is_fetched_and_the_rest_is_not(shelf: Shelf, tmp_path: Path) -> None:
    _put(tmp_path, model_bin=WEIGHTS)
    _pull(shelf, tmp_path, "ear")
    assert shelf.asked == ["/repo/ear/config.json", "/repo/ear/note.json"]
    assert EAR.state(tmp_path) == "ready"


def test_an_interrupted_pull_goes_on(shelf: Shelf, tmp_path: Path) -> None:
    shelf.cuts_after = 5000
    with pytest.raises(DownloadFailed) as caught:
        _pull(shelf, tmp_path, "ear")
    assert "AVATAR_MODELS_URL" in str(caught.value.hint)
    assert EAR.state(tmp_path) == "incomplete"
    shelf.cuts_after = None
    _pull(shelf, tmp_path, "ear")
    assert shelf.ranges[-1] == "bytes=5000-" and EAR.state(tmp_path) == "ready"


def test_other_bytes_than_the_catalogues_are_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.files["repo/pitch.pt"] = b"P1tch"
    with pytest.raises(DownloadFailed, match=r"pitch\.pt has SHA-256"):
        _pull(shelf, tmp_path, "pitch")
    assert PITCH.state(tmp_path) == "missing"


def test_an_unknown_name_moves_no_byte(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no model 'nose'; there are: ear, pitch"):
        _pull(shelf, tmp_path, "pitch", "nose")
    assert shelf.asked == []


def test_the_catalogue_can_be_fetched_and_used() -> None:
    assert {*catalogue()} == {"contentvec", "rmvpe"} and BASE_URL == "https://huggingface.co"
    for model in catalogue().values():
        brought = {file.path for file in model.files}
        assert all(brought.intersection(group) for group in model.needs) and model.purpose and model.licence
        for file in model.files:
            assert len(bytes.fromhex(file.sha256)) == 32 and file.size_bytes > 0
            assert len(file.url.split("/resolve/")[1].split("/")[0]) == 40  # a revision, which never changes
            assert not file.path.startswith("/") and ".." not in file.path


def test_digests_of_the_catalogue_are_those_of_the_real_files() -> None:
    """As far as can be told without a download: this is what the smallest file says, with the line ends it has."""
    says = {
        "do_normalize": False,
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
        "sampling_rate": 16000,
    }
    content = (json.dumps(says, indent=2) + "\n").replace("\n", "\r\n").encode()
    listed = catalogue()["contentvec"].files[1]
    assert (listed.path, listed.size_bytes) == ("contentvec/preprocessor_config.json", len(content))
    assert listed.sha256 == hashlib.sha256(content).hexdigest()
