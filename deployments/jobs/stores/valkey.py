"""Jobs in a Valkey or Redis server: for a cluster. What is written is as safe as the server's own disk.

It should run with `appendonly yes`, `appendfsync always` and `maxmemory-policy noeviction`.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, get_args

from valkey import Valkey, exceptions

from deployments.jobs.contract import Change, Deposed, Event, Job, Page, State, StoreFailed
from deployments.jobs.record import pack_event, pack_job, place_of, read_cursor, read_event, read_job

Argument: TypeAlias = str | int | bytes

_LIMIT_S = 2.0
"""To connect, and to be answered: long for a server that lives, short for a user who waits."""
_READ_AT_ONCE = 500
"""Documents in one answer: up to 10 MB with the longest texts."""
_EXPIRED_AT_ONCE = 200
"""Jobs removed by one script, 10 ms: the server answers nobody meanwhile."""
_TIME_DIGITS = 16
"""Of a place; the rest is the job_id."""

# Keys behind the prefix:
#   leader            hash: token of the leader, turn of its last write
#   created           set: the job_ids that did not exist before the last write
#   job:ID            hash: document, and what finds the job's entries in the lists: place, owner, state, key
#   events:ID         hash: seq -> document
#   list:STATE:all, list:STATE:owner:OWNER   sorted sets of places, all with score 0; STATE * is every state
#   live              the same, of what has not ended or is still to be told
#   ended             the same, with ended_s as score
#   keys:OWNER        hash: idempotency key -> job_id
_COMMON = """
local prefix = KEYS[1]

local function lists(owner, state)
  return {
    prefix .. 'list:*:all', prefix .. 'list:*:owner:' .. owner,
    prefix .. 'list:' .. state .. ':all', prefix .. 'list:' .. state .. ':owner:' .. owner,
  }
end

local function unlist(id)
  local place, owner, state, key = unpack(
    redis.call('HMGET', prefix .. 'job:' .. id, 'place', 'owner', 'state', 'key'))
  if not place then return false end
  for _, list in ipairs(lists(owner, state)) do redis.call('ZREM', list, place) end
  redis.call('ZREM', prefix .. 'live', place)
  redis.call('ZREM', prefix .. 'ended', place)
  if key and redis.call('HGET', prefix .. 'keys:' .. owner, key) == id then
    redis.call('HDEL', prefix .. 'keys:' .. owner, key)
  end
  return true
end

local function remove(id)
  unlist(id)
  redis.call('DEL', prefix .. 'job:' .. id, prefix .. 'events:' .. id)
end
"""

_WRITE = (
    _COMMON
    + """
local token, turn, doubted = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local holder, last = unpack(redis.call('HMGET', prefix .. 'leader', 'token', 'turn'))
last = tonumber(last or 0)
if holder and (holder ~= token or last > turn) then return 0 end
if holder and last == turn then return 1 end -- written; only the answer was lost
redis.call('HSET', prefix .. 'leader', 'token', token, 'turn', turn) -- first: a server that is full refuses it
if doubted > 0 and last >= doubted then -- written, though the leader was told that it was not
  for _, id in ipairs(redis.call('SMEMBERS', prefix .. 'created')) do remove(id) end
end
redis.call('DEL', prefix .. 'created')

local at = 3
local function take() at = at + 1; return ARGV[at] end
while at < #ARGV do
  local id, place, owner, state, document = take(), take(), take(), take(), take()
  local live, ended_s, key = take(), take(), take() == '1' and take()
  if not unlist(id) then redis.call('SADD', prefix .. 'created', id) end
  for _, list in ipairs(lists(owner, state)) do redis.call('ZADD', list, 0, place) end
  if live == '1' then redis.call('ZADD', prefix .. 'live', 0, place) end
  if ended_s ~= '' then redis.call('ZADD', prefix .. 'ended', ended_s, place) end
  redis.call('DEL', prefix .. 'job:' .. id)
  redis.call('HSET', prefix .. 'job:' .. id, 'document', document, 'place', place, 'owner', owner, 'state', state)
  if key then
    redis.call('HSET', prefix .. 'job:' .. id, 'key', key)
    redis.call('HSET', prefix .. 'keys:' .. owner, key, id)
  end
  for _ = 1, tonumber(take()) do redis.call('HSET', prefix .. 'events:' .. id, take(), take()) end
end
return 1
"""
)
"""ARGV: token, turn, the first turn in doubt or 0; then of each job what `_arguments` lists."""

_EXPIRE = (
    _COMMON
    + """
local places = redis.call('ZRANGEBYSCORE', prefix .. 'ended', '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, place in ipairs(places) do
  redis.call('ZREM', prefix .. 'ended', place)
  remove(string.sub(place, tonumber(ARGV[3]) + 1))
end
return #places
"""
)
"""ARGV: a Unix time, how many at most, the digits of a place before the job_id."""


class ValkeyStore:
    """See Store."""

    def __init__(self, host: str, port: int, password: str | None, name: str = "") -> None:
        """Connects at the first call.

        Args:
            host: name or address.
            port: TCP port.
            password: of the default user; None: the server asks for none.
            name: tells stores apart that share a server.
        """
        self._address = f"{host}:{port}"
        # A cluster keeps what has the same words in braces on one node: scripts may touch it together.
        self._prefix = f"{{avatar:{name}}}:" if name else "{avatar}:"
        self._client: Any = Valkey(
            host,
            port,
            password=password,
            socket_connect_timeout=_LIMIT_S,
            socket_timeout=_LIMIT_S,
            lib_name=None,  # says nothing of itself: two round trips less
            lib_version=None,
        )
        self._write_script: Any = self._client.register_script(_WRITE)
        self._expire_script: Any = self._client.register_script(_EXPIRE)
        self._token: str | None = None  # of this leader
        self._turn = 0  # number of the last write: what comes late, from a connection given up, is refused
        self._doubted = 0  # the first of those since that may or may not be written

    def take_over(self) -> list[Job]:
        """See Store."""
        # Random, not counted: an emptied server would count to the same number again.
        token = uuid.uuid4().hex
        self._ask(lambda: self._client.hset(f"{self._prefix}leader", mapping={"token": token, "turn": self._turn}))
        self._token, self._doubted = token, 0
        # From here on nobody else writes: the jobs need not come in one answer.
        places = self._ask(lambda: self._client.zrangebylex(f"{self._prefix}live", "-", "+"))
        return self._jobs_at(places)

    def write(self, changes: Sequence[Change]) -> None:
        """See Store.

        Where no answer comes, the server may write the batch after all. It takes back the new jobs of it before it
        answers the next call; jobs that were there before may stay as the batch has them.
        """
        self._write([argument for change in changes for argument in _arguments(change)])

    def get(self, job_ids: Sequence[str]) -> list[Job | None]:
        """See Store."""
        parts = [job_ids[start : start + _READ_AT_ONCE] for start in range(0, len(job_ids), _READ_AT_ONCE)]
        return [read_job(document) for part in parts for document in self._documents(part)]

    def events(self, job_id: str, after_seq: int) -> list[Event]:
        """See Store."""
        found = self._read(lambda: self._client.hgetall(f"{self._prefix}events:{job_id}"))
        newer = sorted((seq, document) for name, document in found.items() if (seq := int(name)) > after_seq)
        return [event for _, document in newer if (event := read_event(document))]

    def find(self, owner: str, idempotency_key: str) -> Job | None:
        """See Store."""
        job_id = self._read(lambda: self._client.hget(f"{self._prefix}keys:{owner}", idempotency_key))
        return self.get([job_id.decode()])[0] if job_id else None

    def page(self, owner: str | None, state: State | None, limit: int, cursor: str | None) -> Page:
        """See Store."""
        name = f"{self._prefix}list:{state or '*'}:" + ("all" if owner is None else f"owner:{owner}")
        behind = read_cursor(cursor)
        newest = f"({behind}" if behind else "+"
        places = self._read(lambda: self._client.zrevrangebylex(name, newest, "-", 0, limit + 1))
        jobs = tuple(self._jobs_at(places[:limit]))
        return Page(jobs, places[limit - 1].decode() if len(places) > limit else None)

    def counts(self) -> dict[State, int]:
        """See Store."""
        states: tuple[State, ...] = get_args(State)
        commands = [("ZCARD", f"{self._prefix}list:{state}:all") for state in states]
        return dict(zip(states, self._read(lambda: self._together(commands)), strict=True))

    def expire(self, ended_before_s: float) -> int:
        """See Store."""
        arguments = [float(ended_before_s), _EXPIRED_AT_ONCE, _TIME_DIGITS]
        removed: int = self._ask(lambda: self._expire_script([self._prefix], arguments))
        return removed

    def close(self) -> None:
        """See Store."""
        with contextlib.suppress(exceptions.ValkeyError, OSError):
            self._client.close()

    def _jobs_at(self, places: Sequence[bytes]) -> list[Job]:
        return [job for job in self.get([place[_TIME_DIGITS:].decode() for place in places]) if job]

    def _documents(self, job_ids: Sequence[str]) -> list[bytes | None]:
        commands = [("HGET", f"{self._prefix}job:{job_id}", "document") for job_id in job_ids]
        documents: list[bytes | None] = self._read(lambda: self._together(commands))
        return documents

    def _together(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """The answers to several commands, in one round trip."""
        with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = pipeline.execute()
            return answers

    def _write(self, arguments: Sequence[Argument]) -> None:
        if self._token is None:
            raise Deposed("this process has not taken the jobs over")
        self._turn += 1
        call = [self._token, self._turn, self._doubted, *arguments]
        leads = self._ask(lambda: self._send(call))
        self._doubted = 0
        if not leads:
            raise Deposed("another process leads the jobs now")

    def _send(self, call: Sequence[Argument]) -> Any:
        try:
            return self._write_script([self._prefix], call)
        except (exceptions.ConnectionError, exceptions.TimeoutError):  # other errors say that nothing is written
            self._doubted = self._doubted or self._turn
            raise

    def _read(self, question: Callable[[], Any]) -> Any:
        """Asks for what is really written."""
        if self._doubted:
            with contextlib.suppress(Deposed):  # the next write says so
                self._write([])
        return self._ask(question)

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            try:
                return question()
            except exceptions.ConnectionError:  # once more: whatever was connected may have been restarted
                return question()
        except (exceptions.ValkeyError, OSError) as error:
            self.close()  # the next call connects anew: the name may lead to another server then
            raise StoreFailed(f"the job store at {self._address} fails: {error}{_advice(error)}") from error


def _arguments(change: Change) -> list[Argument]:
    """A change as _WRITE takes it."""
    job = change.job
    return [
        *(job.job_id, place_of(job), job.owner, job.state, pack_job(job)),
        int(not job.ended or not job.told),
        repr(float(job.ended_s)) if job.ended and job.ended_s is not None else "",
        *([0] if job.idempotency_key is None else [1, job.idempotency_key]),
        *(len(change.events), *(item for event in change.events for item in (event.seq, pack_event(event)))),
    ]


def _advice(error: Exception) -> str:
    if isinstance(error, exceptions.AuthenticationError):
        return ". Check VALKEY_PASSWORD"
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        return ". Check that Valkey runs, and VALKEY_HOST and VALKEY_PORT"
    return ""
