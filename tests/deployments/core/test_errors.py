"""Errors cross process borders whole."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterator

import pytest

from deployments.core.errors import AvatarError, RateLimited


def _tree(root: type[AvatarError]) -> Iterator[type[AvatarError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith(("deployments.", "serve_app.")):
            yield from _tree(child)


ALL = sorted(set(_tree(AvatarError)), key=lambda error: error.__name__)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("hint", [None, "Run: avatar-serve voices list"])
def test_survives_pickling(kind: type[AvatarError], hint: str | None) -> None:
    back = pickle.loads(pickle.dumps(kind("voice_id: there is no 'x'.", hint=hint)))
    assert type(back) is kind
    assert str(back) == "voice_id: there is no 'x'."
    assert back.hint == hint


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_else_it_carries_survives_pickling(kind: type[AvatarError], protocol: int) -> None:
    keywords = inspect.signature(kind).parameters.values()
    carried = {each.name: type(each.default)(7) for each in keywords if each.name not in {"message", "hint"}}
    error = kind("Later.", hint="Wait.", **carried)
    back = pickle.loads(pickle.dumps(error, protocol))
    assert vars(back) == vars(error) and vars(error).items() >= {"hint": "Wait.", **carried}.items()


def test_too_many_requests_say_how_long_to_wait() -> None:
    assert RateLimited("Later.").retry_after_s == 2
    assert RateLimited("Later.", retry_after_s=7.5).retry_after_s == 7.5


@pytest.mark.parametrize("kind", ALL)
def test_status_and_code(kind: type[AvatarError]) -> None:
    assert 400 <= kind.status <= 599
    assert kind.code.replace("_", "").isalpha()
    assert kind.code.islower()
    assert kind.public
    assert kind.__doc__


def test_codes_tell_errors_apart() -> None:
    codes = [kind.code for kind in ALL if "code" in vars(kind)]  # the others mean the same as their base
    assert len(codes) == len(set(codes))
