"""Files in a folder or a bucket, by one URL; whole or not at all, and never without a time limit."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import pyarrow.fs as fs

Content: TypeAlias = Any
"""What has the buffer protocol: bytes, a pyarrow.Buffer, …; pyarrow has no types."""

PART = ".part"
"""Ending of a file that is being written."""

_CONNECT_S = 2.0
"""A packet that is lost is sent again after 1 s: one may be."""
_REQUEST_S = 4.0
"""Without a byte in either direction. The SDK's own limit is 3 s, which a busy MinIO may take."""
_ATTEMPTS = 2
"""Each call thus ends within 2 x (2 + 4) s and a pause: who waits for a cache has long computed the value by then."""
_OPTIONS = {"endpoint_override", "region", "scheme"}
_HALF_A_URL = re.compile(r"s3:|[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
"""Begins like s3:/bucket, which would be a folder named s3: here."""


def open_filesystem(url_or_path: str) -> tuple[fs.FileSystem, str]:
    """A file system and the path of the root in it. Connects to nothing.

    Args:
        url_or_path: a path, file:///path, or s3://bucket/prefix with these options: endpoint_override (as in
            http://127.0.0.1:9000, for others than AWS), scheme (of an endpoint that has none) and region. Keys come
            from the usual AWS_* variables.

    Raises:
        ValueError: it is none of these.
    """
    if "://" not in url_or_path:
        if _HALF_A_URL.match(url_or_path):
            raise ValueError(f"{url_or_path}: a bucket is s3://bucket/prefix, and a folder a path or file:///path.")
        return fs.LocalFileSystem(), _absolute(url_or_path)
    url = urlsplit(url_or_path)
    if url.fragment:
        raise ValueError(f"{url_or_path}: write # as %23.")
    if url.scheme == "file":
        return fs.LocalFileSystem(), _file_path(url, url_or_path)
    if url.scheme == "s3":
        return _s3(url, url_or_path)
    raise ValueError(f"{url_or_path}: there is no {url.scheme}://. Use a path, file:///path or s3://bucket/prefix.")


def _absolute(path: str) -> str:
    if not path:
        raise ValueError("The path of a folder is empty.")
    return os.path.abspath(Path(path).expanduser())


def _file_path(url: SplitResult, text: str) -> str:
    if url.netloc or url.query or not url.path:
        raise ValueError(f"{text}: a folder is file:///path, with three slashes and no options.")
    return _absolute(unquote(url.path))


def _s3(url: SplitResult, text: str) -> tuple[fs.FileSystem, str]:
    if "@" in url.netloc:  # the text would be in logs: it is not repeated here
        raise ValueError("s3://…@…: no keys in a URL. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.")
    if not url.netloc or ":" in url.netloc:
        raise ValueError(f"{text}: a bucket is s3://bucket/prefix; a server is named by ?endpoint_override=.")
    options = _query(url, text)
    scheme, _, host = options.get("endpoint_override", "").rpartition("://")
    scheme = scheme or options.get("scheme", "https")
    if scheme not in {"http", "https"}:
        raise ValueError(f"{text}: an endpoint is http://… or https://….")
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    files = fs.S3FileSystem(
        # Without one the SDK asks EC2's metadata server, which is not there next to an own endpoint.
        region=region or ("us-east-1" if host else None),
        scheme=scheme,
        endpoint_override=host.rstrip("/") or None,
        connect_timeout=_CONNECT_S,
        request_timeout=_REQUEST_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        allow_delayed_open=True,  # one request for a small file instead of three
    )
    return files, f"{url.netloc}{unquote(url.path)}".rstrip("/")


def _query(url: SplitResult, text: str) -> dict[str, str]:
    options = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=True)) if url.query else {}
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"{text}: unknown option {unknown[0]}; there are {', '.join(sorted(_OPTIONS))}.")
    return options


def write_whole(files: fs.FileSystem, path: str, *pieces: Content) -> None:
    """Writes a file, replacing what is there, in folders that need not exist. A reader sees all of it or none.

    Not flushed to the disk: after a loss of power a file may be there without its content.

    Raises:
        OSError: nothing of it stays.
    """
    write_stream(files, path, pieces)


def write_stream(files: fs.FileSystem, path: str, pieces: Iterable[Content]) -> None:
    """The same of pieces that come one after the other, and need not be in memory together.

    Raises:
        OSError, and what `pieces` raises: nothing of it stays.
    """
    if isinstance(files, fs.LocalFileSystem):
        _write_and_rename(files, path, pieces)
    else:  # an object is there once its stream is closed, and needs no folder
        _write(files, path, pieces)


def _write_and_rename(files: fs.FileSystem, path: str, pieces: Iterable[Content]) -> None:
    part = f"{path}.{secrets.token_hex(8)}{PART}"  # its own name: two may write the same file at once
    files.create_dir(os.path.dirname(path), recursive=True)
    try:
        _write(files, part, pieces)
        files.move(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            files.delete_file(part)
        raise


def _write(files: fs.FileSystem, path: str, pieces: Iterable[Content]) -> None:
    with files.open_output_stream(path) as stream:
        for piece in pieces:
            stream.write(piece)
