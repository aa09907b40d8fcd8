"""The file of jobs: what a crash, a full disk or a stranger's hand does to it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from deployments.jobs.contract import Change, Deposed, Job, StoreFailed
from deployments.jobs.stores import sqlite
from deployments.jobs.stores.sqlite import SqliteStore

from .conftest import change_of, id_of, job_of

ROOT = Path(__file__).parents[3]
BATCH = 20
_WRITER = f"""
import sys
from pathlib import Path
from deployments.core.types import RenderRequest
from deployments.jobs.contract import Change, Event, Job
from deployments.jobs.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
store.take_over()
request = RenderRequest("x" * 2000, "voice")
events = tuple(Event(seq, "queue", "pending", 0, "") for seq in (1, 2))
for batch in range(int(sys.argv[2]), 10**6):
    jobs = (Job(f"{{number:032x}}", "", request, "low", "", number)
            for number in range({BATCH} * batch, {BATCH} * (batch + 1)))
    store.write([Change(job, events) for job in jobs])
    print("written", flush=True)
"""
"""Says so after each batch."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "jobs.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """The leader of an empty file."""
    store = SqliteStore(path)
    store.take_over()
    yield store
    store.close()


def write(store: SqliteStore, *jobs: Job) -> None:
    store.write([Change(job) for job in jobs])


def numbers(store: SqliteStore) -> list[int]:
    """Of all jobs, in ascending order."""
    return [int(job.job_id, 16) for job in store.page(None, None, 10**6, None).jobs][::-1]


def batches_until_killed(path: Path, first: int, seconds: float) -> int:
    """Lets another process write batches, at least one; how many it said are written."""
    command = [sys.executable, "-c", _WRITER, str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        time.sleep(seconds)
        process.kill()
        return 1 + process.stdout.read().count("written\n")


def execute(path: Path, *statements: str) -> None:
    """As somebody else would, at the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_what_was_acknowledged_survives_a_kill(path: Path) -> None:
    batches = 0
    for turn in range(4):
        batches += batches_until_killed(path, batches, random.Random(turn).uniform(0, 0.1))
        store = SqliteStore(path)
        found = numbers(store)
        # The last batch may be written without its word having come through.
        assert found in (list(range(batches * BATCH)), list(range((batches + 1) * BATCH)))
        batches = len(found) // BATCH
        assert all(len(store.events(id_of(number), 0)) == 2 for number in found[-2 * BATCH :])
        assert len(store.take_over()) == len(found)
        store.close()


def test_a_power_cut_takes_nothing_back(store: SqliteStore) -> None:
    connection = store._connection
    assert connection is not None
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: each commit waits for the disk


def test_who_opens_a_new_file_at_the_same_moment_agrees_on_the_tables(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_WAIT_S", 60.0)  # a busy machine is no failure
    for turn in range(20):
        stores = [SqliteStore(path.with_name(f"{turn}.sqlite")) for _ in range(4)]
        with ThreadPoolExecutor(len(stores)) as pool:
            assert list(pool.map(SqliteStore.take_over, stores)) == [[]] * len(stores)
        for store in stores:
            store.close()


@pytest.mark.parametrize("content", [b"no database at all, " * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_named(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    store = SqliteStore(path)
    for call in (store.take_over, store.counts, lambda: store.expire(1.0)):
        with pytest.raises(StoreFailed, match=r"jobs\.sqlite.*move the file away"):
            call()
    assert path.read_bytes() == content
    path.unlink()
    assert store.take_over() == []
    write(store, job_of(1))
    store.close()


def test_a_place_where_no_file_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "jobs.sqlite"):
        with pytest.raises(StoreFailed, match=str(path)):
            SqliteStore(path).take_over()


def test_the_file_of_another_release_is_left_alone(path: Path, store: SqliteStore) -> None:
    store.close()
    execute(path, "PRAGMA user_version = 7")
    content = path.read_bytes()
    with pytest.raises(StoreFailed, match="schema 7; this one has 1"):
        store.take_over()
    assert path.read_bytes() == content


@pytest.mark.parametrize("seed", range(12))
def test_damage_is_noticed_or_skipped(path: Path, store: SqliteStore, seed: int) -> None:
    jobs = [job_of(number, text="x" * 500) for number in range(60)]
    store.write([change_of(job, 1, 2) for job in jobs])
    store.close()
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content) - 3000)
    content[at : at + 3000] = chance.randbytes(3000)
    path.write_bytes(content)
    asked: list[Callable[[], object]] = [
        store.take_over,
        store.counts,
        lambda: numbers(store),
        lambda: [store.events(job.job_id, 0) for job in jobs],
        lambda: store.get([job.job_id for job in jobs]),
        lambda: write(store, *jobs),
        lambda: store.expire(1e12),
    ]
    for call in asked:
        try:
            call()
        except StoreFailed as error:
            assert "jobs.sqlite" in str(error)
        except Deposed:
            pass  # it did not become the leader


def test_a_damaged_record_is_skipped(path: Path, store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    write(store, job_of(1, idempotency_key="k"), job_of(2), job_of(3, "completed"))
    execute(path, f"UPDATE jobs SET document = x'ff00' WHERE job_id != '{id_of(2)}'")
    assert store.get([id_of(1), id_of(2)]) == [None, job_of(2)]
    assert store.find("ann", "k") is None
    assert numbers(store) == [2]
    assert store.page(None, None, 1, None).cursor is not None  # the list goes on behind it
    assert store.take_over() == [job_of(2)]
    assert store.expire(100.0) == 1
    assert "cannot be read and is skipped" in caplog.text


def test_a_leader_goes_on_in_a_new_file_when_its_own_is_deleted(path: Path, store: SqliteStore) -> None:
    write(store, job_of(1))
    path.unlink()  # the write-ahead log of the old one stays, and must not come into the new one
    write(store, job_of(2))
    assert numbers(store) == [2]
    shutil.rmtree(path.parent)
    assert numbers(store) == []
    write(store, job_of(3))
    store.close()
    other = SqliteStore(path)
    assert other.take_over() == [job_of(3)]
    other.close()


def test_a_leader_is_deposed_when_its_file_is_replaced_by_another(path: Path, store: SqliteStore) -> None:
    other = SqliteStore(path.with_name("other.sqlite"))
    other.take_over()
    write(other, job_of(7))
    other.close()
    write(store, job_of(1))
    os.replace(path.with_name("other.sqlite"), path)
    with pytest.raises(Deposed):
        write(store, job_of(2))
    assert store.take_over() == [job_of(7)]
    write(store, job_of(2))
    store.close()
    assert integrity(path) == "ok"


def test_what_another_leader_puts_in_place_of_a_file_is_left_alone(path: Path, store: SqliteStore) -> None:
    write(store, *(job_of(number) for number in range(100)))
    for file in path.parent.iterdir():
        file.unlink()
    other = SqliteStore(path)
    other.take_over()
    write(other, job_of(200))
    with pytest.raises(Deposed):
        write(store, job_of(300))
    store.close()
    write(other, job_of(201))
    assert numbers(other) == numbers(store) == [200, 201]
    other.close()
    store.close()
    assert integrity(path) == "ok"


def test_a_log_that_is_deleted_costs_nothing(path: Path, store: SqliteStore) -> None:
    write(store, job_of(1))
    path.with_name("jobs.sqlite-wal").unlink()
    write(store, job_of(2))
    assert numbers(store) == [1, 2]
    store.close()
    assert integrity(path) == "ok"
    assert numbers(store) == [1, 2]


def integrity(path: Path) -> str:
    """What SQLite says of a file: ok."""
    with closing(sqlite3.connect(path)) as connection:
        verdict: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
        return verdict


def test_a_leader_goes_on_when_the_tables_are_emptied(path: Path, store: SqliteStore) -> None:
    write(store, job_of(1))
    execute(path, *(f"DELETE FROM {table}" for table in ("leader", "jobs", "events")))
    write(store, job_of(2))
    assert numbers(store) == [2]


def test_a_lock_that_stays_fails_and_is_forgotten(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    monkeypatch.setattr(sqlite, "_WAIT_S", 0.05)
    write(store, job_of(1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match="locked"):
        write(store, job_of(2))
    assert numbers(store) == [1]  # readers do not wait
    other.execute("ROLLBACK")
    other.close()
    write(store, job_of(2))
    assert numbers(store) == [1, 2]


def test_a_full_disk_fails_whole_batches_and_works_again(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", tmp_path], capture_output=True).returncode:
        pytest.skip("mounting takes root")
    store = SqliteStore(tmp_path / "jobs.sqlite")
    try:
        filler = tmp_path / "filler"
        filler.write_bytes(bytes(1_000_000))
        store.take_over()
        batch = 0
        with pytest.raises(StoreFailed, match=r"jobs\.sqlite.*full"):
            for batch in range(1000):
                write(store, *(job_of(BATCH * batch + each, text="x" * 500) for each in range(BATCH)))
        written = list(range(BATCH * batch))
        assert batch > 2 and numbers(store) == written
        filler.unlink()
        write(store, job_of(10**6))
        assert numbers(store) == [*written, 10**6]
        assert len(store.take_over()) == len(written) + 1
    finally:
        store.close()
        subprocess.run(["umount", tmp_path], check=True)


def test_questions_do_not_read_the_whole_file(store: SqliteStore) -> None:
    asked: list[str] = []
    write(store, job_of(1))
    connection = store._connection
    assert connection is not None
    connection.set_trace_callback(asked.append)
    for owner in (None, "ann"):
        for state in (None, "pending"):
            store.page(owner, "pending" if state else None, 5, "0" * 48)
    store.find("ann", "k")
    store.events(id_of(1), 0)
    store.get([id_of(1)])
    store.take_over()
    store.expire(5.0)
    connection.set_trace_callback(None)
    queries = [query for query in asked if query.startswith(("SELECT", "DELETE"))]
    assert len(queries) == 10
    for query in queries:
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
        # The list of those alive is read as a whole: that is what is asked for.
        assert "SCAN" not in plan.replace("SCAN jobs USING INDEX jobs_alive", ""), (query, plan)
        assert "TEMP B-TREE" not in plan, (query, plan)
