"""The store of uploads: on a real folder, and against moto's S3 on loopback."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import boto3  # type: ignore[import-untyped]
import pytest

from deployments.core.errors import StorageFailed, UploadNotFound
from serve_app.upload_store import UploadStore
from tests.buckets import s3_server

FOUND = {"duration_s": 1.5, "notes": ["ä"]}


@pytest.fixture(scope="module")
def bucket_url() -> Iterator[str]:
    with s3_server() as endpoint:
        name = f"b{uuid4().hex}"
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=name)
        yield f"s3://{name}/uploads?endpoint_override={endpoint}&region=us-east-1"


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> UploadStore:
    url = (tmp_path / "kept").as_uri() if request.param == "folder" else request.getfixturevalue("bucket_url")
    return UploadStore(url, ttl_hours=1, max_mb=1)


@pytest.fixture
def local(tmp_path: Path) -> UploadStore:
    return UploadStore((tmp_path / "kept").as_uri(), ttl_hours=1, max_mb=1)


def name_of(number: int) -> str:
    return f"{number:032x}.wav"


def sound(tmp_path: Path, size: int = 1000) -> Path:
    path = tmp_path / f"{size}.wav"
    path.write_bytes(os.urandom(size))
    return path


def age(tmp_path: Path, name: str, hours: float) -> None:
    then = time.time() - hours * 3600
    for path in (tmp_path / "kept").glob(f"{name[:32]}*"):
        os.utime(path, (then, then))


def test_what_is_kept_is_found(store: UploadStore, tmp_path: Path) -> None:
    name, content = f"{uuid4().hex}.wav", sound(tmp_path, 300_000)
    assert store.known(name) is None
    store.save(name, content, FOUND)
    file = store.find(name)
    assert file.size_bytes == 300_000 and b"".join(file.read(0, 300_000)) == content.read_bytes()
    assert b"".join(file.read(10, 5)) == content.read_bytes()[10:15]
    assert store.known(name) == FOUND
    store.save(name, content, FOUND)
    assert store.sweep() == 0 and store.known(name) == FOUND


@pytest.mark.parametrize(
    "name",
    ["", "x.wav", "../" + name_of(1), name_of(1)[:-4], name_of(1).upper().replace("0", "A"), f"{name_of(1)}\n"],
)
def test_no_other_name_is_looked_for(local: UploadStore, name: str) -> None:
    with pytest.raises(UploadNotFound, match="no name of an upload") as caught:
        local.find(name)
    assert caught.value.status == 404 and caught.value.code == "upload_not_found" and caught.value.hint


def test_what_is_not_there_says_how_long_it_would_be(local: UploadStore) -> None:
    with pytest.raises(UploadNotFound, match=name_of(2)) as caught:
        local.find(name_of(2))
    assert "1 hours" in (caught.value.hint or "")


def test_what_was_not_used_for_its_time_goes(local: UploadStore, tmp_path: Path) -> None:
    for number in (1, 2):
        local.save(name_of(number), sound(tmp_path), FOUND)
        age(tmp_path, name_of(number), 2)
    (tmp_path / "kept" / "readme.txt").write_text("mine")
    local.find(name_of(2))  # sets its age back
    assert local.sweep() == 2  # the sound and its description
    with pytest.raises(UploadNotFound):
        local.find(name_of(1))
    local.find(name_of(2))
    assert (tmp_path / "kept" / "readme.txt").exists()


def test_leftovers_of_crashes_go_too(local: UploadStore, tmp_path: Path) -> None:
    local.save(name_of(3), sound(tmp_path), FOUND)
    left = tmp_path / "kept" / f"{name_of(4)}.{'0' * 16}.part"
    left.write_bytes(b"half")
    age(tmp_path, name_of(4), 2)
    assert local.sweep() == 1 and not left.exists()
    local.find(name_of(3))


def test_the_last_used_stay_when_room_is_needed(local: UploadStore, tmp_path: Path) -> None:
    for number in range(4):
        local.save(name_of(number), sound(tmp_path, 240_000), FOUND)
        age(tmp_path, name_of(number), 0.5 - number / 10)
    local.find(name_of(0))
    local.save(name_of(9), sound(tmp_path, 300_000), FOUND)
    kept = {number for number in (0, 1, 2, 3, 9) if local.known(name_of(number))}
    assert kept == {0, 3, 9}


@pytest.mark.parametrize("note", [b"", b"[]", b"null", b"{", b"7"])
def test_a_damaged_description_is_none(local: UploadStore, tmp_path: Path, note: bytes) -> None:
    local.save(name_of(1), sound(tmp_path), FOUND)
    (tmp_path / "kept" / f"{name_of(1)[:32]}.json").write_bytes(note)
    assert local.known(name_of(1)) is None


def test_what_never_fits_is_said(local: UploadStore, tmp_path: Path) -> None:
    local.save(name_of(1), sound(tmp_path), FOUND)
    with pytest.raises(StorageFailed, match="max_uploads_mb"):
        local.save(name_of(2), sound(tmp_path, 1_100_000), FOUND)
    assert local.known(name_of(1)) == FOUND


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file in its place")
    store = UploadStore((tmp_path / "kept").as_uri(), ttl_hours=1, max_mb=1)
    with pytest.raises(StorageFailed) as caught:
        store.save(name_of(1), sound(tmp_path), FOUND)
    assert caught.value.hint
