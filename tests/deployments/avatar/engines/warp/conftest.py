"""What tests of the engine share: three portraits, ready."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from deployments.avatar.contract import Canvas
from deployments.avatar.engines.warp import Options
from deployments.avatar.engines.warp.engine import Engine
from deployments.avatar.engines.warp.state import State
from tests.deployments.avatar.portraits import portrait


@cache
def _prepared(name: str, canvas: Canvas) -> State:
    return Engine(Options()).prepare(*portrait(name), canvas)


@pytest.fixture
def engine() -> Engine:
    return Engine(Options())


@pytest.fixture
def prepared() -> Callable[..., State]:
    """Portrait and canvas -> state; kept, for it is never changed."""

    def get(name: str, canvas: Canvas = Canvas()) -> State:  # noqa: B008  # frozen
        return _prepared(name, canvas)

    return get
