"""Cues against exact ones, by the project's own scorer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deployments.lipsync.scoring import DATA, score
from tests.shared import shared


@pytest.fixture(scope="module", autouse=True)
def data() -> Path:
    """The data lies beside the repository, not in it."""
    return shared(DATA)


def test_exact_cues_are_exact() -> None:
    figures = score("exact")
    assert figures["files"] == 20
    assert figures["strict"] >= 0.95
    assert figures["closures"] == 1
    assert figures["closures_tight"] == 1
    assert figures["FF"] == 1
    assert figures["false_cl_per_s"] == 0
    assert figures["best_lag_ms"] == 0


def test_natural_cues_close_bite_and_lead() -> None:
    figures = score("natural")
    assert figures["closures"] == figures["closures_tight"] == 1
    assert figures["FF"] == 1
    assert figures["false_cl_per_s"] == 0
    assert 10 <= figures["best_lag_ms"] <= 50, "the mouth leads its sound a little"
    assert figures["strict_at_best_lag"] >= 0.75


def test_segments_are_those_of_the_data(data: Path) -> None:
    closures = [
        segment
        for file in data.glob("*.truth.json")
        for segment in json.loads(file.read_text())["segments"]
        if segment["phoneme"] in {"p", "b", "m"}
    ]
    assert len(closures) == score("exact")["n_closures"]
