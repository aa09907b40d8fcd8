"""The map against a plain dictionary with a list of who was used when."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deployments.cache.lru import Lru

from .stores import Clock

LIMIT = 10
KEYS = st.sampled_from("abcdef")


class LruMachine(RuleBasedStateMachine):
    """The model keeps (value, size, end) in the order of use; what it drops, the map must have dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.lru: Lru[int] = Lru(LIMIT, self.clock)
        self.model: dict[str, tuple[int, int, float]] = {}

    @rule(key=KEYS, value=st.integers(), size=st.integers(0, LIMIT + 2), ttl_s=st.sampled_from([0.5, 2, 5, 100]))
    def put(self, key: str, value: int, size: int, ttl_s: float) -> None:
        self.lru.put(key, value, size, ttl_s)
        self.model.pop(key, None)
        if size <= LIMIT:
            self.model[key] = value, size, self.clock.now + ttl_s
        while sum(size for _, size, _ in self.model.values()) > LIMIT:
            del self.model[next(iter(self.model))]

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        entry = self.model.pop(key, None)
        alive = entry is not None and self.clock.now < entry[2]
        if entry and alive:
            self.model[key] = entry
        assert self.lru.get(key) == (entry[0] if entry and alive else None)

    @rule(key=KEYS)
    def pop(self, key: str) -> None:
        entry = self.model.pop(key, None)
        assert self.lru.pop(key) == (entry[0] if entry and self.clock.now < entry[2] else None)

    @rule(seconds=st.sampled_from([0.5, 1, 10]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def clear(self) -> None:
        self.lru.clear()
        self.model.clear()

    @rule()
    def expire(self) -> None:
        self.lru.expire()
        self.model = {key: entry for key, entry in self.model.items() if self.clock.now < entry[2]}

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert len(self.lru) == len(self.model)
        assert self.lru.size_bytes == sum(size for _, size, _ in self.model.values()) <= LIMIT == self.lru.limit_bytes


TestLru = LruMachine.TestCase
TestLru.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)


@pytest.fixture
def lru() -> Lru[str]:
    return Lru(3, Clock())


def test_the_least_recently_used_goes_first(lru: Lru[str]) -> None:
    for key in "abc":
        lru.put(key, key, 1, 60)
    lru.get("a")
    lru.put("d", "d", 2, 60)
    assert [lru.get(key) for key in "abcd"] == ["a", None, None, "d"]


def test_a_value_beyond_the_limit_replaces_and_is_not_kept(lru: Lru[str]) -> None:
    lru.put("a", "old", 1, 60)
    lru.put("b", "other", 1, 60)
    lru.put("a", "new", 4, 60)
    assert (lru.get("a"), lru.get("b")) == (None, "other")


def test_it_lives_until_its_time_and_no_longer() -> None:
    clock = Clock()
    lru: Lru[str] = Lru(3, clock)
    lru.put("a", "a", 1, 60)
    clock.now = 59.9
    assert lru.get("a") == "a"
    clock.now = 60.0
    assert lru.get("a") is None
    assert len(lru) == 0
