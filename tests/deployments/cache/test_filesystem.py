"""URLs, and files that are whole or not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as fs
import pytest

from deployments.cache.stores.filesystem import open_filesystem, write_whole

_TOO_LARGE = """
import resource, sys
from deployments.cache.stores.filesystem import open_filesystem, write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
files, root = open_filesystem(sys.argv[1])
try:
    write_whole(files, f"{root}/sub/file", b"x" * 600_000, b"y" * 600_000)
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("form", ["{}", "file://{}", "{}/", "file://{}/"])
def test_a_folder_is_a_path_or_a_url(form: str, tmp_path: Path) -> None:
    files, root = open_filesystem(form.format(tmp_path))
    assert isinstance(files, fs.LocalFileSystem)
    assert root == str(tmp_path)


def test_a_path_is_absolute_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert open_filesystem("cache")[1] == str(tmp_path / "cache")
    assert open_filesystem("~/cache")[1] == "/home/somebody/cache"
    assert open_filesystem("a/b:/c")[1] == str(tmp_path / "a" / "b:" / "c")


def test_a_url_is_unquoted_and_a_path_is_not() -> None:
    assert open_filesystem("file:///a%20b/%23")[1] == "/a b/#"
    assert open_filesystem("/a%20b/#?x")[1] == "/a%20b/#?x"


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("s3://bucket", "bucket"),
        ("s3://bucket/", "bucket"),
        ("s3://bucket/a/b/?region=eu-central-1", "bucket/a/b"),
        ("s3://bucket/a?endpoint_override=http://127.0.0.1:5000&region=x", "bucket/a"),
        ("s3://bucket/a?endpoint_override=http%3A%2F%2F127.0.0.1%3A5000", "bucket/a"),
        ("s3://bucket/a?endpoint_override=minio:9000&scheme=http", "bucket/a"),
    ],
)
def test_a_bucket_is_a_url(url: str, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    files, found = open_filesystem(url)
    assert isinstance(files, fs.S3FileSystem)
    assert found == root


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "empty"),
        ("gs://bucket/a", "there is no gs://"),
        ("http://host/a", "there is no http://"),
        ("file://host/a", "three slashes"),
        ("file:///a?region=x", "no options"),
        ("file://", "three slashes"),
        ("s3:///a", "a bucket is s3://bucket/prefix"),
        ("s3:/bucket/a", "a bucket is s3://bucket/prefix"),
        ("S3:/bucket", "a bucket is s3://bucket/prefix"),
        ("s3:bucket/a", "a bucket is s3://bucket/prefix"),
        ("file:/a", "file:///path"),
        ("gs:/bucket", "a bucket is s3://bucket/prefix"),
        ("s3://host:9000/a", "endpoint_override"),
        ("s3://bucket/a#b", "%23"),
        ("s3://bucket/a?regoin=x", "unknown option regoin"),
        ("s3://bucket/a?region", "bad query"),
        ("s3://bucket/a?endpoint_override=ftp://host", "an endpoint is http"),
        ("s3://bucket/a?endpoint_override=host&scheme=tcp", "an endpoint is http"),
    ],
)
def test_what_is_no_place_says_why(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        open_filesystem(url)


def test_keys_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="AWS_ACCESS_KEY_ID") as caught:
        open_filesystem("s3://me:secret@bucket/a")
    assert "secret" not in str(caught.value)


def test_a_file_is_written_in_pieces_and_replaced(tmp_path: Path) -> None:
    files, root = open_filesystem(str(tmp_path))
    write_whole(files, f"{root}/a/b/file", b"old")
    write_whole(files, f"{root}/a/b/file", b"ne", pa.py_buffer(b"w"), memoryview(b"!"))
    assert (tmp_path / "a/b/file").read_bytes() == b"new!"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["file"]


def test_nothing_stays_of_a_file_that_does_not_fit(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TOO_LARGE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.strip() == "OSError"
    assert not list((tmp_path / "sub").iterdir())


def test_a_folder_that_is_a_file_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    files, root = open_filesystem(str(tmp_path))
    with pytest.raises(OSError, match="a"):
        write_whole(files, f"{root}/a/file", b"x")
