"""Both stores, each on a real place: a file, a server. And jobs to keep there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from deployments.core.types import RenderRequest
from deployments.jobs.contract import Change, Event, Job, State, Store
from deployments.jobs.stores import valkey
from deployments.jobs.stores.sqlite import SqliteStore
from deployments.jobs.stores.valkey import ValkeyStore

from .redis_server import RedisServer

Opener: TypeAlias = Callable[[], Store]
"""Opens a further store on the same jobs, as another process would."""
Fresh: TypeAlias = Callable[[], AbstractContextManager[Opener]]
"""A place without jobs; at the end all that was opened is closed."""


def id_of(number: int) -> str:
    """A job_id."""
    return f"{number:032x}"


def job_of(number: int, state: State = "pending", text: str = "Hello.", **fields: Any) -> Job:
    """A job that was created in second `number`, ended a second later where it has ended, and is to be told."""
    usual: dict[str, Any] = {"owner": "ann", "priority": "normal", "fingerprint": "f" * 64, "told": False}
    usual |= {"created_s": float(number)}
    job = Job(id_of(number), request=RenderRequest(text, "en_US-joe-medium"), state=state, **(usual | fields))
    return replace(job, ended_s=number + 1.0) if job.ended and "ended_s" not in fields else job


def change_of(job: Job, *seqs: int) -> Change:
    """A change with events of these numbers; the last is the job's own."""
    events = tuple(Event(seq, "tts", job.state, min(seq, 100), f"step {seq}") for seq in seqs)
    return Change(replace(job, last=events[-1]) if events else job, events)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One for all tests; it is emptied between them."""
    with _started(RedisServer(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that a test may kill."""
    with _started(RedisServer(tmp_path, password="opens")) as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "valkey"])
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """For tests that need many places."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("jobs")
        numbers = itertools.count()
        return lambda: _opening(partial(SqliteStore, folder / f"{next(numbers)}.sqlite"))
    server: RedisServer = request.getfixturevalue("redis_server")

    def emptied() -> AbstractContextManager[Opener]:
        server.empty()
        return _opening(lambda: ValkeyStore("127.0.0.1", server.port, None))

    return emptied


@pytest.fixture
def opener(fresh: Fresh) -> Iterator[Opener]:
    """Stores on one fresh place."""
    with fresh() as opener:
        yield opener


@pytest.fixture
def store(opener: Opener) -> Store:
    """The leader of a fresh place."""
    store = opener()
    store.take_over()
    return store


@contextmanager
def _started(server: RedisServer) -> Iterator[RedisServer]:
    """Stores wait for it as long as it takes: a busy machine is no failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(valkey, "_LIMIT_S", 60.0)
        server.start()
        yield server
        server.kill()


@contextmanager
def _opening(open_store: Opener) -> Iterator[Opener]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(open_store()))
