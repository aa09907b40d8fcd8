"""A video is shown part by part: each is written before it is told of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deployments.core.types import AudioClip, RenderRequest
from deployments.core.video import Filming, Footage
from deployments.jobs.contract import Job, Progress, Report
from deployments.media.recording import MediaOptions, Recording
from serve_app.admission import Admission
from serve_app.narrator import Narrator, part_name
from serve_app.result_store import ResultStore
from tests.deployments.jobs.loops import leaping

JOB = Job("0" * 32, "", RenderRequest("Hello.", "voice", video=Filming("ada")), "normal", "", 0.0, attempt=2)
AT_A_TIME = 8


@pytest.fixture
def results(tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path), ttl_hours=1)


async def _told(narrator: Narrator) -> list[Progress]:
    narrator.end()
    return [report async for report in narrator.reports() if isinstance(report, Progress)]


async def _show(narrator: Narrator, frames: int, start: int = 0) -> bytes:
    shown = b""
    for done in range(start + AT_A_TIME, frames + 1, AT_A_TIME):
        shown += (fragment := b"%d," % done)
        await narrator.footage(Footage(done, frames, fragment))
    return shown


def _parts(results: ResultStore, told: list[Progress]) -> list[bytes]:
    count = sum(report.stage == "video" for report in told)
    files = [results.find_in(f"{'0' * 32}-2", part_name("video", index)) for index in range(count)]
    return [b"".join(file.read(0, file.size_bytes)) for file in files]


async def test_all_of_it_in_few_parts_that_grow(results: ResultStore) -> None:
    narrator = Narrator(JOB, results)
    shown = await _show(narrator, 1600)
    told = await _told(narrator)
    parts = _parts(results, told)
    assert b"".join(parts) == shown
    assert parts[0] == b"8," and len(parts) < 16
    progress = [report.progress for report in told]
    assert progress == sorted(progress) and 25 <= progress[0] < 30 and progress[-1] == 95
    assert told[-1].stage == "video" and told[-1].message == "Frame 1600 of 1600 is drawn."


async def test_a_slow_engine_tells_of_frames_between_the_parts(results: ResultStore) -> None:
    narrator = Narrator(JOB, results)
    for done in range(8, 80, 8):
        await narrator.footage(Footage(done, 800, b"x"))
        await asyncio.sleep(0.1)
    stages = [report.stage for report in await _told(narrator)]
    assert stages[0] == "video" and "avatar" in stages


async def test_what_is_made_again_is_not_written_twice(results: ResultStore) -> None:
    """A release changed, or an object was lost, on the way."""
    narrator = Narrator(JOB, results)
    first = await _show(narrator, 400)
    narrator.listen_to(Recording(MediaOptions(), "natural"))
    assert await _show(narrator, 400) == first
    assert b"".join(_parts(results, await _told(narrator))) == first


async def test_speech_is_the_first_quarter_of_a_video(results: ResultStore) -> None:
    narrator = Narrator(JOB, results)
    recording = Recording(MediaOptions(), "natural")
    recording.sentences = 2
    narrator.listen_to(recording)
    for _ in range(2):
        await narrator.sentence(AudioClip([], 8000))  # type: ignore[arg-type]
    assert [report.progress for report in await _told(narrator)] == [12, 25]


@leaping
async def test_who_waits_to_be_drawn_is_not_dead(results: ResultStore) -> None:
    """All replicas may be busy with long videos; once drawing has begun, silence means that something hangs."""
    narrator = Narrator(JOB, results)
    narrator.listen_to(Recording(MediaOptions(), "natural"))
    async with narrator.turn(Admission(1))():
        reports = narrator.reports()
        assert [report.stage async for report in _first(reports, 3)] == ["avatar"] * 3
        await narrator.footage(Footage(8, 100, b"x"))
        assert [report.stage async for report in _first(reports, 1)] == ["video"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(200):
                await anext(reports)


async def _first(reports: AsyncIterator[Report], count: int) -> AsyncIterator[Progress]:
    for _ in range(count):
        report = await anext(reports)
        assert isinstance(report, Progress)
        yield report
