"""Names of languages."""

from __future__ import annotations

import pytest

from deployments.core.errors import BadInput
from deployments.lipsync.languages import canonical


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("", ""),
        ("en", "en"),
        ("en_US", "en_US"),
        ("en-us", "en_US"),
        ("DE", "de"),
        ("es_419", "es_419"),
        ("yue", "yue"),
    ],
)
def test_one_spelling_for_each(name: str, known: str) -> None:
    assert canonical(name) == known == canonical(known)


@pytest.mark.parametrize("name", ["english", "xx", "e", "en_", "en_USA", "en US", "../en", "en\n", "Ⅸⅸ"])
def test_others_are_refused_with_examples(name: str) -> None:
    with pytest.raises(BadInput, match="language: ") as error:
        canonical(name)
    assert error.value.hint and "en_US" in error.value.hint
