"""Which engine reads what."""

from __future__ import annotations

import itertools

import pytest

from deployments.core.errors import BadInput
from deployments.lipsync.choice import AUTO, choose

ALL = ("phonemes", "align", "recognize", "rhubarb")


def _choose(asked: str = AUTO, configured: tuple[str, ...] = ALL, preferred: str = AUTO, **fields: bool) -> str:
    return choose(asked, configured, preferred, **{"falls_back": True, "recorded": True, "has_text": True, **fields})


@pytest.mark.parametrize("asked", ["", AUTO])
def test_auto_takes_the_best(asked: str) -> None:
    assert _choose(asked, recorded=False) == "phonemes"
    assert _choose(asked) == "align recognize"
    assert _choose(asked, falls_back=False) == "align"
    assert _choose(asked, has_text=False) == "recognize"


def test_auto_passes_over_what_is_not_there() -> None:
    assert _choose(configured=("phonemes", "recognize")) == "recognize"
    assert _choose(configured=("align", "recognize"), recorded=False) == "align"
    with pytest.raises(BadInput, match="no engine of this server"):
        _choose(configured=("phonemes", "rhubarb"))
    with pytest.raises(BadInput, match="no engine of this server"):
        _choose(configured=("align",), has_text=False)


def test_what_is_named_is_taken_alone() -> None:
    for name, recorded, has_text in itertools.product(ALL, (True, False), (True, False)):
        if not (recorded and name == "phonemes") and (has_text or name != "align"):
            assert _choose(name, recorded=recorded, has_text=has_text) == name


def test_what_cannot_says_so() -> None:
    with pytest.raises(BadInput, match="no phoneme times"):
        _choose("phonemes")
    with pytest.raises(BadInput, match="needs the text") as error:
        _choose("align", has_text=False)
    assert error.value.hint and "recognize" in error.value.hint
    with pytest.raises(BadInput, match="no engine 'magic'") as error:
        _choose("magic")
    assert error.value.hint == "Allowed: auto, phonemes, align, recognize, rhubarb."


def test_the_setting_is_taken_where_it_can_be() -> None:
    assert _choose(preferred="rhubarb") == "rhubarb align recognize"
    assert _choose(preferred="align", has_text=False) == "recognize"
    assert _choose(preferred="align", recorded=False) == "align"
    assert _choose(preferred="phonemes") == "align recognize"
    assert _choose("recognize", preferred="rhubarb") == "recognize"
