"""The retrieval, and files that are no index."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from deployments.core.errors import BadModel
from deployments.rvc.engines.rvc.index import FeatureIndex, inspect
from tests.deployments.rvc.models import save_index

WIDTH = 32
QUERIES = np.random.default_rng(3).standard_normal((50, WIDTH)).astype(np.float32)


def write(path: Path, kind: str, vectors: np.ndarray, metric: int = faiss.METRIC_L2) -> Path:
    """An index of any kind that faiss knows."""
    index: Any = faiss.index_factory(vectors.shape[1], kind, metric)
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(index, str(path))
    return path


def vectors(count: int = 400) -> np.ndarray:
    """float32."""
    return np.random.default_rng(4).standard_normal((count, WIDTH)).astype(np.float32)


def test_the_mean_is_weighted_by_the_fourth_power_of_the_distance(tmp_path: Path) -> None:
    """Against the rule written out, over all vectors (Flat)."""
    data = vectors()
    blended = FeatureIndex(write(tmp_path / "a.index", "Flat", data), WIDTH).blend(QUERIES, 0.7)
    for query, found in zip(QUERIES, blended, strict=True):
        squared = ((data.astype(np.float64) - query) ** 2).sum(axis=1)
        nearest = np.argsort(squared)[:8]
        weights = 1 / squared[nearest] ** 2
        mean = (data[nearest] * weights[:, None]).sum(axis=0) / weights.sum()
        np.testing.assert_allclose(found, 0.7 * mean + 0.3 * query, atol=1e-4)


def test_a_vector_that_is_met_exactly_is_taken(tmp_path: Path) -> None:
    """Upstream divides by zero here."""
    data = vectors()
    blended = FeatureIndex(write(tmp_path / "a.index", "IVF4,Flat", data), WIDTH).blend(data[:5].copy(), 1.0)
    np.testing.assert_allclose(blended, data[:5], atol=1e-4)


def test_a_small_cell_has_fewer_neighbours(tmp_path: Path) -> None:
    """Missing ones count nothing; where there is none at all the feature stays."""
    index = FeatureIndex(write(tmp_path / "a.index", "IVF3,Flat", vectors(120)[:12].repeat(10, axis=0)), WIDTH)
    assert np.isfinite(index.blend(QUERIES, 1.0)).all()
    lonely = FeatureIndex(write(tmp_path / "b.index", "IVF2,Flat", vectors(2)), WIDTH)
    blended = lonely.blend(QUERIES, 1.0)
    distances = [np.abs(vectors(2) - row).max(axis=1).min() for row in blended]
    assert max(distances) < 1e-5  # each takes the one vector of its cell


def test_vectors_that_are_no_numbers_count_nothing(tmp_path: Path) -> None:
    """A damaged index must not make the voice silent."""
    path = write(tmp_path / "a.index", "Flat", vectors())
    damaged = bytearray(path.read_bytes())
    damaged[-4 * WIDTH :] = np.full(WIDTH, np.nan, np.float32).tobytes()
    path.write_bytes(damaged)
    assert np.isfinite(FeatureIndex(path, WIDTH).blend(QUERIES, 1.0)).all()


@pytest.mark.parametrize("width", [256, 768])
def test_what_trainers_write_is_read(tmp_path: Path, width: int) -> None:
    """IVF,Flat of both widths; also with empty cells, which faiss writes in another way."""
    assert inspect(save_index(tmp_path / "a.index", width), width) == 300
    index: Any = faiss.index_factory(width, "IVF200,Flat")
    index.train(np.random.default_rng(5).standard_normal((400, width)).astype(np.float32))
    index.add(np.zeros((3, width), np.float32))
    faiss.write_index(index, str(tmp_path / "b.index"))
    assert inspect(tmp_path / "b.index", width) == 3


def test_the_index_of_the_other_version_is_refused(tmp_path: Path) -> None:
    """The commonest mistake."""
    with pytest.raises(BadModel, match=r"a\.index.*256 values, those of the voice 768"):
        inspect(save_index(tmp_path / "a.index", 256), 768)


@pytest.mark.parametrize("kind", ["HNSW8", "IVF4,PQ4x4np", "IVF4,SQ8", "PCA8,Flat", "LSH"])
def test_other_kinds_are_refused(tmp_path: Path, kind: str) -> None:
    """Each would be read by other code of faiss."""
    with pytest.raises(BadModel, match=r"a\.index"):
        inspect(write(tmp_path / "a.index", kind, vectors()), WIDTH)


def test_other_distances_are_refused(tmp_path: Path) -> None:
    """The weights are those of squared L2."""
    with pytest.raises(BadModel, match=r"a\.index"):
        inspect(write(tmp_path / "a.index", "IVF4,Flat", vectors(), faiss.METRIC_INNER_PRODUCT), WIDTH)


@pytest.mark.parametrize("content", [b"", b"IwFl", b"<!DOCTYPE html>" * 100, b"PK\3\4" + bytes(500)])
def test_no_index_at_all(tmp_path: Path, content: bytes) -> None:
    """HTML, a voice, nothing."""
    path = tmp_path / "a.index"
    path.write_bytes(content)
    with pytest.raises(BadModel, match=r"a\.index"):
        inspect(path, WIDTH)


FUZZ = """
import random, resource, sys
from pathlib import Path
from deployments.core.errors import BadModel
from deployments.rvc.engines.rvc.index import FeatureIndex
import numpy as np

resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))  # a claim that is believed fails here
whole, path = Path(sys.argv[1]).read_bytes(), Path(sys.argv[1] + ".changed")
random.seed(0)
heads = [*range(98), *range(57 + 41 + 4 * 32 * 4 - 60, 57 + 41 + 4 * 32 * 4 + 90)]
read = 0
for number in range(400):
    changed = bytearray(whole)
    if number % 4 == 0:
        del changed[random.randrange(len(changed)) :]
    for _ in range(number % 4):
        changed[random.choice(heads) % len(changed)] = random.choice([0, 1, 127, 128, 255, random.randrange(256)])
    path.write_bytes(changed)
    try:
        index = FeatureIndex(path, 32)
    except BadModel:
        continue
    index.blend(np.zeros((4, 32), np.float32), 0.5)
    read += 1
most_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(read, most_kb)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc has the peak of the memory")
def test_damaged_files_neither_kill_nor_fill_the_process(tmp_path: Path) -> None:
    """400 damaged files, in a process of their own: each is refused, or searched without harm."""
    path = write(tmp_path / "a.index", "IVF4,Flat", vectors())
    command = [sys.executable, "-c", FUZZ, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    read, most_kb = map(int, done.stdout.split())
    assert 0 < read < 200  # some changes, as of the vectors' own bytes, are no damage
    assert most_kb < 400_000


def test_a_claim_of_terabytes_is_seen_through(tmp_path: Path) -> None:
    """The number of vectors of the coarse quantizer, in a small file."""
    path = write(tmp_path / "a.index", "IVF4,Flat", vectors())
    changed = bytearray(path.read_bytes())
    changed[90:98] = struct.pack("<Q", 1 << 40)
    path.write_bytes(changed)
    with pytest.raises(BadModel, match=r"another number of vectors|cut short"):
        inspect(path, WIDTH)
