"""The server of jobs: killed, hung, emptied, full, or with another password."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from deployments.jobs.contract import Change, Deposed, Job, State, StoreFailed
from deployments.jobs.stores import valkey
from deployments.jobs.stores.valkey import ValkeyStore
from tests.ports import free_port

from .conftest import change_of, id_of, job_of
from .redis_server import RedisServer

STATES: tuple[State, ...] = get_args(State)
BATCH = 20
PATIENCE_S = 60.0
"""A call that takes longer is taken to hang for ever."""


@pytest.fixture
def store(own_redis: RedisServer) -> Iterator[ValkeyStore]:
    """The leader of an empty server."""
    store = store_at(own_redis)
    store.take_over()
    yield store
    store.close()


@pytest.fixture
def hasty(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ValkeyStore]:
    """One that waits for half a second and no longer."""
    monkeypatch.setattr(valkey, "_LIMIT_S", 0.5)
    store = store_at(own_redis)
    patiently(store.take_over)
    yield store
    store.close()


def patiently(question: Callable[[], object]) -> None:
    """Asks a hasty store until it has its answer."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            question()
            return
        except StoreFailed:
            assert time.monotonic() < until


def store_at(server: RedisServer) -> ValkeyStore:
    return ValkeyStore("127.0.0.1", server.port, server.password)


def write(store: ValkeyStore, *jobs: Job) -> None:
    store.write([Change(job) for job in jobs])


def numbers(store: ValkeyStore) -> list[int]:
    """Of all jobs, in ascending order."""
    return [int(job.job_id, 16) for job in store.page(None, None, 10**6, None).jobs][::-1]


def questions(store: ValkeyStore) -> list[Callable[[], object]]:
    """Every call that talks to the server."""
    return [
        store.take_over,
        lambda: write(store, job_of(99)),
        lambda: store.get([id_of(1)]),
        lambda: store.events(id_of(1), 0),
        lambda: store.find("ann", "k"),
        lambda: store.page(None, None, 1, None),
        store.counts,
        lambda: store.expire(0.0),
    ]


def test_a_server_that_is_away_fails_every_call_until_it_is_back(own_redis: RedisServer, store: ValkeyStore) -> None:
    store.write([change_of(job_of(1, idempotency_key="k"), 1)])
    own_redis.kill()
    for question in questions(store):
        with pytest.raises(StoreFailed, match=f"127.0.0.1:{own_redis.port}.*VALKEY_HOST"):
            question()
    own_redis.start()
    write(store, job_of(2))
    assert numbers(store) == [1, 2]
    assert store.find("ann", "k") == change_of(job_of(1, idempotency_key="k"), 1).job
    assert len(store.events(id_of(1), 0)) == 1


def test_a_restart_between_two_calls_is_not_noticed(own_redis: RedisServer, store: ValkeyStore) -> None:
    for number in range(3):
        write(store, job_of(number))
        own_redis.stop()
        own_redis.start()
    assert numbers(store) == [0, 1, 2]


def test_what_was_acknowledged_survives_a_kill(own_redis: RedisServer, store: ValkeyStore) -> None:
    for turn in range(3):
        acknowledged = numbers(store)
        write(store, job_of(len(acknowledged)))
        acknowledged.append(len(acknowledged))
        killer = threading.Timer(random.Random(turn).uniform(0.02, 0.2), own_redis.kill)
        killer.start()
        with pytest.raises(StoreFailed):
            while True:
                batch = range(len(acknowledged), len(acknowledged) + BATCH)
                store.write([change_of(job_of(number, text="x" * 2000), 1, 2) for number in batch])
                acknowledged += batch
        killer.join()
        own_redis.start()
        with store_at(own_redis)._client as client:  # what is on the disk: the store itself would take back
            on_disk = client.zcard("{avatar}:list:*:all")
        assert on_disk in (len(acknowledged), len(acknowledged) + BATCH)
        assert numbers(store) == acknowledged
        assert all(store.events(id_of(number), 0) for number in acknowledged[-BATCH:])
    assert len(store.take_over()) == len(acknowledged)


def test_a_server_that_hangs_fails_every_call(own_redis: RedisServer, hasty: ValkeyStore) -> None:
    own_redis.hang()
    with ThreadPoolExecutor(1) as pool:
        for question in questions(hasty)[:4]:
            with pytest.raises(StoreFailed, match="VALKEY_HOST"):
                pool.submit(question).result(PATIENCE_S)
    own_redis.wake()
    patiently(hasty.take_over)
    patiently(lambda: write(hasty, job_of(1)))
    patiently(lambda: hasty.get([id_of(1)]).index(job_of(1)))


def test_new_jobs_of_a_write_that_failed_are_not_there_later(own_redis: RedisServer, hasty: ValkeyStore) -> None:
    patiently(lambda: write(hasty, job_of(1)))
    own_redis.hang()
    late = [change_of(job_of(1, "processing"), 1), change_of(job_of(2, "completed", idempotency_key="k"), 1)]
    for batch in (late, [Change(job_of(3))]):
        with pytest.raises(StoreFailed):
            hasty.write(batch)
    own_redis.wake()
    _wait_for_jobs(own_redis, 2)  # the second batch found no connection
    patiently(hasty.counts)
    reader = store_at(own_redis)
    assert reader.find("ann", "k") is None
    assert reader.get([id_of(2), id_of(3)]) == [None, None]
    assert reader.events(id_of(2), 0) == []
    assert numbers(reader) == [1]
    assert reader.expire(100.0) == 0
    patiently(lambda: write(hasty, job_of(4), job_of(2)))
    assert numbers(reader) == [1, 2, 4]
    reader.close()


def test_a_write_that_comes_late_undoes_nothing(own_redis: RedisServer, store: ValkeyStore) -> None:
    write(store, job_of(1))
    call = [store._token, store._turn, 0, *valkey._arguments(Change(job_of(1, text="older")))]
    write(store, job_of(1, text="newer"))
    assert store._write_script(["{avatar}:"], call) == 0
    assert store.get([id_of(1)]) == [job_of(1, text="newer")]
    write(store, job_of(2))


def test_a_write_whose_answer_was_lost_counts_once(own_redis: RedisServer, store: ValkeyStore) -> None:
    write(store, job_of(1))
    call = [store._token, store._turn, 0, *valkey._arguments(Change(job_of(2)))]
    assert store._write_script(["{avatar}:"], call) == 1
    assert numbers(store) == [1]


def _wait_for_jobs(server: RedisServer, jobs: int) -> None:
    """Until the server has done what it was asked while it hung."""
    until = time.monotonic() + PATIENCE_S
    with server.client() as client:
        while client.zcard("{avatar}:list:*:all") < jobs:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_leader_goes_on_when_the_server_is_emptied(own_redis: RedisServer, store: ValkeyStore) -> None:
    write(store, job_of(1))
    own_redis.empty()
    assert numbers(store) == []
    write(store, job_of(2))
    assert numbers(store) == [2]
    other = store_at(own_redis)
    assert other.take_over() == [job_of(2)]
    with pytest.raises(Deposed):
        write(store, job_of(3))
    other.close()


def test_of_two_leaders_of_an_emptied_server_one_goes_on(own_redis: RedisServer, store: ValkeyStore) -> None:
    other = store_at(own_redis)
    other.take_over()
    own_redis.empty()
    write(other, job_of(1))
    with pytest.raises(Deposed):
        write(store, job_of(2))
    assert numbers(other) == [1]
    other.close()


@pytest.mark.parametrize("password", [None, "wrong", "ключ"])
def test_a_wrong_password_says_what_to_check(own_redis: RedisServer, password: str | None) -> None:
    store = ValkeyStore("127.0.0.1", own_redis.port, password)
    for question in questions(store)[::2]:
        with pytest.raises(StoreFailed, match="VALKEY_PASSWORD") as failure:
            question()
        assert password is None or password not in str(failure.value)


def test_a_password_that_nobody_asked_for_says_what_to_check(redis_server: RedisServer) -> None:
    with pytest.raises(StoreFailed, match="VALKEY_PASSWORD"):
        ValkeyStore("127.0.0.1", redis_server.port, "one").take_over()


def test_an_address_where_nobody_is_says_what_to_check() -> None:
    for store in (ValkeyStore("127.0.0.1", free_port(), None), ValkeyStore("valkey.invalid", 6379, None)):
        with pytest.raises(StoreFailed, match="VALKEY_HOST and VALKEY_PORT"):
            store.take_over()


def test_a_connection_that_breaks_is_made_anew_once() -> None:
    over = threading.Event()

    def answer(listener: socket.socket) -> None:
        replies = iter([b"", b":3\r\n" * len(STATES)])  # after that, as many broken connections as are asked for
        while not over.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError), listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(next(replies, b""))

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(0.1)
        answered = pool.submit(answer, listener)
        try:
            store = ValkeyStore("127.0.0.1", listener.getsockname()[1], None)
            assert store.counts() == dict.fromkeys(STATES, 3)
            with pytest.raises(StoreFailed):
                store.counts()
        finally:
            over.set()
        answered.result(PATIENCE_S)


def test_a_stranger_who_answers_is_no_store() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            for _ in range(2):
                with listener.accept()[0] as connection:
                    connection.recv(100)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        pool.submit(answer)
        for _ in range(2):
            with pytest.raises(StoreFailed):
                ValkeyStore("127.0.0.1", listener.getsockname()[1], None).take_over()


def test_a_full_server_writes_nothing_of_a_batch(own_redis: RedisServer, store: ValkeyStore) -> None:
    write(store, job_of(0, "completed"), job_of(1))
    with own_redis.client() as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(StoreFailed, match="memory"):
            write(store, job_of(1, "processing"), job_of(2), job_of(3))
        assert store.page(None, None, 9, None).jobs == (job_of(1), job_of(0, "completed"))
        assert store.expire(100.0) == 1  # that is what makes room
        client.config_set("maxmemory", "0")
    write(store, job_of(2))
    assert numbers(store) == [1, 2]


def test_a_replica_that_takes_no_writes_fails(own_redis: RedisServer, store: ValkeyStore) -> None:
    with own_redis.client() as client:
        client.replicaof("127.0.0.1", own_redis.port)
        with pytest.raises(StoreFailed):
            write(store, job_of(1))
        client.replicaof("NO", "ONE")
    write(store, job_of(1))


def test_a_damaged_record_is_skipped(
    own_redis: RedisServer, store: ValkeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.write([change_of(job_of(1, idempotency_key="k"), 1, 2), change_of(job_of(2), 1)])
    write(store, job_of(3, "completed"))
    with own_redis.client() as client:
        for number in (1, 3):
            client.hset(f"{{avatar}}:job:{id_of(number)}", "document", b"\xff\0")
        client.hset(f"{{avatar}}:events:{id_of(1)}", "1", "{}")
    assert store.get([id_of(1)]) == [None]
    assert store.find("ann", "k") is None
    assert numbers(store) == [2]
    assert store.page(None, None, 1, None).cursor is not None  # the list goes on behind it
    assert [event.seq for event in store.events(id_of(1), 0)] == [2]
    assert [job.job_id for job in store.take_over()] == [id_of(2)]
    assert store.expire(100.0) == 1
    assert "cannot be read and is skipped" in caplog.text


def test_what_expires_leaves_no_key(own_redis: RedisServer, store: ValkeyStore) -> None:
    store.write([change_of(job_of(number, "failed", idempotency_key=f"{number}"), 1, 2) for number in range(10)])
    store.write([])
    assert store.expire(1e12) == 10
    with own_redis.client() as client:
        assert list(client.scan_iter()) == [b"{avatar}:leader"]


def test_all_keys_lie_in_one_slot_and_strangers_keep_theirs(own_redis: RedisServer, store: ValkeyStore) -> None:
    with own_redis.client() as client:
        client.set("stranger", "1")
        store.write([change_of(job_of(1, "completed", idempotency_key="k"), 1)])
        store.expire(1e12)
        store.write([change_of(job_of(2), 1)])
        keys = {key.decode() for key in client.scan_iter()}
    assert "stranger" in keys
    assert all(key.startswith("{avatar}:") for key in keys - {"stranger"})


def test_stores_of_other_names_are_others(own_redis: RedisServer, store: ValkeyStore) -> None:
    write(store, job_of(1, idempotency_key="k"))
    other = ValkeyStore("127.0.0.1", own_redis.port, own_redis.password, "second-app")
    assert other.take_over() == []
    write(other, job_of(2, "completed"))
    assert other.expire(1e12) == 1
    write(store, job_of(3))  # not deposed
    write(other, job_of(4))
    assert (numbers(store), numbers(other)) == ([1, 3], [4])
    assert other.find("ann", "k") is None
    other.close()
