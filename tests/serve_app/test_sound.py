"""An upload is read piece by piece, to the sample."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import UploadNotFound
from serve_app.sound import RecordedSound
from serve_app.upload_store import UploadStore
from tests.serve_app.recordings import RATE, keep, noise, store


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> UploadStore:
    return store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def sound(uploads: UploadStore, tmp_path_factory: pytest.TempPathFactory) -> RecordedSound:
    name = keep(uploads, noise(25.1234), tmp_path_factory.mktemp("sent"))
    return RecordedSound(name, uploads.find(name))


def test_what_it_is(sound: RecordedSound) -> None:
    assert (sound.samples, sound.sample_rate, sound.window) == (round(25.1234 * RATE), RATE, 240)


@given(st.integers(0, 600_000), st.integers(0, 20_000))
def test_any_part_is_that_of_the_whole(sound: RecordedSound, start: int, length: int) -> None:
    whole = np.round(noise(25.1234) * 32767) / 32768
    np.testing.assert_allclose(sound.clip(start, start + length).samples, whole[start : start + length], atol=1e-6)


def test_levels_are_powers_of_ten_milliseconds(sound: RecordedSound) -> None:
    levels, whole = sound.levels(), sound.clip(0, sound.samples).samples
    assert len(levels) == -(-sound.samples // 240)
    for window in (0, 999, 1000, 1001, len(levels) - 1):
        own = whole[window * 240 : (window + 1) * 240]
        assert levels[window] == pytest.approx(float(np.mean(np.square(own))), rel=1e-4)
    assert levels[770] < 1e-5 < levels[700]


def test_chunks_are_the_file(sound: RecordedSound, uploads: UploadStore, tmp_path: Path) -> None:
    (tmp_path / "copy.wav").write_bytes(b"".join(sound.chunks()))
    with wave.open(str(tmp_path / "copy.wav")) as file:
        assert (file.getnframes(), file.getframerate()) == (sound.samples, RATE)


def test_no_samples(uploads: UploadStore, tmp_path: Path) -> None:
    name = keep(uploads, [], tmp_path)
    empty = RecordedSound(name, uploads.find(name))
    assert empty.samples == 0 and len(empty.levels()) == 0


def test_one_that_goes_in_the_meantime(tmp_path: Path) -> None:
    uploads = store(tmp_path)
    name = keep(uploads, noise(1), tmp_path)
    sound = RecordedSound(name, uploads.find(name))
    (tmp_path / "uploads" / name).unlink()
    with pytest.raises(UploadNotFound, match="gone") as error:
        sound.clip(0, 100)
    assert error.value.hint and "/upload/audio" in error.value.hint
    with pytest.raises(UploadNotFound):
        list(sound.chunks())


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + bytes(16), b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_recording_of_ours(tmp_path: Path, content: bytes) -> None:
    uploads = store(tmp_path)
    name = f"{'0' * 32}.wav"
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / name).write_bytes(content)
    with pytest.raises(UploadNotFound):
        RecordedSound(name, uploads.find(name))
