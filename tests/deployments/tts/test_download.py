"""Downloads of voices, against a real server on this machine; tests/deployments/test_download.py has the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.core.errors import DownloadFailed, UnknownVoice
from deployments.tts.download import BASE_URL, download
from deployments.tts.voices import VoiceFile, VoiceInfo, catalogue
from tests.shelf import Shelf

VOICE = "xx_XX-tiny-low"
MODEL = b"model" * 100_000
CONFIG = b'{"num_speakers": 1}'
FOLDER = "xx/xx_XX/tiny/low"


def _voice(**contents: bytes) -> dict[str, VoiceInfo]:
    """A catalogue of one voice whose files should be like these."""
    files = {f"{VOICE}.onnx": MODEL, f"{VOICE}.onnx.json": CONFIG, "MODEL_CARD": b"never asked for"} | contents
    listed = tuple(
        VoiceFile(f"{FOLDER}/{name}", len(content), hashlib.md5(content, usedforsecurity=False).hexdigest())
        for name, content in files.items()
    )
    return {VOICE: VoiceInfo(VOICE, "tiny", "xx_XX", "Xish", "Xland", "low", files=listed)}


@pytest.fixture
def shelf(shelf: Shelf) -> Shelf:
    """A server with the voice."""
    shelf.files |= {f"{FOLDER}/{VOICE}.onnx": MODEL, f"{FOLDER}/{VOICE}.onnx.json": CONFIG}
    return shelf


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_good_download(shelf: Shelf, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "voices"
    assert download([VOICE], folder, shelf.url, voices=_voice()) == (folder / f"{VOICE}.onnx",)
    assert _left(folder) == {f"{VOICE}.onnx", f"{VOICE}.onnx.json"}
    assert (folder / f"{VOICE}.onnx").read_bytes() == MODEL
    assert (folder / f"{VOICE}.onnx.json").read_bytes() == CONFIG
    output = capfd.readouterr()
    assert output.out == ""
    assert f"{VOICE}.onnx: 100%" in output.err


def test_progress_can_be_turned_off(shelf: Shelf, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    download([VOICE], tmp_path, f"{shelf.url}/", progress=False, voices=_voice())
    assert capfd.readouterr() == ("", "")


def test_installed_files_are_left_alone(shelf: Shelf, tmp_path: Path) -> None:
    download([VOICE], tmp_path, shelf.url, progress=False, voices=_voice())
    shelf.asked.clear()
    download([VOICE], tmp_path, shelf.url, progress=False, voices=_voice())
    assert shelf.asked == []


@pytest.mark.parametrize("damage", [b"short", b"m" * len(MODEL)])
def test_damaged_file_is_replaced(shelf: Shelf, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / f"{VOICE}.onnx").write_bytes(damage)
    download([VOICE], tmp_path, shelf.url, progress=False, voices=_voice())
    assert (tmp_path / f"{VOICE}.onnx").read_bytes() == MODEL


def _wrong_bytes(shelf: Shelf) -> None:
    shelf.files[f"{FOLDER}/{VOICE}.onnx"] = b"X" + MODEL[1:]


def _short(shelf: Shelf) -> None:
    shelf.files[f"{FOLDER}/{VOICE}.onnx"] = MODEL[:-1]


def _longer(shelf: Shelf) -> None:
    shelf.files[f"{FOLDER}/{VOICE}.onnx"] = MODEL + b"1"


def _breaks_off(shelf: Shelf) -> None:
    _short(shelf)
    shelf.promised_bytes = len(MODEL)


def _missing(shelf: Shelf) -> None:
    del shelf.files[f"{FOLDER}/{VOICE}.onnx"]


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (_wrong_bytes, "has MD5 [0-9a-f]{32} instead of [0-9a-f]{32}"),
        (_short, "ended after 499999 of 500000 bytes"),
        (_longer, "is longer than 500000 bytes"),
        (_missing, "answered 404"),
    ],
)
def test_bad_file_is_not_kept(shelf: Shelf, tmp_path: Path, trouble: Callable[[Shelf], None], message: str) -> None:
    trouble(shelf)
    with pytest.raises(DownloadFailed, match=message) as caught:
        download([VOICE], tmp_path, shelf.url, progress=False, voices=_voice())
    assert caught.value.hint
    assert _left(tmp_path) == {f"{VOICE}.onnx.json"}


def test_bad_download_leaves_the_old_file(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / f"{VOICE}.onnx").write_bytes(b"old")
    _wrong_bytes(shelf)
    with pytest.raises(DownloadFailed):
        download([VOICE], tmp_path, shelf.url, progress=False, voices=_voice())
    assert (tmp_path / f"{VOICE}.onnx").read_bytes() == b"old"


def test_a_cut_download_goes_on(shelf: Shelf, tmp_path: Path) -> None:
    shelf.cuts_after = 300_000
    with pytest.raises(DownloadFailed, match="failed: ") as caught:
        download([VOICE], tmp_path, shelf.url, progress=False, voices=_voice())
    assert "AVATAR_VOICES_URL" in str(caught.value.hint)
    shelf.cuts_after = None
    download([VOICE], tmp_path, shelf.url, progress=False, voices=_voice())
    assert (tmp_path / f"{VOICE}.onnx").read_bytes() == MODEL
    assert shelf.ranges == [None, None, "bytes=300000-"]


def test_unknown_voice_moves_no_byte(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(UnknownVoice, match="no-such") as caught:
        download([VOICE, "no-such"], tmp_path, shelf.url, progress=False, voices=_voice())
    assert caught.value.hint == "Run: avatar-serve voices list"
    assert shelf.asked == []


def test_default_address_and_catalogue_fit(tmp_path: Path) -> None:
    assert BASE_URL == "https://huggingface.co/rhasspy/piper-voices/resolve/v1.0.0"
    paths = [file.path for voice in catalogue().values() for file in voice.files]
    assert all(path.count("/") == 4 for path in paths if path.endswith((".onnx", ".onnx.json")))
    with pytest.raises(UnknownVoice):
        download(["no-such"], tmp_path)
