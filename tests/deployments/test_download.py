"""Downloads, against a real server on this machine that misbehaves in every way."""

from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.core.errors import DownloadFailed
from deployments.download import RemoteFile, fetch
from tests.ports import free_port
from tests.shelf import Shelf

CONTENT = bytes(range(256)) * 2000
HALF = len(CONTENT) // 2


def _file(shelf: Shelf, folder: Path, content: bytes = CONTENT) -> RemoteFile:
    digest = hashlib.sha256(content).hexdigest()
    return RemoteFile(f"{shelf.url}/model.bin", folder / "model.bin", len(content), digest)


@pytest.fixture
def shelf(shelf: Shelf) -> Shelf:
    """A server with the file."""
    shelf.files["model.bin"] = CONTENT
    return shelf


def _fetch(file: RemoteFile, timeout_s: float = 5) -> None:
    fetch([file], "MIRROR", progress=False, timeout_s=timeout_s)


def _fails(file: RemoteFile, message: str, timeout_s: float = 5) -> str:
    """The hint of the error."""
    with pytest.raises(DownloadFailed, match=message) as caught:
        _fetch(file, timeout_s)
    assert caught.value.hint
    return caught.value.hint


def _cut(shelf: Shelf, file: RemoteFile) -> None:
    """A first try that ends in the middle."""
    shelf.cuts_after = HALF
    assert "goes on where it stopped" in _fails(file, "failed: ")
    shelf.cuts_after = None


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_comes_whole_and_alone(shelf: Shelf, tmp_path: Path) -> None:
    file = _file(shelf, tmp_path / "new" / "folder")
    _fetch(file)
    assert file.path.read_bytes() == CONTENT and _left(file.path.parent) == {"model.bin"}
    _fetch(file)
    assert len(shelf.asked) == 1


@pytest.mark.parametrize("moved", [False, True])
def test_a_cut_download_goes_on_where_it_stopped(shelf: Shelf, tmp_path: Path, moved: bool) -> None:
    shelf.moved = moved
    file = _file(shelf, tmp_path)
    _cut(shelf, file)
    assert _left(tmp_path) == {".model.bin.part", ".model.bin.part.etag"}
    _fetch(file)
    assert file.path.read_bytes() == CONTENT and _left(tmp_path) == {"model.bin"}
    assert shelf.ranges[-1] == f"bytes={HALF}-"
    assert shelf.asked[-1] == ("/moved/model.bin" if moved else "/model.bin")


def test_it_goes_on_more_than_once(shelf: Shelf, tmp_path: Path) -> None:
    file = _file(shelf, tmp_path)
    shelf.cuts_after = len(CONTENT) // 4
    for _ in range(3):
        _fails(file, "failed: ")
    _fetch(file)
    assert file.path.read_bytes() == CONTENT
    assert shelf.ranges == [None, *(f"bytes={quarter * len(CONTENT) // 4}-" for quarter in (1, 2, 3))]


def test_the_bar_begins_where_the_download_does(
    shelf: Shelf, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = _file(shelf, tmp_path)
    _cut(shelf, file)
    fetch([file], "MIRROR")
    shown = capfd.readouterr()
    assert shown.out == "" and "model.bin:  50%" in shown.err and "model.bin: 100%" in shown.err


def _no_ranges(shelf: Shelf) -> None:
    shelf.knows_ranges = False


def _another_version(shelf: Shelf) -> None:
    """As if the first half had been of an old version: other bytes, another ETag."""
    shelf.etag = '"new {}"'


@pytest.mark.parametrize("change", [_no_ranges, _another_version])
def test_it_starts_anew_where_it_cannot_go_on(shelf: Shelf, tmp_path: Path, change: Callable[[Shelf], None]) -> None:
    file = _file(shelf, tmp_path)
    shelf.files["model.bin"] = b"old" * len(CONTENT)
    _cut(shelf, file)
    shelf.files["model.bin"] = CONTENT
    change(shelf)
    _fetch(file)
    assert file.path.read_bytes() == CONTENT and _left(tmp_path) == {"model.bin"}
    assert shelf.ranges == [None, f"bytes={HALF}-"]


def test_ranges_of_another_length_are_not_taken(shelf: Shelf, tmp_path: Path) -> None:
    """The server calls a longer file by the same ETag."""
    file = _file(shelf, tmp_path)
    shelf.etag = '"always"'
    _cut(shelf, file)
    shelf.files["model.bin"] = CONTENT + b"more"
    _fails(file, f"is longer than {len(CONTENT)} bytes")
    assert shelf.ranges == [None, f"bytes={HALF}-", None] and _left(tmp_path) == set()


def test_what_is_whole_but_damaged_starts_anew(shelf: Shelf, tmp_path: Path) -> None:
    """The machine went down after the last byte and before the rename; and the disk did harm."""
    file = _file(shelf, tmp_path)
    _cut(shelf, file)
    (tmp_path / ".model.bin.part").write_bytes(b"X" * len(CONTENT))
    _fetch(file)
    assert file.path.read_bytes() == CONTENT
    assert shelf.ranges == [None, f"bytes={len(CONTENT)}-", None]


def test_what_is_whole_and_right_needs_no_server(shelf: Shelf, tmp_path: Path) -> None:
    file = _file(shelf, tmp_path)
    _cut(shelf, file)
    (tmp_path / ".model.bin.part").write_bytes(CONTENT)
    _fetch(file)
    assert file.path.read_bytes() == CONTENT and len(shelf.asked) == 1


@pytest.mark.parametrize("etag", [None, 'W/"{}"', "{}", '"\u00e9{}"'])
def test_without_a_strong_etag_nothing_is_kept(shelf: Shelf, tmp_path: Path, etag: str | None) -> None:
    shelf.etag = etag
    shelf.cuts_after = HALF
    _fails(_file(shelf, tmp_path), "failed: ")
    assert _left(tmp_path) == set()


def test_a_strange_etag_on_the_disk_is_passed_over(shelf: Shelf, tmp_path: Path) -> None:
    file = _file(shelf, tmp_path)
    _cut(shelf, file)
    (tmp_path / ".model.bin.part.etag").write_bytes(b'"\xff\r\nX: 1"')
    _fetch(file)
    assert file.path.read_bytes() == CONTENT and shelf.ranges == [None, None]


def _wrong_bytes(shelf: Shelf) -> None:
    shelf.files["model.bin"] = b"X" + CONTENT[1:]


def _short(shelf: Shelf) -> None:
    shelf.files["model.bin"] = CONTENT[:-1]


def _longer(shelf: Shelf) -> None:
    shelf.files["model.bin"] = CONTENT * 2


def _endless(shelf: Shelf) -> None:
    """More bytes than listed end it at once, however many the server promises."""
    _longer(shelf)
    shelf.promised_bytes = 1 << 40


def _missing(shelf: Shelf) -> None:
    del shelf.files["model.bin"]


@pytest.mark.parametrize("etag", ['"{}"', None])
@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (_wrong_bytes, "has SHA-256 [0-9a-f]{64} instead of [0-9a-f]{64}"),
        (_short, f"ended after {len(CONTENT) - 1} of {len(CONTENT)} bytes"),
        (_longer, f"is longer than {len(CONTENT)} bytes"),
        (_endless, f"is longer than {len(CONTENT)} bytes"),
        (_missing, "answered 404"),
    ],
)
def test_a_bad_file_is_not_kept(
    shelf: Shelf, tmp_path: Path, trouble: Callable[[Shelf], None], message: str, etag: str | None
) -> None:
    trouble(shelf)
    shelf.etag = etag
    file = _file(shelf, tmp_path)
    file.path.write_bytes(b"old")
    assert "MIRROR" in _fails(file, message)
    assert _left(tmp_path) == {"model.bin"} and file.path.read_bytes() == b"old"


def test_a_server_that_falls_silent_can_be_gone_on_with(shelf: Shelf, tmp_path: Path) -> None:
    file = _file(shelf, tmp_path)
    shelf.hangs = True
    started = time.monotonic()
    assert "MIRROR" in _fails(file, r"failed: .*[Tt]ime", timeout_s=0.2)
    assert time.monotonic() - started < 10  # the server would have waited for 60 s
    shelf.hangs = False
    _fetch(file)
    assert file.path.read_bytes() == CONTENT and shelf.ranges == [None, "bytes=10-"]


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/x", "http://[::1", "http://127.0.0.1:PORT"])
def test_an_address_without_a_server(tmp_path: Path, url: str) -> None:
    url = url.replace("PORT", str(free_port()))
    assert "MIRROR" in _fails(RemoteFile(url, tmp_path / "x", 1, "0"), "failed: ")


def test_a_file_larger_than_the_disk_is_not_begun(shelf: Shelf, tmp_path: Path) -> None:
    huge = RemoteFile(f"{shelf.url}/model.bin", tmp_path / "model.bin", 1 << 60, "0")
    assert "Free some space" in _fails(huge, r"model.bin needs 1152921504607 MB, and .* MB left")
    assert _left(tmp_path) == set()


def test_a_disk_that_fills_up(shelf: Shelf, tmp_path: Path) -> None:
    """The kernel refuses to let a file grow, as a full disk does; with room again the download goes on."""
    file = _file(shelf, tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, before[1]))
    try:
        assert "Free some space" in _fails(file, "cannot be written")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    _fetch(file)
    assert file.path.read_bytes() == CONTENT and str(shelf.ranges[-1]).startswith("bytes=")


def test_a_folder_that_cannot_be_made(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "folder" in _fails(_file(shelf, tmp_path / "file" / "models"), "cannot be written")


def test_two_downloads_do_not_write_into_the_same_file(shelf: Shelf, tmp_path: Path) -> None:
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "Wait" in _fails(_file(shelf, tmp_path), "another download into .* is under way")
    finally:
        os.close(other)
    assert shelf.asked == []
