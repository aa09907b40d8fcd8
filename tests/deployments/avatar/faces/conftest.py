"""A photograph, what MediaPipe says of it, and one finder for all tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.avatar.faces.finder import FaceFinder
from tests import portraits

FIXTURE = Path(__file__).parents[3] / "fixtures" / "faces.npz"


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """(512, 512, 3) uint8 RGB."""
    picture = portraits.astronaut().view()
    picture.setflags(write=False)
    return picture


@pytest.fixture(scope="session")
def mediapipe() -> Mapping[str, NDArray[Any]]:
    """As record.py says."""
    with np.load(FIXTURE) as stored:
        return dict(stored)
