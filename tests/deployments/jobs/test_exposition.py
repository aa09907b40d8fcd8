"""GET /metrics as Prometheus reads it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from deployments.core.measures import (
    AUDIO_SECONDS,
    CACHE_REQUESTS,
    CATALOGUE,
    OTHER,
    QUEUE_WAIT,
    RENDERS,
    STAGE_SECONDS,
    Histogram,
    Measures,
)
from deployments.jobs.exposition import CONTENT_TYPE, Exposition, Gauges

GAUGES = Gauges(version="1.2.3", jobs={"pending": 2}, replicas={"TTS": 2, "Jobs": 1})


def families(exposition: Exposition, gauges: Gauges = GAUGES) -> dict[str, Any]:
    _, body = exposition.text(gauges)
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def samples(exposition: Exposition, gauges: Gauges = GAUGES) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found: list[Sample] = [sample for family in families(exposition, gauges).values() for sample in family.samples]
    assert len({(sample.name, frozenset(sample.labels.items())) for sample in found}) == len(found)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}


def value(exposition: Exposition, name: str, **labels: str) -> float:
    return samples(exposition)[name, frozenset(labels.items())]


def test_it_is_the_text_format() -> None:
    content_type, body = Exposition().text(GAUGES)
    assert content_type == CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"
    assert body.endswith(b"\n")


def test_every_series_begins_at_zero() -> None:
    shown = families(Exposition())
    for name, metric in CATALOGUE.items():
        combinations = 1
        for values in metric.labels.values():
            combinations *= len(values)
        per_series = len(metric.buckets) + 3 if isinstance(metric, Histogram) else 1
        assert len(shown[name].samples) == combinations * per_series
        assert {sample.value for sample in shown[name].samples} == {0.0}


def test_what_replicas_have_counted_adds_up() -> None:
    exposition = Exposition()
    for _ in range(3):
        replica = Measures()
        replica.add(RENDERS, outcome="completed")
        replica.add(AUDIO_SECONDS, 2.5)
        exposition.merge(replica.take())
        exposition.merge(replica.take())
    assert value(exposition, "avatar_renders_total", outcome="completed") == 3
    assert value(exposition, "avatar_renders_total", outcome="failed") == 0
    assert value(exposition, "avatar_audio_seconds_total") == 7.5


@given(st.lists(st.integers(0, 8 * 700).map(lambda number: number / 8)))
def test_a_bucket_holds_all_that_is_smaller(waits_s: list[float]) -> None:
    exposition, replica = Exposition(), Measures()
    for wait_s in waits_s:
        replica.observe(QUEUE_WAIT, wait_s, priority="low")
    exposition.merge(replica.take())
    shown, priority = samples(exposition), ("priority", "low")
    for bound in (*QUEUE_WAIT.buckets, float("inf")):
        le = "+Inf" if bound == float("inf") else str(bound)
        smaller = sum(wait_s <= bound for wait_s in waits_s)
        assert shown["avatar_queue_wait_seconds_bucket", frozenset({priority, ("le", le)})] == smaller
    assert shown["avatar_queue_wait_seconds_count", frozenset({priority})] == len(waits_s)
    assert shown["avatar_queue_wait_seconds_sum", frozenset({priority})] == sum(waits_s)


def test_values_that_no_label_has_are_shown_once_they_are_counted() -> None:
    exposition, replica = Exposition(), Measures()
    replica.add(CACHE_REQUESTS, level="1", result="strange")
    exposition.merge(replica.take())
    assert value(exposition, "avatar_cache_requests_total", level="1", result=OTHER) == 1


def test_gauges_are_those_of_now() -> None:
    exposition = Exposition()
    assert value(exposition, "avatar_build_info", version="1.2.3") == 1
    assert value(exposition, "avatar_jobs", state="pending") == 2
    assert value(exposition, "avatar_jobs", state="completed") == 0
    assert value(exposition, "avatar_replicas", deployment="TTS") == 2
    later = samples(exposition, Gauges("1.2.3", {}, {"TTS": 1}))
    assert later["avatar_jobs", frozenset({("state", "pending")})] == 0
    assert later["avatar_replicas", frozenset({("deployment", "TTS")})] == 1
    assert ("avatar_replicas", frozenset({("deployment", "Jobs")})) not in later


@given(st.text(max_size=20))
def test_a_label_may_hold_anything(name: str) -> None:
    shown = samples(Exposition(), Gauges(name, {}, {}))
    assert shown["avatar_build_info", frozenset({("version", name)})] == 1


def test_the_registry_of_the_process_is_left_alone() -> None:
    before = {family.name for family in REGISTRY.collect()}
    exposition = Exposition()
    assert exposition.text(GAUGES) == exposition.text(GAUGES)
    assert {family.name for family in REGISTRY.collect()} == before
    assert not any(name.startswith(("python_", "process_")) for name in families(exposition))


@pytest.mark.parametrize("name", sorted(families(Exposition())))
def test_names_follow_the_conventions(name: str) -> None:
    """https://prometheus.io/docs/practices/naming/, as far as promtool checks it."""
    family = families(Exposition())[name]
    assert re.fullmatch(r"avatar(_[a-z]+)+", name)
    assert not re.search(r"_(total|count|sum|bucket|counter|gauge|histogram|ms|milliseconds|minutes|hours|mb)$", name)
    assert family.documentation and family.documentation.endswith(".")
    assert family.type == ("gauge" if name not in CATALOGUE else type(CATALOGUE[name]).__name__.lower())
    assert (family.type == "histogram") == (name.endswith("_seconds") and family.type != "counter")
    assert all(sample.name == f"{name}_total" for sample in family.samples if family.type == "counter")
    assert all(re.fullmatch(r"[a-z]+", label) for sample in family.samples for label in sample.labels)


def test_the_names_of_before_stay() -> None:
    """Dashboards know them; Ray's own metrics have `ray_` in front of the same."""
    assert {STAGE_SECONDS.name, CACHE_REQUESTS.name} == {"avatar_stage_seconds", "avatar_cache_requests"}
