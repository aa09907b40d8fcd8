"""The store of finished renders: on a real folder, and against moto's S3 on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3  # type: ignore[import-untyped]
import numpy as np
import pytest

from deployments.cache.memo import Memo
from deployments.core.errors import NotFound, StorageFailed
from deployments.core.types import RenderRequest
from deployments.jobs.contract import result_ref
from deployments.media.recording import MediaOptions, Recording
from serve_app.narrator import part_name
from serve_app.pipeline import render
from serve_app.result_store import ResultStore
from serve_app.results import RenderResult, describe, media_files, new_render_id
from tests.buckets import s3_server
from tests.fakes import Theatre, at_once


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path.as_uri(), ttl_hours=1)


@pytest.fixture(scope="module")
def bucket_url() -> Iterator[str]:
    with s3_server() as endpoint:
        name = f"b{uuid4().hex}"
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=name)
        yield f"s3://{name}/results?endpoint_override={endpoint}&region=us-east-1"


def age(path: Path, hours: float) -> None:
    """Sets back the time of a file, a link, or all files of a folder."""
    then = time.time() - hours * 3600
    for each in path.iterdir() if path.is_dir() and not path.is_symlink() else [path]:
        os.utime(each, (then, then), follow_symlinks=False)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def content(store: ResultStore, render_id: str, name: str = "audio.ogg") -> bytes:
    file = store.find(render_id, name)
    return b"".join(file.read(0, file.size_bytes))


async def saved(store: ResultStore, viseme_set: str = "basic") -> RenderResult:
    request = RenderRequest("Hello you.", "voice", viseme_set=viseme_set)  # type: ignore[arg-type]
    recording = Recording(MediaOptions(), "natural")
    memo = Memo([], "bypass")
    take = await render(Theatre(at_once).stages(2), request, "en", recording, memo)
    result = describe(new_render_id(), request, take, "en_US", {"tts": "theatre"}, memo.tallies)
    store.save(result, media_files(result, take))
    return result


@pytest.mark.parametrize("viseme_set", ["basic", "arkit"])
async def test_what_is_saved_can_be_read(store: ResultStore, viseme_set: str) -> None:
    result = await saved(store, viseme_set)
    file = store.find(result.render_id, "response.json")
    document = json.loads(b"".join(file.read(0, file.size_bytes)))
    assert document["request"]["text"] == "Hello you." and document["duration_ms"] == 200
    assert (document["blend_shapes"] is not None) == (viseme_set == "arkit")
    assert b"".join(store.find(result.render_id, "audio.wav").read(0, 4)) == b"RIFF"
    assert b"".join(store.find(result.render_id, "audio.wav").read(8, 4)) == b"WAVE"


async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """A file where the folder of results should be stands for a disk that takes nothing."""
    (tmp_path / "results").write_text("in the way")
    with pytest.raises(StorageFailed):
        await saved(ResultStore((tmp_path / "results").as_uri(), 1))


async def test_nothing_half_written_stays(store: ResultStore, tmp_path: Path) -> None:
    result = await saved(store)
    assert set(names(tmp_path / result.render_id)) == {
        "audio.ogg",
        "audio.wav",
        "captions.srt",
        "captions.vtt",
        "response.json",
    }


@pytest.mark.parametrize("render_id", ["", "..", "../x", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "/", "A" * 32])
def test_no_path_leaves_the_folder(store: ResultStore, render_id: str) -> None:
    with pytest.raises(NotFound):
        store.find(render_id, "audio.ogg")


def test_an_unknown_render_is_not_found(store: ResultStore) -> None:
    with pytest.raises(NotFound):
        store.find(new_render_id(), "audio.ogg")


async def test_a_sweep_removes_what_has_expired_and_nothing_else(store: ResultStore, tmp_path: Path) -> None:
    old, fresh = await saved(store), await saved(store)
    age(tmp_path / old.render_id, 2)
    assert store.sweep() == 1
    assert not (tmp_path / old.render_id).exists()
    assert store.find(fresh.render_id, "audio.ogg").size_bytes > 0


async def test_a_sweep_removes_what_a_crash_left_half_written(store: ResultStore, tmp_path: Path) -> None:
    result = await saved(store)
    folder = tmp_path / result.render_id
    (folder / "response.json").unlink()
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    assert store.sweep() == 1 and not folder.exists()


async def test_a_sweep_removes_parts_that_nobody_reads_any_more(store: ResultStore, tmp_path: Path) -> None:
    result = await saved(store)
    for index in range(2):
        store.add(result.render_id, part_name("video", index), b"part")
    folder = tmp_path / result.render_id
    os.utime(folder / part_name("video", 0), (time.time() - 4000,) * 2)
    kept = {*names(folder)} - {part_name("video", 0)}
    assert store.sweep() == 0 and {*names(folder)} == kept


def test_a_sweep_leaves_what_is_no_render(store: ResultStore, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    os.utime(tmp_path / "notes" / "mine.txt", (0, 0))
    assert store.sweep() == 0 and (tmp_path / "notes" / "mine.txt").exists()


async def test_a_link_has_the_files_of_its_origin(store: ResultStore) -> None:
    origin, linked = await saved(store), new_render_id()
    store.link(linked, origin.render_id)
    for name in ("audio.ogg", "audio.wav", "captions.vtt"):
        there, here = store.find(origin.render_id, name), store.find(linked, name)
        assert list(there.read(0, there.size_bytes)) == list(here.read(0, here.size_bytes))


async def test_an_origin_lives_as_long_as_the_youngest_link_to_it(store: ResultStore, tmp_path: Path) -> None:
    origin, linked = await saved(store), new_render_id()
    age(tmp_path / origin.render_id, 2)
    store.link(linked, origin.render_id)
    assert store.sweep() == 0
    assert store.find(linked, "audio.ogg").size_bytes > 0


async def test_a_link_lives_its_time_where_that_is_seconds(tmp_path: Path) -> None:
    store = ResultStore(tmp_path.as_uri(), ttl_hours=10 / 3600)
    origin, first, second = await saved(store), new_render_id(), new_render_id()
    store.link(first, origin.render_id)
    age(tmp_path / origin.render_id, 1)
    await asyncio.sleep(1.1)  # a tenth of the limit: the next link counts
    store.link(second, origin.render_id)
    assert store.sweep() == 0
    assert content(store, second) == content(store, origin.render_id)


async def test_a_link_takes_no_block_and_moves_with_the_folder(tmp_path: Path) -> None:
    store = ResultStore((tmp_path / "results").as_uri(), 1)
    origin, linked = await saved(store), new_render_id()
    store.link(linked, origin.render_id)
    assert os.readlink(tmp_path / "results" / linked) == origin.render_id
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    moved = ResultStore((tmp_path / "elsewhere").as_uri(), 1)
    assert content(moved, linked) == content(moved, origin.render_id)


async def test_the_end_of_a_link_leaves_its_origin(store: ResultStore, tmp_path: Path) -> None:
    origin, linked = await saved(store), new_render_id()
    store.link(linked, origin.render_id)
    before = {path.name: path.read_bytes() for path in (tmp_path / origin.render_id).iterdir()}
    age(tmp_path / linked, 2)
    assert store.sweep() == 1
    assert names(tmp_path) == [origin.render_id]
    assert {path.name: path.read_bytes() for path in (tmp_path / origin.render_id).iterdir()} == before
    with pytest.raises(NotFound):
        store.find(linked, "audio.ogg")


async def test_a_link_whose_origin_is_gone_is_not_found_and_ends_in_time(store: ResultStore, tmp_path: Path) -> None:
    origin, linked = await saved(store), new_render_id()
    store.link(linked, origin.render_id)
    age(tmp_path / origin.render_id, 2)
    assert store.sweep() == 1
    with pytest.raises(NotFound):
        store.find(linked, "audio.ogg")
    with pytest.raises(NotFound):
        store.link(new_render_id(), origin.render_id)
    assert store.sweep() == 0
    assert (tmp_path / linked).is_symlink()
    age(tmp_path / linked, 2)
    assert store.sweep() == 1
    assert not names(tmp_path)


async def test_a_sweep_of_a_folder_follows_no_link_in_it(store: ResultStore, tmp_path: Path) -> None:
    old, mine = await saved(store), tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("keep")
    (tmp_path / old.render_id / "elsewhere").symlink_to(mine)
    age(tmp_path / old.render_id, 2)
    assert store.sweep() == 1
    assert names(tmp_path) == ["mine"]
    assert (mine / "notes.txt").read_text() == "keep"


async def test_where_no_link_can_be_made_a_file_names_the_origin(store: ResultStore, tmp_path: Path) -> None:
    """A folder in the way stands for a file system without symbolic links."""
    origin, linked = await saved(store), new_render_id()
    (tmp_path / linked).mkdir()
    store.link(linked, origin.render_id)
    assert names(tmp_path / linked) == ["same_as"]
    assert content(store, linked) == content(store, origin.render_id)
    age(tmp_path / linked, 2)
    assert store.sweep() == 1
    assert content(store, origin.render_id)


async def test_a_bucket_has_links_too(bucket_url: str) -> None:
    store = ResultStore(bucket_url, 1)
    origin, linked = await saved(store), new_render_id()
    store.link(linked, origin.render_id)
    assert content(store, linked) == content(store, origin.render_id)
    with pytest.raises(NotFound):
        store.find(linked, "audio.mp3")
    with pytest.raises(NotFound):
        store.link(new_render_id(), new_render_id())
    assert store.sweep() == 0
    assert ResultStore(bucket_url, ttl_hours=-1).sweep() == 2  # an hour later than now
    with pytest.raises(NotFound):
        store.find(linked, "audio.ogg")


@pytest.mark.usefixtures("bucket_url")  # whose keys it needs
def test_a_store_that_is_down_is_said() -> None:
    with closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"s3://b/r?endpoint_override=http://127.0.0.1:{closed.getsockname()[1]}&region=us-east-1"
        with pytest.raises(StorageFailed):
            ResultStore(url, 1).link(new_render_id(), new_render_id())


def test_an_empty_folder_is_swept_when_it_is_old(store: ResultStore, tmp_path: Path) -> None:
    folder = tmp_path / new_render_id()
    folder.mkdir()
    assert store.sweep() == 0
    os.utime(folder, (0, 0))
    assert store.sweep() == 1 and not folder.exists()


@pytest.mark.parametrize("origin_id", ["0" * 32, "..", "../x", ""])
def test_nothing_is_linked_to_what_is_gone(store: ResultStore, tmp_path: Path, origin_id: str) -> None:
    with pytest.raises(NotFound):
        store.link(new_render_id(), origin_id)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "../../etc", "0" * 32, "x" * 100_000])
def test_a_link_to_nowhere_is_not_found(store: ResultStore, tmp_path: Path, content: str) -> None:
    render_id = new_render_id()
    (tmp_path / render_id).mkdir()
    (tmp_path / render_id / "same_as").write_text(content)
    with pytest.raises(NotFound):
        store.find(render_id, "audio.ogg")


def test_a_sweep_of_nothing_is_fine(tmp_path: Path) -> None:
    assert ResultStore((tmp_path / "not yet").as_uri(), 1).sweep() == 0


async def attempt(store: ResultStore, render_id: str, number: int) -> RenderResult:
    """Files of an attempt, not yet those of its render."""
    whole = await saved(store, "arkit")
    store.discard(whole.render_id)
    recording = Recording(MediaOptions(), "natural")
    take = await render(Theatre(at_once).stages(2), whole.request, "en", recording, Memo([], "bypass"))
    result = replace(whole, render_id=render_id, ref=result_ref(render_id, number))
    store.save(result, media_files(result, take))
    return result


@pytest.mark.parametrize("where", ["folder", "bucket"])
async def test_the_last_attempt_that_is_published_is_the_render(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = tmp_path.as_uri() if where == "folder" else request.getfixturevalue("bucket_url")
    store, render_id = ResultStore(url, ttl_hours=1), new_render_id()
    first, second = [await attempt(store, render_id, number) for number in (1, 2)]
    for name in (render_id, first.ref):  # nobody may ask for an attempt by name
        with pytest.raises(NotFound):
            store.find(name, "audio.ogg")
    for each in (first, second):
        store.publish(render_id, each.ref)
        assert store.read(render_id).ref == each.ref
    store.publish(render_id, second.ref)  # by a leader that died before it wrote that down
    again = store.read(render_id)
    assert again.blend_shapes is not None and second.blend_shapes is not None
    assert np.allclose(again.blend_shapes.frames, second.blend_shapes.frames, atol=5e-4)
    assert plain(again) == plain(second)
    other = new_render_id()
    store.link(other, second.ref)
    assert content(store, other) == content(store, render_id)


def plain(result: RenderResult) -> dict[str, Any]:
    return {name: value for name, value in vars(result).items() if name != "blend_shapes"}


async def test_attempts_that_came_to_nothing_are_swept_early(tmp_path: Path) -> None:
    store, render_id = ResultStore(tmp_path.as_uri(), ttl_hours=100), new_render_id()
    lost, published, fresh = [await attempt(store, render_id, number) for number in (1, 2, 3)]
    store.publish(render_id, published.ref)
    (tmp_path / f"{render_id}.0123abcd").symlink_to(lost.ref)  # left of a link by a crash
    for each in (lost, published):
        age(tmp_path / each.ref, hours=2)
    age(tmp_path / f"{render_id}.0123abcd", hours=101)
    assert store.sweep() == 2
    assert sorted(names(tmp_path)) == sorted([render_id, published.ref, fresh.ref])
