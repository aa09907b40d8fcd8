"""Jobs in a file of SQLite: for one machine. What is written survives a power cut."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, get_args

from deployments.jobs.contract import Change, Deposed, Event, Job, Page, State, StoreFailed
from deployments.jobs.record import pack_event, pack_job, place_of, read_cursor, read_event, read_job

_SCHEMA = 1
"""PRAGMA user_version of the tables below."""
_WAIT_S = 2.0
"""For a lock: another leader, or a backup, writes for some milliseconds."""
_EXPIRED_AT_ONCE = 1000
"""Jobs removed in one transaction: 30 ms, and the write-ahead log stays small."""
_AFTER_ALL = "g"
"""Sorts behind every place: those are hexadecimal digits."""

_TABLES = (
    "CREATE TABLE leader (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), token TEXT NOT NULL)",
    # live: has not ended, or its callback_url is still to be told. ended_s: NULL for what has not ended.
    # Documents are blobs: a damaged text would fail the whole query, a damaged blob is skipped.
    """CREATE TABLE jobs (
        job_id TEXT NOT NULL UNIQUE, place TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
        live INTEGER NOT NULL, ended_s REAL, idempotency_key TEXT, document BLOB NOT NULL)""",
    """CREATE TABLE events (
        job_id TEXT NOT NULL, seq INTEGER NOT NULL, document BLOB NOT NULL, PRIMARY KEY (job_id, seq)) WITHOUT ROWID""",
    # One for each way to page, so that a page costs its length and not that of the list.
    "CREATE INDEX jobs_of_all ON jobs (place)",
    "CREATE INDEX jobs_of_owner ON jobs (owner, place)",
    "CREATE INDEX jobs_in_state ON jobs (state, place)",
    "CREATE INDEX jobs_of_owner_in_state ON jobs (owner, state, place)",
    "CREATE INDEX jobs_alive ON jobs (place) WHERE live",
    "CREATE INDEX jobs_ended ON jobs (ended_s, job_id) WHERE ended_s IS NOT NULL",
    "CREATE INDEX jobs_by_key ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL",
    f"PRAGMA user_version = {_SCHEMA}",
)

_PUT_JOB = """INSERT INTO jobs (job_id, place, owner, state, live, ended_s, idempotency_key, document)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job_id) DO UPDATE SET place = excluded.place, owner = excluded.owner,
    state = excluded.state, live = excluded.live, ended_s = excluded.ended_s,
    idempotency_key = excluded.idempotency_key, document = excluded.document"""
_PUT_EVENT = "INSERT OR REPLACE INTO events (job_id, seq, document) VALUES (?, ?, ?)"
_OLD = f"(SELECT job_id FROM jobs WHERE ended_s < ? ORDER BY ended_s, job_id LIMIT {_EXPIRED_AT_ONCE})"


Files: TypeAlias = tuple[tuple[int, int] | None, tuple[int, int] | None]
"""Device and inode of the file and of its write-ahead log."""


class SqliteStore:
    """See Store."""

    def __init__(self, path: Path) -> None:
        """Touches nothing yet.

        Args:
            path: the file; it and its folder need not exist. On a local disk: SQLite's locks do not hold on NFS.
        """
        self._path = path
        self._token: str | None = None  # of this leader
        self._connection: sqlite3.Connection | None = None
        self._files: Files = None, None  # what is open

    def take_over(self) -> list[Job]:
        """See Store."""
        # Random, not counted: an emptied store, or a backup put in its place, would count to the same number again.
        token = uuid.uuid4().hex
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO leader (only_one, token) VALUES (1, ?)", (token,))
            rows = connection.execute("SELECT document FROM jobs WHERE live ORDER BY place").fetchall()
        self._token = token
        return [job for (document,) in rows if (job := read_job(document))]

    def write(self, changes: Sequence[Change]) -> None:
        """See Store."""
        jobs = [_row(change.job) for change in changes]
        events = [(change.job.job_id, event.seq, pack_event(event)) for change in changes for event in change.events]
        with self._transaction() as connection:
            self._check_leadership(connection)
            connection.executemany(_PUT_JOB, jobs)
            connection.executemany(_PUT_EVENT, events)

    def get(self, job_ids: Sequence[str]) -> list[Job | None]:
        """See Store."""
        with self._opened() as connection:
            found = [
                connection.execute("SELECT document FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
                for job_id in job_ids
            ]
        return [read_job(row[0]) if row else None for row in found]

    def events(self, job_id: str, after_seq: int) -> list[Event]:
        """See Store."""
        with self._opened() as connection:
            rows = connection.execute(
                "SELECT document FROM events WHERE job_id = ? AND seq > ? ORDER BY seq", (job_id, after_seq)
            ).fetchall()
        return [event for (document,) in rows if (event := read_event(document))]

    def find(self, owner: str, idempotency_key: str) -> Job | None:
        """See Store."""
        with self._opened() as connection:
            row = connection.execute(
                "SELECT document FROM jobs WHERE owner = ? AND idempotency_key = ?", (owner, idempotency_key)
            ).fetchone()
        return read_job(row[0]) if row else None

    def page(self, owner: str | None, state: State | None, limit: int, cursor: str | None) -> Page:
        """See Store."""
        wanted = {"place < ?": read_cursor(cursor) or _AFTER_ALL, "owner = ?": owner, "state = ?": state}
        wanted = {condition: value for condition, value in wanted.items() if value is not None}
        query = f"SELECT place, document FROM jobs WHERE {' AND '.join(wanted)} ORDER BY place DESC LIMIT ?"
        with self._opened() as connection:
            rows = connection.execute(query, (*wanted.values(), limit + 1)).fetchall()
        jobs = tuple(job for _, document in rows[:limit] if (job := read_job(document)))
        return Page(jobs, rows[limit - 1][0] if len(rows) > limit else None)

    def counts(self) -> dict[State, int]:
        """See Store."""
        with self._opened() as connection:
            found = dict(connection.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())
        return {state: found.get(state, 0) for state in get_args(State)}

    def expire(self, ended_before_s: float) -> int:
        """See Store."""
        with self._transaction() as connection:
            connection.execute(f"DELETE FROM events WHERE job_id IN {_OLD}", (ended_before_s,))
            return connection.execute(f"DELETE FROM jobs WHERE job_id IN {_OLD}", (ended_before_s,)).rowcount

    def close(self) -> None:
        """See Store."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _check_leadership(self, connection: sqlite3.Connection) -> None:
        if self._token is None:
            raise Deposed("this process has not taken the jobs over")
        # Nobody leads an emptied store: whoever writes first does.
        connection.execute("INSERT OR IGNORE INTO leader (only_one, token) VALUES (1, ?)", (self._token,))
        if connection.execute("SELECT token FROM leader").fetchone()[0] != self._token:
            raise Deposed("another process leads the jobs now")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, with the lock held from the start."""
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is not None and self._identities() != self._files:
                self._let_go()
            yield self._connection or self._open()
        except (sqlite3.Error, OSError) as error:
            self.close()  # whatever is wrong with it, the next call begins anew
            raise StoreFailed(f"the job store {self._path} fails: {error}{_advice(error)}") from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        self._connection = connection  # closed by _opened where the rest fails
        _use_log(connection)
        connection.execute("PRAGMA synchronous = FULL")  # 0.1 ms for a commit that a power cut cannot take back
        if _schema(connection) != _SCHEMA:
            _create(connection)
        self._files = self._identities()
        return connection

    def _let_go(self) -> None:
        """What is open has been deleted or replaced: nobody will find it again."""
        file, log = self._files
        self.close()
        now, log_now = self._identities()
        if now != file and log_now == log:
            # The log of the file that was: SQLite would play it into whatever lies at the path now.
            for end in ("-wal", "-shm"):
                Path(f"{self._path}{end}").unlink(missing_ok=True)

    def _identities(self) -> Files:
        return _identity(self._path), _identity(Path(f"{self._path}-wal"))


def _row(job: Job) -> tuple[str | int | float | bytes | None, ...]:
    ended_s = job.ended_s if job.ended else None
    live = not job.ended or not job.told
    return job.job_id, place_of(job), job.owner, job.state, live, ended_s, job.idempotency_key, pack_job(job)


def _use_log(connection: sqlite3.Connection) -> None:
    """Writes go to a log first. SQLite does not wait here where another process does the same to a new file."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _schema(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        found = _schema(connection)  # again: another process may have been faster
        if found not in (0, _SCHEMA):
            raise sqlite3.NotSupportedError(f"another release wrote it, with schema {found}; this one has {_SCHEMA}")
        for statement in _TABLES if found == 0 else ():
            connection.execute(statement)


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file; None: there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _advice(error: Exception) -> str:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return ". Stop the server and move the file away: the jobs in it are lost, the server starts with none"
    return ""
