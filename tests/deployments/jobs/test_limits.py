"""The bucket, by a clock that the test turns."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployments.core.errors import RateLimited
from deployments.jobs.limits import TokenBuckets

from ..cache.stores import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def buckets(clock: Clock) -> TokenBuckets:
    return TokenBuckets(clock)


def takes(buckets: TokenBuckets, name: str, per_minute: float | None, tries: int) -> int:
    """How many of so many tries are let in."""
    taken = 0
    for _ in range(tries):
        try:
            buckets.take(name, per_minute)
            taken += 1
        except RateLimited:
            pass
    return taken


def test_a_minutes_requests_may_come_at_once(buckets: TokenBuckets, clock: Clock) -> None:
    assert takes(buckets, "ann", 30, 100) == 30
    clock.now += 10
    assert takes(buckets, "ann", 30, 100) == 5
    clock.now += 3600
    assert takes(buckets, "ann", 30, 100) == 30  # silence saves up no more than that


def test_keys_do_not_share(buckets: TokenBuckets) -> None:
    assert takes(buckets, "ann", 2, 5) == 2
    assert takes(buckets, "bob", 3, 5) == 3
    assert takes(buckets, "", 1, 5) == 1


def test_who_has_no_limit_has_none(buckets: TokenBuckets) -> None:
    assert takes(buckets, "ann", None, 10_000) == 10_000


def test_less_than_one_a_minute_lets_the_first_in(buckets: TokenBuckets, clock: Clock) -> None:
    assert takes(buckets, "ann", 0.5, 3) == 1
    clock.now += 119
    assert takes(buckets, "ann", 0.5, 3) == 0
    clock.now += 1
    assert takes(buckets, "ann", 0.5, 3) == 1


def test_who_is_refused_loses_nothing_by_it(buckets: TokenBuckets, clock: Clock) -> None:
    takes(buckets, "ann", 60, 60)
    for _ in range(1000):
        clock.now += 0.0009
        assert takes(buckets, "ann", 60, 1) == 0
    clock.now += 0.11
    assert takes(buckets, "ann", 60, 1) == 1


def test_a_new_limit_counts_at_once(buckets: TokenBuckets, clock: Clock) -> None:
    assert takes(buckets, "ann", 100, 10) == 10
    assert takes(buckets, "ann", 5, 100) == 5
    clock.now += 12
    assert takes(buckets, "ann", 5, 100) == 1


def test_the_refusal_says_what_to_do(buckets: TokenBuckets) -> None:
    takes(buckets, "ann", 2, 2)
    with pytest.raises(RateLimited, match="2 requests a minute") as refused:
        buckets.take("ann", 2)
    assert refused.value.retry_after_s == 30 and "30 s" in (refused.value.hint or "")


RATES = st.one_of(st.floats(0.01, 1000), st.sampled_from([0.5, 1.0, 7.0, 60.0, 600.0]))


@settings(max_examples=60)
@given(
    per_minute=RATES,
    pauses=st.lists(st.one_of(st.floats(0, 200), st.just(0.0), st.floats(0, 0.1)), min_size=1, max_size=60),
    tries=st.integers(1, 30),
)
def test_never_more_than_the_burst_and_the_rate(per_minute: float, pauses: list[float], tries: int) -> None:
    """In no stretch of time, whenever it begins."""
    clock = Clock()
    buckets = TokenBuckets(clock)
    taken: list[tuple[float, int]] = []
    for pause in pauses:
        clock.now += pause
        taken.append((clock.now, takes(buckets, "ann", per_minute, tries)))
    for start, (start_s, _) in enumerate(taken):
        count = 0
        for end_s, number in taken[start:]:
            count += number
            assert count <= max(1.0, per_minute) + (end_s - start_s) * per_minute / 60 + 1e-6


@settings(max_examples=100)
@given(
    per_minute=st.one_of(st.floats(0.01, 90), st.sampled_from([0.5, 1.0, 7.0, 60.0])),
    pauses=st.lists(st.floats(0, 30), max_size=10),
)
@example(per_minute=1.0, pauses=[0.1, 0.2])
def test_who_waits_as_long_as_told_is_let_in(per_minute: float, pauses: list[float]) -> None:
    clock = Clock()
    buckets = TokenBuckets(clock)
    takes(buckets, "ann", per_minute, 100)
    for pause in pauses:
        clock.now += pause
        takes(buckets, "ann", per_minute, 1)
    takes(buckets, "ann", per_minute, 100)
    for _ in range(10):
        with pytest.raises(RateLimited) as refused:
            buckets.take("ann", per_minute)
        assert refused.value.retry_after_s >= 1  # a whole number of seconds: of a header
        clock.now += refused.value.retry_after_s
        buckets.take("ann", per_minute)
        takes(buckets, "ann", per_minute, 3)
