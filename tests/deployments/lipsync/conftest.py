"""Engines that read recordings: loaded once."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core import engines


@pytest.fixture(scope="package")
def aligner() -> Any:
    return engines.load("lipsync", "align", {})


@pytest.fixture(scope="package")
def recognizer() -> Any:
    return engines.load("lipsync", "recognize", {})
