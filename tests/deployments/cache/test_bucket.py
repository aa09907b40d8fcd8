"""Files of values in a bucket: against moto's S3 on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import boto3  # type: ignore[import-untyped]
import numpy as np
import pytest

from deployments.cache.contract import LifeTimes, Removed
from deployments.cache.stores import filesystem
from deployments.cache.stores.files import FileStore
from deployments.core import keys
from deployments.core.types import Speech
from tests.buckets import s3_server

KEY = f"speech/{1:064x}"
NAME = f"speech/00/{1:064x}.arrow"


@pytest.fixture(scope="module", autouse=True)
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        yield address


class Bucket:
    """A bucket, and what S3 itself says is in it."""

    def __init__(self, endpoint: str) -> None:
        self.name = f"b{uuid4().hex}"
        self.url = f"s3://{self.name}/cache?endpoint_override={endpoint}&region=us-east-1"
        self._s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self._s3.create_bucket(Bucket=self.name)

    def store(self, ahead_s: float = 0.0) -> FileStore:
        return FileStore(self.url, 1, LifeTimes(speech=10, video=2), True, lambda: time.time() + ahead_s)

    def content(self, name: str = NAME) -> bytes:
        content: bytes = self._s3.get_object(Bucket=self.name, Key=f"cache/{name}")["Body"].read()
        return content

    def write(self, name: str, content: bytes) -> None:
        self._s3.put_object(Bucket=self.name, Key=f"cache/{name}", Body=content)

    def names(self) -> list[str]:
        """Without the empty markers of folders."""
        listed = self._s3.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [entry["Key"].removeprefix("cache/") for entry in listed if not entry["Key"].endswith("/")]


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    return Bucket(endpoint)


def test_speech_comes_back(bucket: Bucket, speech: Speech) -> None:
    store = bucket.store()
    assert store.get(KEY) is None
    store.put(KEY, speech, keys.digest(speech))
    assert bucket.names() == [NAME]
    found = bucket.store().get(KEY)
    assert found is not None
    assert found.digest == keys.digest(found.value) == keys.digest(speech)
    assert not store.stats().faults


def test_what_takes_several_parts_comes_back(bucket: Bucket) -> None:
    store, value = bucket.store(), np.random.default_rng(1).bytes(12_000_000)
    store.put(KEY, value, "d")
    found = store.get(KEY)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:70] + b"!" + content[71:]])
def test_a_damaged_object_is_a_miss_and_goes(bucket: Bucket, damage: type[bytes]) -> None:
    store = bucket.store()
    store.put(KEY, np.arange(100), "d")
    bucket.write(NAME, damage(bucket.content()))
    assert store.get(KEY) is None
    assert bucket.names() == []
    assert store.stats().faults == {"corrupt": 1}


def test_what_has_expired_is_a_miss_and_goes(bucket: Bucket) -> None:
    bucket.store().put(KEY, "a", "d")
    later = bucket.store(11 * 3600)
    assert later.get(KEY) is None
    assert bucket.names() == []
    assert not later.stats().faults


def test_cleanup_removes_what_has_expired(bucket: Bucket) -> None:
    store, later = bucket.store(), bucket.store(3 * 3600)
    store.put(KEY, "a", "d")
    store.put(KEY.replace("speech", "video"), "b", "d")
    bucket.write("speech/notes.txt", b"mine")
    assert store.cleanup() == Removed()
    assert later.cleanup().entries == 1
    assert bucket.names() == [NAME, "speech/notes.txt"]


def test_clear_removes_all_values(bucket: Bucket) -> None:
    store = bucket.store()
    store.put(KEY, "a", "d")
    store.put(KEY.replace("speech", "video"), "b", "d")
    mine = ["notes.txt", "speech/00/notes.txt", "speech/my-recordings/a.wav", f"video/{1:032x}/response.json"]
    for name in mine:
        bucket.write(name, b"mine")
    assert store.clear().entries == 2
    assert bucket.names() == mine
    assert store.get(KEY) is None
    assert store.clear() == Removed()


def test_many_values_are_removed_all(bucket: Bucket) -> None:
    names = [f"speech/{index:02x}/{index:02x}{index:062x}.arrow" for index in range(100)]
    for name in names:
        bucket.write(name, b"value")
    assert bucket.store().clear() == Removed(100, 500)
    assert bucket.names() == []


def test_it_is_listed_once_a_minute(bucket: Bucket) -> None:
    store = bucket.store()
    store.put(KEY, "a", "d")
    first = store.stats()
    assert (first.entries, first.size_bytes, first.limit_bytes) == (1, len(bucket.content()), None)
    store.put(KEY.replace("speech", "video"), "b", "d")
    assert store.stats().entries == 1
    store.clear()
    assert store.stats().entries == 0


def test_a_bucket_that_is_not_there_is_a_miss(endpoint: str) -> None:
    store = FileStore(f"s3://missing/cache?endpoint_override={endpoint}", None, LifeTimes(), True)
    assert store.get(KEY) is None
    store.put(KEY, "a", "d")
    assert store.stats().entries == 0
    assert store.stats().faults == {"write_failed": 1}


def test_a_server_that_is_down_is_a_miss_at_once() -> None:
    with closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))
        store = FileStore(
            f"s3://b/c?endpoint_override=http://127.0.0.1:{closed.getsockname()[1]}", None, LifeTimes(), True
        )
        started = time.monotonic()
        assert store.get(KEY) is None
        store.put(KEY, "a", "d")
        assert store.cleanup() == store.clear() == Removed()
        assert store.stats().faults == {"unreadable": 2, "write_failed": 1, "not_removed": 2}
    assert time.monotonic() - started < 15


def test_a_server_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "_REQUEST_S", 1.0)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:  # takes connections and says nothing
        store = FileStore(
            f"s3://b/c?endpoint_override=http://127.0.0.1:{silent.getsockname()[1]}", None, LifeTimes(), True
        )
        started = time.monotonic()
        assert store.get(KEY) is None
        assert 1 < time.monotonic() - started < 10
        started = time.monotonic()
        assert store.get(KEY) is None
        store.put(KEY, "a", "d")
        assert time.monotonic() - started < 0.5
        assert store.stats().faults["write_failed"] == 1
