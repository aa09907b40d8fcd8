"""Counts for both who look: the server's own GET /metrics (core.measures) and Ray's metrics of each node.

Ray's have the same names behind `ray_`, and say which replica it was.
"""

from __future__ import annotations

import functools

from ray.serve import metrics

from deployments.core.measures import CATALOGUE, Counter, Histogram, Measures, Snapshot


class RayMeter:
    """What a process counts; see `meter`."""

    def __init__(self) -> None:
        self._measures = Measures()
        self._counters = {each.name: _counter(each) for each in CATALOGUE.values() if isinstance(each, Counter)}
        self._histograms = {each.name: _histogram(each) for each in CATALOGUE.values() if isinstance(each, Histogram)}

    def add(self, metric: Counter, value: float = 1, /, **labels: str) -> None:
        """Counts: see Measures.add."""
        self._measures.add(metric, value, **labels)
        if value > 0:  # Ray refuses zero
            self._counters[metric.name].inc(value, _tags(metric, labels))

    def observe(self, metric: Histogram, seconds: float, /, **labels: str) -> None:
        """Counts a duration: see Measures.observe."""
        self._measures.observe(metric, seconds, **labels)
        self._histograms[metric.name].observe(max(0.0, seconds), _tags(metric, labels))

    def take(self) -> Snapshot:
        """What was counted since the last time, for the server's own metrics: see Measures.take."""
        return self._measures.take()

    def put_back(self, snapshot: Snapshot) -> None:
        """What was taken and did not arrive is taken again next time."""
        self._measures.put_back(snapshot)


@functools.cache
def meter() -> RayMeter:
    """The one of this process: in Ray, a metric's name can be taken only once.

    To be asked for the first time in a replica's event loop: Ray adds the replica's name then.
    """
    return RayMeter()


def _tags(metric: Counter | Histogram, labels: dict[str, str]) -> dict[str, str]:
    return dict(zip(metric.labels, metric.place(labels), strict=True))


def _counter(metric: Counter) -> metrics.Counter:
    return metrics.Counter(metric.name, metric.help, tuple(metric.labels))  # type: ignore[arg-type]


def _histogram(metric: Histogram) -> metrics.Histogram:
    return metrics.Histogram(metric.name, metric.help, list(metric.buckets), tuple(metric.labels))  # type: ignore[arg-type]
