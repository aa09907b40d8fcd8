"""The store of finished renders, on a real folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

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
    await render(Theatre(at_once).stages(2), request, "en", recording)
    take = await recording.finish()
    result = describe(new_render_id(), request, take, "en_US", {"tts": "theatre"})
    store.save(result, take)
    return result


@pytest.mark.parametrize("viseme_set", ["basic", "arkit"])
async def test_what_is_saved_can_be_read(store: ResultStore, viseme_set: str) -> None:
    result = await saved(store, viseme_set)
    size = store.size(result.render_id, "response.json")
    document = json.loads(b"".join(store.read(result.render_id, "response.json", 0, size)))
    assert document["request"]["text"] == "Hello you." and document["duration_ms"] == 200
    assert (document["blend_shapes"] is not None) == (viseme_set == "arkit")
    assert b"".join(store.read(result.render_id, "audio.wav", 0, 4)) == b"RIFF"
    assert b"".join(store.read(result.render_id, "audio.wav", 8, 4)) == b"WAVE"


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
        store.size(render_id, "audio.ogg")


def test_an_unknown_render_is_not_found(store: ResultStore) -> None:
    with pytest.raises(NotFound):
        store.size(new_render_id(), "audio.ogg")


async def test_a_sweep_removes_what_has_expired_and_nothing_else(store: ResultStore, tmp_path: Path) -> None:
    old, fresh = await saved(store), await saved(store)
    two_hours_ago = time.time() - 7200
    for path in (tmp_path / old.render_id).iterdir():
        os.utime(path, (two_hours_ago, two_hours_ago))
    assert store.sweep() == 1
    assert not (tmp_path / old.render_id).exists()
    assert store.size(fresh.render_id, "audio.ogg") > 0


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


def test_a_sweep_of_nothing_is_fine(tmp_path: Path) -> None:
    assert ResultStore((tmp_path / "not yet").as_uri(), 1).sweep() == 0


def test_render_ids_are_new_each_time() -> None:
    assert len({new_render_id() for _ in range(1000)}) == 1000
