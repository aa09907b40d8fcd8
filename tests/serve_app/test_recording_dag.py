"""Recordings through the DAG over scripted engines: pieces, order, memory, the next engine, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from deployments.cache.memo import Memo
from deployments.core.errors import AvatarError, BadInput, EngineNotInstalled, LipSyncFailed, TimedOut, UploadNotFound
from deployments.core.keys import Node
from deployments.core.types import Reading, RenderRequest, Speech, Take, VisemeTrack, WordSpan
from deployments.core.visemes import INDEX
from deployments.media import recording as recordings
from deployments.media.recording import MediaOptions, Recording
from serve_app.admission import Budget
from serve_app.pipeline import Pending, Stages, Step, render
from serve_app.sound import RecordedSound
from serve_app.upload_store import UploadStore
from tests.fakes import Theatre, at_once
from tests.serve_app.recordings import RATE, keep, noise, store

Script = Callable[[Speech, str], Awaitable[None]]


async def soon(_speech: Speech, _engine: str) -> None:
    """A script without delay."""


@dataclass
class Reader:
    """Hears one word in every piece: the number of its seconds."""

    uploads: UploadStore
    script: Script = soon
    held: Budget = field(default_factory=lambda: Budget(1e9))
    pieces: list[Speech] = field(default_factory=list)
    engines: list[str] = field(default_factory=list)
    at_work: int = 0
    most_held_s: float = 0.0

    def stages(self, in_flight: int = 2) -> Stages:
        """The DAG's stages."""
        return Stages(
            tts=None,
            lipsync=Step(Node("lipsync", "reader", "1", "{}"), self._read),
            join=recordings.node(MediaOptions()),
            admission=Theatre(at_once).stages(2).admission,
            in_flight=in_flight,
            upload=lambda name: RecordedSound(name, self.uploads.find(name)),
            memory=self.held.take,
        )

    def _read(self, speech: Speech, engine: str) -> Pending[Reading]:
        return asyncio.ensure_future(self._hear(speech, engine))

    async def _hear(self, speech: Speech, engine: str) -> Reading:
        self.pieces.append(speech)
        self.engines.append(engine)
        self.at_work += 1
        self.most_held_s = max(self.most_held_s, self.held.taken)
        try:
            await self.script(speech, engine)
        finally:
            self.at_work -= 1
        duration_s = speech.audio.duration_s
        track = VisemeTrack(np.zeros(1), np.array([INDEX["AA"]], np.uint8), np.ones(1, np.float32), duration_s)
        text = speech.text or f"{duration_s:.0f}"
        word = WordSpan(text, 0.0, duration_s, 0, len(text))
        return Reading(track, (word,), text, engine, 0.5, ())


def _place(sound: np.ndarray, piece: np.ndarray) -> int:
    """Sample at which a piece begins; noise is the same nowhere else."""
    near = np.abs(np.lib.stride_tricks.sliding_window_view(sound, 16) - piece[:16]).max(axis=1) < 2e-5
    return int(np.flatnonzero(near)[0])


@pytest.fixture
def uploads(tmp_path: Path) -> UploadStore:
    return store(tmp_path)


async def read(reader: Reader, name: str, in_flight: int = 2, memo: Memo | None = None, **fields: str) -> Take:
    request = RenderRequest(**{"text": "", "voice_id": "", "audio": name, "lipsync": "recognize", **fields})  # type: ignore[arg-type]
    recording = Recording(MediaOptions(), "exact", recorded=True)
    return await render(reader.stages(in_flight), request, "", recording, memo or Memo([], "bypass"))


async def test_pieces_are_the_recording_to_the_sample(uploads: UploadStore, tmp_path: Path) -> None:
    sound = noise(70.123)
    others = asyncio.Event()

    async def script(speech: Speech, _engine: str) -> None:
        if _place(sound, speech.audio.samples) == 0:
            await others.wait()
        others.set()

    reader = Reader(uploads, script)
    take = await read(reader, keep(uploads, sound, tmp_path))
    kept = np.round(sound * 32767) / 32768
    in_order = sorted((piece.audio.samples for piece in reader.pieces), key=lambda piece: _place(kept, piece))
    np.testing.assert_allclose(np.concatenate(in_order), kept, atol=1e-6)
    assert len(reader.pieces) == 3 and {piece.audio.sample_rate for piece in reader.pieces} == {RATE}
    animation = take.animation
    assert animation.duration_s == pytest.approx(70.123) == animation.visemes.duration_s
    assert len(animation.audio.samples) == 0 and take.ogg and take.ogg.startswith(b"OggS")
    words = animation.words
    assert [take.text[word.start_char : word.end_char] for word in words] == [word.text for word in words]
    assert [one.end_s for one in words[:-1]] == pytest.approx([other.start_s for other in words[1:]])
    assert set(animation.visemes.visemes[1:-1].tolist()) == {INDEX["AA"]}, "no rest is put between pieces"
    assert (take.lipsync.engine, take.lipsync.method, take.lipsync.confidence) == ("recognize", "recognize", 0.5)


@pytest.mark.parametrize("seconds", [0.05, 0.0001, 29.99])
async def test_a_short_one_is_one_piece(uploads: UploadStore, tmp_path: Path, seconds: float) -> None:
    reader = Reader(uploads)
    take = await read(reader, keep(uploads, noise(seconds), tmp_path))
    assert len(reader.pieces) == 1 and take.animation.duration_s == pytest.approx(seconds, abs=1 / RATE)


async def test_with_its_text_it_goes_whole(uploads: UploadStore, tmp_path: Path) -> None:
    reader = Reader(uploads)
    take = await read(
        reader, keep(uploads, noise(45), tmp_path), text=" What is said. ", lipsync="align", language="de"
    )
    (piece,) = reader.pieces
    assert piece.audio.duration_s == 45 and (piece.text, piece.language) == (" What is said. ", "de")
    assert take.text == " What is said. "


async def test_too_long_for_that(uploads: UploadStore, tmp_path: Path) -> None:
    name = keep(uploads, np.zeros(1801 * RATE, np.float32), tmp_path)
    with pytest.raises(BadInput, match="30 minutes"):
        await read(Reader(uploads), name, text="Hello.", lipsync="align")


async def test_an_engine_that_needs_no_text_gets_none(uploads: UploadStore, tmp_path: Path) -> None:
    reader = Reader(uploads)
    take = await read(reader, keep(uploads, noise(45), tmp_path), text="What is said.", lipsync="recognize")
    assert {piece.text for piece in reader.pieces} == {""} and take.text != "What is said."


@pytest.mark.parametrize("in_flight", [2, 3])
async def test_memory_is_bounded(uploads: UploadStore, tmp_path: Path, in_flight: int) -> None:
    """Also where the first piece takes longest: no more may be held than are at work."""
    others = asyncio.Event()

    async def script(_speech: Speech, _engine: str) -> None:
        if len(reader.pieces) == in_flight:
            others.set()
        if len(reader.pieces) < in_flight:
            await others.wait()

    reader = Reader(uploads, script)
    await read(reader, keep(uploads, noise(200), tmp_path), in_flight)
    assert len(reader.pieces) == 9 and 0 < reader.most_held_s <= in_flight * 25
    assert reader.held.taken == 0


async def test_recordings_share_what_may_be_held(uploads: UploadStore, tmp_path: Path) -> None:
    reader = Reader(uploads, held=Budget(30))
    names = [keep(uploads, noise(60, seed), tmp_path) for seed in range(4)]
    await asyncio.gather(*(read(reader, name) for name in names))
    assert reader.most_held_s <= 30 and len(reader.pieces) == 12


@pytest.mark.parametrize(
    "error", [LipSyncFailed("Failed to set up sub-word alignment"), EngineNotInstalled("no"), TimedOut("no")]
)
async def test_where_an_engine_fails_the_next_goes_on(uploads: UploadStore, tmp_path: Path, error: AvatarError) -> None:
    async def script(_speech: Speech, engine: str) -> None:
        if engine == "align":
            raise error

    reader = Reader(uploads, script)
    take = await read(reader, keep(uploads, noise(70), tmp_path), text="Words.", lipsync="align recognize")
    assert reader.engines == ["align", *["recognize"] * 3]
    assert take.lipsync.engine == "recognize" and take.animation.duration_s == pytest.approx(70)
    assert take.lipsync.notes == (f"The engine align failed ({error.code}); recognize went on for it.",)


async def test_it_goes_on_from_where_the_first_failed(uploads: UploadStore, tmp_path: Path) -> None:
    async def script(speech: Speech, engine: str) -> None:
        if engine == "rhubarb" and _place(sound, speech.audio.samples):
            raise TimedOut("rhubarb took longer than 20 s")

    reader = Reader(uploads, script)
    sound = noise(100)
    take = await read(reader, keep(uploads, sound, tmp_path), lipsync="rhubarb recognize")
    assert take.lipsync.engine == "rhubarb, recognize" and take.animation.duration_s == pytest.approx(100)
    first = next(piece for piece in reader.pieces if _place(sound, piece.audio.samples) == 0)
    heard = [piece for piece, engine in zip(reader.pieces, reader.engines, strict=True) if engine == "recognize"]
    assert sum(piece.audio.duration_s for piece in heard) == pytest.approx(100 - first.audio.duration_s)


@pytest.mark.parametrize("error", [BadInput("no"), LipSyncFailed("no"), RuntimeError("no")])
async def test_other_failures_end_the_render(uploads: UploadStore, tmp_path: Path, error: Exception) -> None:
    async def script(speech: Speech, _engine: str) -> None:
        if len(reader.pieces) == 2:
            raise error

    reader = Reader(uploads, script)
    engines = "recognize" if isinstance(error, LipSyncFailed) else "recognize rhubarb"
    with pytest.raises(type(error)):
        await read(reader, keep(uploads, noise(300), tmp_path), lipsync=engines)
    assert reader.at_work == 0 and len(reader.pieces) <= 4 and reader.held.taken == 0


async def test_a_cancelled_one_lets_go_of_everything(uploads: UploadStore, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def script(_speech: Speech, _engine: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    reader = Reader(uploads, script)
    task = asyncio.create_task(read(reader, keep(uploads, noise(100), tmp_path)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reader.at_work == 0 and reader.held.taken == 0 and len(reader.pieces) <= 2


async def test_what_is_not_there(uploads: UploadStore, tmp_path: Path) -> None:
    with pytest.raises(UploadNotFound):
        await read(Reader(uploads), f"{'0' * 32}.wav")
    with pytest.raises(BadInput, match="no sound"):
        await read(Reader(uploads), keep(uploads, [], tmp_path))
