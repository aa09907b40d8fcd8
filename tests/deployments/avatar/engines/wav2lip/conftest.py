"""One set of random weights for all tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from .models import random_weights, save


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """On a busy machine threads wait for each other most of the time: two took several times as long as one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def weights() -> dict[str, Tensor]:
    return random_weights()


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, Tensor]) -> Path:
    """A folder of models with wav2lip/wav2lip_gan.pth, in float16: half to write."""
    folder = tmp_path_factory.mktemp("models")
    save(folder, {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()})
    return folder
