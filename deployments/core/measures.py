"""What the server counts, and the sums of one process.

Every replica counts for itself; one process collects what they have counted since it last asked, and adds it up. Names
follow Prometheus (base units; a counter's `_total` is added by whoever writes it). Each label has a closed set of
values, so the number of series is fixed: what is in none of them counts as OTHER.
"""

from __future__ import annotations

import itertools
import math
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, get_args

from .types import Priority

OTHER = "other"
"""Label of a value that is not in the catalogue: of another release, or forgotten there."""

Row = tuple[float, ...]
"""Sums of one series. Counter: the sum. Histogram: the number in each bucket, the number above all, the sum."""


@dataclass(frozen=True, eq=False)
class Metric:
    """One name of the catalogue; use Counter or Histogram."""

    name: str
    """avatar_..., without `_total`."""
    help: str
    """A sentence for people."""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> its values."""

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return 1

    def place(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Which series it is: a value for each label, in the order of the catalogue.

        Raises:
            TypeError: a label is missing, or unknown.
        """
        if labels.keys() != self.labels.keys():
            raise TypeError(f"{self.name} has the labels {', '.join(self.labels) or '(none)'}, not {', '.join(labels)}")
        return self.bounded(labels[name] for name in self.labels)

    def bounded(self, values: Iterable[str]) -> tuple[str, ...]:
        """The same values, those that no label has as OTHER."""
        known = zip(values, self.labels.values(), strict=True)
        return tuple(value if value in allowed else OTHER for value, allowed in known)


class Counter(Metric):
    """Only ever grows."""


@dataclass(frozen=True, eq=False)
class Histogram(Metric):
    """How many observations are at most this large."""

    buckets: tuple[float, ...] = ()
    """Upper bounds in seconds, ascending, the bound itself included."""

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return len(self.buckets) + 2


_STEPS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""From a short sentence on an idle core (tens of ms) to the longest limit of a sentence (TTS_TIMEOUT 120 s)."""

RENDERS = Counter(
    "avatar_renders",
    "Renders that have ended, cached ones too; refused: beyond a limit of the server or of the key.",
    {"outcome": ("completed", "failed", "cancelled", "refused")},
)
STAGE_SECONDS = Histogram(
    "avatar_stage_seconds", "Time of one stage call.", {"stage": ("tts", "rvc", "lipsync", "avatar", "join")}, _STEPS_S
)
CACHE_REQUESTS = Counter(
    "avatar_cache_requests",
    "Lookups by level and result; missing, timeout and lost: a fault that counts as a miss.",
    {"level": ("answers", "1", "2"), "result": ("hit", "miss", "shared", "missing", "timeout", "lost")},
)
AUDIO_SECONDS = Counter("avatar_audio_seconds", "Seconds of audio in completed renders.")
QUEUE_WAIT = Histogram(
    "avatar_queue_wait_seconds",
    "Time from a job's submission to the start of its first attempt.",
    {"priority": get_args(Priority)},
    # A full queue of long renders takes longer than any one call.
    (*_STEPS_S, 300.0, 600.0),
)
CANCELLATIONS = Counter(
    "avatar_cancellations", "Jobs that were cancelled, by their state then.", {"state": ("pending", "processing")}
)
RETRIES = Counter("avatar_job_retries", "Attempts that were started again because something died.")
WEBHOOKS = Counter(
    "avatar_webhook_deliveries",
    "Callbacks of ended jobs; given_up: none of several attempts reached the receiver.",
    {"outcome": ("delivered", "given_up")},
)

CATALOGUE: Mapping[str, Counter | Histogram] = {
    metric.name: metric
    for metric in (
        RENDERS,
        STAGE_SECONDS,
        CACHE_REQUESTS,
        AUDIO_SECONDS,
        QUEUE_WAIT,
        CANCELLATIONS,
        RETRIES,
        WEBHOOKS,
    )
}
"""All of them, by name."""


@dataclass(frozen=True)
class Snapshot:
    """What was counted, as plain data that travels between replicas."""

    series: Mapping[tuple[str, tuple[str, ...]], Row] = field(default_factory=dict)
    """(name, label values) -> its sums; what was never counted is absent."""

    def rows(self, metric: Metric) -> dict[tuple[str, ...], Row]:
        """Every series of a metric by its label values, those never counted too, as zeros."""
        zeros = dict.fromkeys(itertools.product(*metric.labels.values()), (0.0,) * metric.width)
        return zeros | {values: row for (name, values), row in self.series.items() if name == metric.name}


class Meter(Protocol):
    """What counts, for code that knows nothing of Ray: Measures itself, or the one of deployments.meter."""

    def add(self, metric: Counter, value: float = 1, /, **labels: str) -> None:
        """See Measures."""

    def observe(self, metric: Histogram, seconds: float, /, **labels: str) -> None:
        """See Measures."""


class Measures:
    """Sums of one process. Safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, tuple[str, ...]], list[float]] = {}

    def add(self, metric: Counter, value: float = 1, /, **labels: str) -> None:
        """Counts.

        Args:
            metric: what.
            value: how much, in the metric's unit.
            labels: a value for each label of the metric.

        Raises:
            ValueError: a negative or endless value, which would spoil the sum for good.
            TypeError: a label is missing, or unknown.
        """
        if not 0 <= value < math.inf:
            raise ValueError(f"{metric.name} cannot grow by {value}")
        place = metric.place(labels)
        with self._lock:
            self._row(metric, place)[0] += value

    def observe(self, metric: Histogram, seconds: float, /, **labels: str) -> None:
        """Counts a duration.

        Args:
            metric: of what.
            seconds: how long; a negative one, after a clock was set, counts as 0.
            labels: a value for each label of the metric.

        Raises:
            ValueError: not a finite number.
            TypeError: a label is missing, or unknown.
        """
        if not math.isfinite(seconds):
            raise ValueError(f"{metric.name} cannot take {seconds} s")
        seconds = max(0.0, seconds)
        place = metric.place(labels)
        with self._lock:
            row = self._row(metric, place)
            row[bisect_left(metric.buckets, seconds)] += 1
            row[-1] += seconds

    def take(self) -> Snapshot:
        """What was counted since the last time: the caller now answers for it, here it starts at zero again."""
        with self._lock:
            rows, self._rows = self._rows, {}
        return Snapshot({series: tuple(row) for series, row in rows.items()})

    def read(self) -> Snapshot:
        """What was counted; stays."""
        with self._lock:
            return Snapshot({series: tuple(row) for series, row in self._rows.items()})

    def merge(self, snapshot: Snapshot) -> None:
        """Adds what another process has counted. What the catalogue does not know, of another release, is left out."""
        with self._lock:
            for (name, values), counted in snapshot.series.items():
                metric = CATALOGUE.get(name)
                if metric is None or len(counted) != metric.width or len(values) != len(metric.labels):
                    continue
                row = self._row(metric, metric.bounded(values))
                row[:] = map(sum, zip(row, counted, strict=True))

    def put_back(self, snapshot: Snapshot) -> None:
        """What was taken and did not arrive is taken again next time."""
        self.merge(snapshot)

    def _row(self, metric: Metric, place: tuple[str, ...]) -> list[float]:
        """The lock must be held."""
        series = (metric.name, place)
        if series not in self._rows:
            self._rows[series] = [0.0] * metric.width
        return self._rows[series]
