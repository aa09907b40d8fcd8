"""The store of finished renders, on a real folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from deployments.cache.memo import Memo
from deployments.core.errors import NotFound, StorageFailed
from deployments.core.types import RenderRequest
from deployments.media.recording import MediaOptions, Recording
from serve_app.pipeline import render
from serve_app.results import RenderResult, ResultStore, describe, new_render_id
from tests.fakes import Theatre, at_once


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path.as_uri(), ttl_hours=1)


async def saved(store: ResultStore, viseme_set: str = "basic") -> RenderResult:
    request = RenderRequest("Hello you.", "voice", viseme_set=viseme_set)  # type: ignore[arg-type]
    recording = Recording(MediaOptions(), "natural")
    memo = Memo([], "bypass")
    take = await render(Theatre(at_once).stages(2), request, "en", recording, memo)
    result = describe(new_render_id(), request, take, "en_US", {"tts": "theatre"}, memo.tallies)
    store.save(result, take)
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
    names = {path.name for path in (tmp_path / result.render_id).iterdir()}
    assert names == {"audio.ogg", "audio.wav", "captions.srt", "captions.vtt", "response.json"}


@pytest.mark.parametrize("render_id", ["", "..", "../x", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "/", "A" * 32])
def test_no_path_leaves_the_folder(store: ResultStore, render_id: str) -> None:
    with pytest.raises(NotFound):
        store.find(render_id, "audio.ogg")


def test_an_unknown_render_is_not_found(store: ResultStore) -> None:
    with pytest.raises(NotFound):
        store.find(new_render_id(), "audio.ogg")


async def test_a_sweep_removes_what_has_expired_and_nothing_else(store: ResultStore, tmp_path: Path) -> None:
    old, fresh = await saved(store), await saved(store)
    two_hours_ago = time.time() - 7200
    for path in (tmp_path / old.render_id).iterdir():
        os.utime(path, (two_hours_ago, two_hours_ago))
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
    two_hours_ago = time.time() - 7200
    for path in (tmp_path / origin.render_id).iterdir():
        os.utime(path, (two_hours_ago, two_hours_ago))
    store.link(linked, origin.render_id)
    assert store.sweep() == 0
    assert store.find(linked, "audio.ogg").size_bytes > 0


def test_nothing_is_linked_to_what_is_gone(store: ResultStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        store.link(new_render_id(), new_render_id())
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


def test_render_ids_are_new_each_time() -> None:
    assert len({new_render_id() for _ in range(1000)}) == 1000
