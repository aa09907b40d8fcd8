"""Answers given before."""

from __future__ import annotations

import pytest

from deployments.core.types import RenderRequest
from serve_app.answers import Answers
from serve_app.results import RenderResult, new_render_id

HOUR_S = 3600


def answer(text: str = "Hello.") -> RenderResult:
    return RenderResult(new_render_id(), RenderRequest(text, "voice"), 100, "ogg", (), None, (), (), "en_US", {})


@pytest.fixture
def answers() -> Answers:
    return Answers(1_000_000, HOUR_S)


def test_an_answer_is_recalled_until_it_is_dropped(answers: Answers) -> None:
    first = answer()
    answers.keep("key", first)
    assert answers.recall("key") is first and answers.recall("other") is None
    stats = answers.stats()
    assert (stats.entries, stats.accesses, stats.hits) == (1, 2, 1)
    answers.drop("key")
    assert answers.recall("key") is None


def test_what_is_kept_is_bounded() -> None:
    small = Answers(answer().size_bytes * 3, HOUR_S)
    for number in range(10):
        small.keep(str(number), answer())
    assert [number for number in range(10) if small.recall(str(number))] == [7, 8, 9]


def test_all_forms_of_an_answer_are_dropped_together(answers: Answers) -> None:
    for key in ("one natural basic", "one exact azure", "two natural basic"):
        answers.keep(key, answer())
    answers.drop("one")
    assert [bool(answers.recall(key)) for key in ("one natural basic", "one exact azure", "two natural basic")] == [
        False,
        False,
        True,
    ]
