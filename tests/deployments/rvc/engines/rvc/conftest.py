"""One folder of small models for all tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.deployments.rvc.models import config, save_contentvec, save_index, save_voice


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """So small tensors gain nothing by threads, which on a busy machine wait for each other most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """contentvec/, and in rvc/: Ara (v2, 40 kHz, index), Bo (v1, 48 kHz), Cy (v2 without f0)."""

    folder = tmp_path_factory.mktemp("models")
    save_contentvec(folder)
    save_index(save_voice(folder).with_suffix(".index"))
    save_voice(folder, "Bo", values=config((10, 6, 2, 2, 2), 48_000), version="v1", seed=1)
    save_voice(folder, "Cy", f0=0, seed=2)
    return folder
