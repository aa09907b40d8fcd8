"""Decoding in a process of its own: it dies alone, has limits, and never outlives who asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from deployments.core.errors import BadPicture, BadRecording, RecordingTooLong
from deployments.media import child
from tests.pictures import bomb, picture, scene
from tests.recordings import recording, tone

MB = 1_000_000


def children() -> list[psutil.Process]:
    """Decoders of ours that are alive."""
    return [
        each
        for each in psutil.Process().children(recursive=True)
        if each.status() != psutil.STATUS_ZOMBIE and "deployments.media.decoding" in each.cmdline()
    ]


async def test_what_is_found_comes_back(tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(recording("mp3", tone(1, 44_100), 44_100, 2))
    found = await child.decode(tmp_path / "sent", tmp_path / "made.wav", 10)
    assert found["container"] == "mp3" and found["channels"] == 2 and found["silent"] is False
    assert (tmp_path / "made.wav").stat().st_size == pytest.approx(48_000, abs=500)


async def test_errors_come_back_as_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"%PDF-1.4")
    with pytest.raises(BadRecording, match="PDF") as caught:
        await child.decode(tmp_path / "sent", tmp_path / "made.wav", 10)
    assert caught.value.hint
    (tmp_path / "sent").write_bytes(recording("flac", tone(2, 16_000), 16_000))
    with pytest.raises(RecordingTooLong):
        await child.decode(tmp_path / "sent", tmp_path / "made.wav", 1)


async def test_what_is_found_in_a_picture_comes_back(tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(picture("webp", scene(60, 40)))
    found = await child.picture(tmp_path / "sent", tmp_path / "kept.png", 50_000_000)
    assert found == {"format": "webp", "width": 60, "height": 40, "has_alpha": False, "notes": []}
    assert (tmp_path / "kept.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"%PDF-1.4", "PDF"), (bomb(20_000, 20_000), "20000x20000")], ids=["pdf", "bomb"]
)
async def test_errors_of_pictures_come_back_as_what_they_are(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "sent").write_bytes(content)
    with pytest.raises(BadPicture, match=reason) as caught:
        await child.picture(tmp_path / "sent", tmp_path / "kept.png", 50_000_000)
    assert caught.value.hint


async def test_a_picture_that_asks_for_too_much_is_refused(tmp_path: Path) -> None:
    """900 million pixels, let through, take more memory than the process may have."""
    (tmp_path / "sent").write_bytes(bomb(30_000, 30_000))
    with pytest.raises(BadPicture, match=r"memory|damaged"):
        await child.picture(tmp_path / "sent", tmp_path / "kept.png", 10**9)


async def test_a_decoder_that_is_killed_is_the_files_fault(tmp_path: Path) -> None:
    task, process = await _at_work(tmp_path)
    process.kill()
    with pytest.raises(BadRecording, match="died"):
        await task


async def test_who_leaves_leaves_no_decoder_behind_and_memory_stays_small(tmp_path: Path) -> None:
    task, process = await _at_work(tmp_path)
    grown = 0
    while process.cpu_times().user < 1.5:  # an hour of sound is going through
        grown = max(grown, process.memory_info().rss)
        await asyncio.sleep(0.05)
    assert 20 * MB < grown < 200 * MB
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not children()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="Linux shows what a process was given")
async def test_a_decoder_is_told_no_secrets(tmp_path: Path) -> None:
    task, process = await _at_work(tmp_path)
    given = process.environ()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "PYTHONPATH" in given
    assert given.keys() <= {
        "PATH",
        "LD_LIBRARY_PATH",
        "LANG",
        "LC_CTYPE",
        "TMPDIR",
        "PYTHONPATH",
        "OPENBLAS_NUM_THREADS",
    }


async def _at_work(tmp_path: Path) -> tuple[asyncio.Task[object], psutil.Process]:
    """Something that takes seconds: an hour, written to a pipe, of which a minute is repeated."""
    minute = recording("wav", tone(60, 16_000), 16_000)
    head, data = minute[:78], minute[78:]
    with (tmp_path / "sent").open("wb") as file:
        file.write(head[:4] + b"\xff" * 4 + head[8:74] + b"\xff" * 4)
        for _ in range(60):
            file.write(data)
    task = asyncio.ensure_future(child.decode(tmp_path / "sent", tmp_path / "made.wav", 3700))
    while not (found := children()):
        assert not task.done(), task.result()
        await asyncio.sleep(0.01)
    return task, found[0]
