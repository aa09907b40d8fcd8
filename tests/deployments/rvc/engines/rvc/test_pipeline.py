"""Batches give what single sounds give, and only what is wanted is decoded."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deployments.rvc.engines.rvc.batches import Batches
from deployments.rvc.engines.rvc.checkpoint import load_voice
from deployments.rvc.engines.rvc.contentvec import ContentVec
from deployments.rvc.engines.rvc.index import FeatureIndex
from deployments.rvc.engines.rvc.pipeline import Job, Pipeline, Tuning, Voice
from deployments.rvc.engines.rvc.signals import Framing
from deployments.rvc.engines.rvc.synthesizer import Frames, cover
from tests.deployments.rvc.models import speech

CPU = torch.device("cpu")
EVERYTHING = 1_000_000
"""Frames: all in one batch."""


@pytest.fixture(scope="module")
def extractor(models_dir: Path) -> ContentVec:
    """In float32."""
    return ContentVec(models_dir / "contentvec")


def voice(models_dir: Path, name: str) -> Voice:
    """In float32."""
    config, network = load_voice(models_dir / "rvc" / f"{name}.pth")
    index = models_dir / "rvc" / f"{name}.index"
    return Voice(name, config, network, FeatureIndex(index, config.phone_width) if index.is_file() else None)


def job(voice: Voice, seconds: float, seed: int, framing: Framing, exact: bool = True) -> Job:
    """Ready to run; its pitch rises, with gaps."""
    made = Job.of(speech(seconds, seed=seed).astype(np.float64), voice, Tuning(seed, 0.6, 0.3, 0.5), framing)
    frames = np.arange(len(made.padded) // 160)
    f0 = np.where(frames // 20 % 3 == 2, 0, 120.0 + frames) if voice.config.has_f0 else None
    made.cut(f0, seed=seed, length=round(seconds * voice.config.sample_rate) if exact else None)
    return made


def run(extractor: ContentVec, jobs: list[Job], frames: int) -> list[np.ndarray]:
    """Results of all."""
    for _ in Pipeline(extractor, CPU, Batches(frames), Batches(frames)).run(jobs):
        pass
    return [each.result() for each in jobs]


@pytest.mark.parametrize("grid_s", [0.0, 0.5])
def test_a_batch_of_mixed_lengths_and_voices_is_its_parts(
    models_dir: Path, extractor: ContentVec, grid_s: float
) -> None:
    """Within rounding: each sound, to its last sample."""
    voices = [voice(models_dir, name) for name in ("Ara", "Bo", "Cy")]
    framing = Framing(pad_s=0.5, grid_s=grid_s)
    wishes = [(voices[n % 3], seconds, n % 5) for n, seconds in enumerate((0.5, 0.5, 1.3, 0.21, 0.77, 2.0, 1.3, 0.9))]
    single = [run(extractor, [job(*wish, framing)], 0)[0] for wish in wishes]
    batched = run(extractor, [job(*wish, framing) for wish in wishes], EVERYTHING)
    for alone, together in zip(single, batched, strict=True):
        assert alone.shape == together.shape
        np.testing.assert_allclose(together, alone, atol=2e-5)


def test_a_long_sound_keeps_its_time(models_dir: Path, extractor: ContentVec) -> None:
    """Every piece has all of its frames; upstream's way, which the references follow, loses some at each cut."""
    framing = Framing(pad_s=0.3, query_s=0.5, center_s=2, max_s=3)
    cut = job(voice(models_dir, "Ara"), 7.0, 1, framing)
    assert len(cut.pieces) > 2
    length = len(run(extractor, [cut], 0)[0])
    assert length == 7 * 40_000
    as_upstream = job(voice(models_dir, "Ara"), 7.0, 1, framing, exact=False)
    assert 0 < 7 * 40_000 - len(run(extractor, [as_upstream], 0)[0]) <= len(cut.pieces) * 1000


def test_the_caller_can_stop_between_pieces(models_dir: Path, extractor: ContentVec) -> None:
    """A generator that is left alone does nothing more."""
    cut = job(voice(models_dir, "Ara"), 7.0, 1, Framing(pad_s=0.3, query_s=0.5, center_s=2, max_s=3))
    steps = Pipeline(extractor, CPU, Batches(0), Batches(0)).run([cut])
    for _ in range(len(cut.pieces) + 1):
        next(steps)
    del steps
    assert [piece.audio is not None for piece in cut.pieces].count(True) == 1


@pytest.mark.parametrize("name", ["Ara", "Bo", "Cy"])
def test_only_what_is_wanted_is_decoded_and_it_is_the_same(models_dir: Path, name: str) -> None:
    """A window of the frames, anywhere, against the whole."""
    chosen = voice(models_dir, name)
    torch.manual_seed(0)
    frames, config = 90, chosen.config
    given = Frames(
        phone=torch.randn(2, frames, config.phone_width),
        lengths=torch.tensor([frames, frames]),
        pitch=torch.randint(1, 256, (2, frames)) if config.has_f0 else None,
        pitchf=torch.rand(2, frames) * 300 if config.has_f0 else None,
        speaker=torch.tensor([0, 4]),
        noise_z=torch.randn(2, config.inter_channels, frames),
        noise_source=torch.randn(2, frames * config.hop),
    )
    whole = chosen.network(given).audio
    assert whole.std() > 1e-3
    for window, sizes in product((slice(0, 20), slice(20, 63), slice(70, 90)), ((), (15, 25), (8, 15, 25))):
        if sizes and not 13 <= window.start <= window.stop <= frames - 13:
            continue  # where a window looks beyond the ends, its zeros are not the convolutions' own
        chosen.network.windows = sizes
        part = chosen.network(given, window).audio
        torch.testing.assert_close(
            part, whole[:, window.start * config.hop : window.stop * config.hop], atol=1e-5, rtol=0
        )


@given(
    frames=st.integers(0, 3000),
    sizes=st.sets(st.integers(20, 400), min_size=1, max_size=4).map(lambda sizes: tuple(sorted(sizes))),
    overhead=st.integers(0, 60),
)
def test_windows_cover_the_frames_with_the_least_work(frames: int, sizes: tuple[int, ...], overhead: int) -> None:
    """Never more than windows of one size would do, and none that could be left out."""
    way = cover(frames, sizes, overhead)
    assert sum(way) >= frames
    assert set(way) <= set(sizes)
    assert not way or sum(way) - min(way) < frames
    work = sum(way) + overhead * len(way)
    compared = sizes if frames <= 2 * sizes[-1] else sizes[-1:]
    assert work <= min(-(-frames // size) * (size + overhead) for size in compared)
