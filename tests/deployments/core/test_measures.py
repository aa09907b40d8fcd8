"""Whatever way counts take through the replicas, all of them arrive, and none twice."""

from __future__ import annotations

import math
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.measures import (
    AUDIO_SECONDS,
    CACHE_REQUESTS,
    CATALOGUE,
    OTHER,
    QUEUE_WAIT,
    RENDERS,
    STAGE_SECONDS,
    Counter,
    Histogram,
    Measures,
    Snapshot,
)

ROOMS = Path(__file__).parents[3] / "deployments"
EIGHTHS = st.integers(0, 10_000).map(lambda number: number / 8)
"""Their sums are exact in any order."""


@st.composite
def counts(draw: st.DrawFn) -> tuple[Any, float, dict[str, str]]:
    """A call of add or observe."""
    metric = draw(st.sampled_from(sorted(CATALOGUE.values(), key=lambda each: each.name)))
    labels = {name: draw(st.sampled_from([*values, "strange"])) for name, values in metric.labels.items()}
    return metric, draw(EIGHTHS), labels


def count(measures: Measures, metric: Any, amount: float, labels: dict[str, str]) -> None:
    (measures.observe if isinstance(metric, Histogram) else measures.add)(metric, amount, **labels)


@given(st.lists(st.lists(counts())))
def test_collected_from_anywhere_is_the_same_as_counted_here(replicas: list[list[tuple[Any, float, Any]]]) -> None:
    here, collected = Measures(), Measures()
    for replica in replicas:
        there = Measures()
        for each in replica:
            count(here, *each)
            count(there, *each)
        collected.merge(pickle.loads(pickle.dumps(there.take())))
    assert collected.read() == here.read() == here.take()


@given(st.lists(st.tuples(counts(), st.sampled_from(["nothing", "taken", "put back"]))))
def test_nothing_counts_twice_and_nothing_is_lost(steps: list[tuple[tuple[Any, float, Any], str]]) -> None:
    here, replica, collected = Measures(), Measures(), Measures()
    for each, then in steps:
        count(here, *each)
        count(replica, *each)
        if then == "taken":
            collected.merge(replica.take())
        elif then == "put back":
            replica.put_back(replica.take())
    collected.merge(replica.take())
    assert replica.read() == Snapshot()
    assert collected.read() == here.read()


def test_threads_do_not_lose_counts() -> None:
    measures, collected, at_once = Measures(), Measures(), threading.Barrier(5)

    def work() -> None:
        at_once.wait()
        for _ in range(5000):
            measures.add(RENDERS, outcome="completed")
            measures.observe(STAGE_SECONDS, 0.25, stage="tts")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    at_once.wait()
    while any(thread.is_alive() for thread in threads):
        collected.merge(measures.take())
    collected.merge(measures.take())
    assert collected.read().rows(RENDERS)["completed",] == (20_000.0,)
    assert sum(collected.read().rows(STAGE_SECONDS)["tts",][:-1]) == 20_000
    assert collected.read().rows(STAGE_SECONDS)["tts",][-1] == 5000.0


@given(st.sampled_from([STAGE_SECONDS, QUEUE_WAIT]), st.floats(0, 1e6))
def test_a_duration_is_in_the_first_bucket_that_holds_it(metric: Histogram, seconds: float) -> None:
    measures = Measures()
    place = {name: values[0] for name, values in metric.labels.items()}
    measures.observe(metric, seconds, **place)
    *buckets, total = measures.read().rows(metric)[tuple(place.values())]
    (index,) = [index for index, number in enumerate(buckets) if number]
    assert (buckets[index], total) == (1, seconds)
    assert all(bound < seconds for bound in metric.buckets[:index])
    assert all(seconds <= bound for bound in metric.buckets[index : index + 1])


@pytest.mark.parametrize("bound", STAGE_SECONDS.buckets)
def test_a_bound_is_in_its_own_bucket(bound: float) -> None:
    measures = Measures()
    measures.observe(STAGE_SECONDS, bound, stage="tts")
    assert measures.read().rows(STAGE_SECONDS)["tts",][STAGE_SECONDS.buckets.index(bound)] == 1


def test_values_that_no_label_has_are_one_series() -> None:
    measures = Measures()
    for index in range(100):
        measures.add(CACHE_REQUESTS, level="1", result=f"strange {index}")
    assert measures.read().series == {(CACHE_REQUESTS.name, ("1", OTHER)): (100.0,)}


@pytest.mark.parametrize(
    "labels", [{}, {"level": "1"}, {"level": "1", "result": "hit", "voice": "joe"}, {"result": ""}]
)
def test_other_labels_are_an_error(labels: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="avatar_cache_requests has the labels level, result"):
        Measures().add(CACHE_REQUESTS, **labels)


@pytest.mark.parametrize("value", [-1, -math.inf, math.inf, math.nan])
def test_what_would_spoil_a_sum_is_refused(value: float) -> None:
    measures = Measures()
    with pytest.raises(ValueError, match="cannot grow"):
        measures.add(AUDIO_SECONDS, value)
    assert measures.take() == Snapshot()


@pytest.mark.parametrize("seconds", [-math.inf, math.inf, math.nan])
def test_an_endless_duration_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot take"):
        Measures().observe(STAGE_SECONDS, seconds, stage="tts")


def test_a_duration_across_a_change_of_the_clock_is_none() -> None:
    measures = Measures()
    measures.observe(QUEUE_WAIT, -3600, priority="high")
    assert measures.read().rows(QUEUE_WAIT)["high",] == (1.0, *[0.0] * (len(QUEUE_WAIT.buckets) + 1))


@pytest.mark.parametrize(
    ("name", "values", "row"),
    [
        ("avatar_of_tomorrow", (), (1.0,)),
        ("avatar_renders", ("completed", "more"), (1.0,)),
        ("avatar_renders", ("completed",), (1.0, 2.0)),
        ("avatar_stage_seconds", ("tts",), (1.0, 2.0)),
    ],
)
def test_what_another_release_counts_is_left_out(name: str, values: tuple[str, ...], row: tuple[float, ...]) -> None:
    measures = Measures()
    measures.merge(Snapshot({(name, values): row}))
    assert measures.read() == Snapshot()


def test_a_value_of_another_release_is_other() -> None:
    measures = Measures()
    measures.merge(Snapshot({("avatar_renders", ("exploded",)): (2.0,)}))
    assert measures.read().rows(RENDERS)[OTHER,] == (2.0,)


def test_a_snapshot_stays_as_it_was() -> None:
    measures = Measures()
    measures.add(AUDIO_SECONDS, 1.5)
    before = measures.read()
    measures.add(AUDIO_SECONDS, 2)
    assert before.rows(AUDIO_SECONDS) == {(): (1.5,)}


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=CATALOGUE)
def test_the_catalogue_is_in_order(metric: Counter | Histogram) -> None:
    assert OTHER not in [value for values in metric.labels.values() for value in values]
    assert set(Snapshot().rows(metric).values()) == {(0.0,) * metric.width}
    if isinstance(metric, Histogram):
        assert list(metric.buckets) == sorted({*metric.buckets}) and metric.buckets[0] > 0
        assert all(isinstance(bound, float) for bound in metric.buckets)


def test_every_stage_is_in_the_catalogue() -> None:
    rooms = {folder.parent.name for folder in ROOMS.glob("*/engines")}
    assert rooms and rooms < set(STAGE_SECONDS.labels["stage"])
