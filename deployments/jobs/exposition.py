"""The metrics of the whole server as Prometheus reads them.

The text format, https://prometheus.io/docs/instrumenting/exposition_formats/: it is asked of whichever replica the
proxy chooses, so it may not show what that one alone has counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from deployments.core.measures import CATALOGUE, Counter, Histogram, Measures, Row, Snapshot

from .contract import State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""What every Prometheus understands. 1.0.0 differs only for names beyond ASCII, which we have none of."""


@dataclass(frozen=True)
class Gauges:
    """What is so now, and is asked anew for each rendering."""

    version: str
    """Of avatar-serve."""
    jobs: Mapping[State, int]
    """How many are kept, by state; one that is absent is 0."""
    replicas: Mapping[str, int]
    """How many answer, by deployment."""

    def families(self) -> Iterable[Metric]:
        """The same as Prometheus has it."""
        build = GaugeMetricFamily("avatar_build_info", "Always 1; the labels say what runs.", labels=["version"])
        build.add_metric([self.version], 1)
        jobs = GaugeMetricFamily("avatar_jobs", "Jobs that are kept, by state.", labels=["state"])
        for state in get_args(State):
            jobs.add_metric([state], self.jobs.get(state, 0))
        replicas = GaugeMetricFamily("avatar_replicas", "Replicas that answer, by deployment.", labels=["deployment"])
        for deployment, number in sorted(self.replicas.items()):
            replicas.add_metric([deployment], number)
        return build, jobs, replicas


class Exposition:
    """Totals of the whole server, since the process that holds this one started."""

    def __init__(self) -> None:
        self._totals = Measures()

    def merge(self, snapshot: Snapshot) -> None:
        """Adds what a replica has counted since it was last asked."""
        self._totals.merge(snapshot)

    def text(self, gauges: Gauges) -> tuple[str, bytes]:
        """Everything, those never counted too: a rate needs a zero to begin at.

        Args:
            gauges: what is so now.

        Returns:
            Content type and body.
        """
        registry = CollectorRegistry()  # never the global one, which counts this process alone
        registry.register(_Page([*_totals(self._totals.read()), *gauges.families()]))
        return CONTENT_TYPE, generate_latest(registry)


class _Page(Collector):
    """Families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _totals(snapshot: Snapshot) -> Iterable[Metric]:
    for metric in CATALOGUE.values():
        rows = snapshot.rows(metric)
        yield _histogram(metric, rows) if isinstance(metric, Histogram) else _counter(metric, rows)


def _counter(metric: Counter, rows: Mapping[tuple[str, ...], Row]) -> Metric:
    family = CounterMetricFamily(metric.name, metric.help, labels=list(metric.labels))
    for values, (total,) in rows.items():
        family.add_metric(values, total)
    return family


def _histogram(metric: Histogram, rows: Mapping[tuple[str, ...], Row]) -> Metric:
    family = HistogramMetricFamily(metric.name, metric.help, labels=list(metric.labels))
    bounds = [*map(str, metric.buckets), "+Inf"]
    for values, (*counts, seconds) in rows.items():
        # A bucket of Prometheus holds all that is smaller, too.
        family.add_metric(values, list(zip(bounds, itertools.accumulate(counts), strict=True)), seconds)
    return family
