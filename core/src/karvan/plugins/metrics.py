"""The figures of plugins as a page that Prometheus reads: text format 0.0.4. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from karvan.plugins.figures import BUCKETS_MS, Figure

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COUNTERS: tuple[tuple[str, str, Callable[[Figure], int]], ...] = (
    ("karvan_plugin_calls_total", "Calls of plugin code.", lambda one: one.calls),
    ("karvan_plugin_errors_total", "Calls that failed.", lambda one: one.errors),
    ("karvan_plugin_over_budget_total", "Calls that took longer than their budget.",
     lambda one: one.over_budget),
    ("karvan_plugin_queries_total", "Statements that calls sent to the database.", lambda one: one.queries),
)  # fmt: skip
TIMES = "karvan_plugin_seconds"


def render_metrics(figures: Sequence[Figure]) -> str:
    """All figures, each metric with its help and type; every line ends with a line feed."""
    return "".join(f"{line}\n" for line in _lines(figures))


def _lines(figures: Sequence[Figure]) -> Iterator[str]:
    for name, help, value in COUNTERS:
        yield f"# HELP {name} {help}"
        yield f"# TYPE {name} counter"
        for one in figures:
            yield f"{name}{_labels(one)} {value(one)}"
    yield f"# HELP {TIMES} Time that calls of plugin code took."
    yield f"# TYPE {TIMES} histogram"
    for one in figures:
        yield from _histogram(one)


def _histogram(one: Figure) -> Iterable[str]:
    ends = [*(f"{end / 1000:g}" for end in BUCKETS_MS), "+Inf"]
    for end, count in zip(ends, accumulate(one.classes), strict=True):
        yield f"{TIMES}_bucket{_labels(one, le=end)} {count}"
    yield f"{TIMES}_sum{_labels(one)} {one.total_ms / 1000:.6f}"
    yield f"{TIMES}_count{_labels(one)} {sum(one.classes)}"


def _labels(one: Figure, **more: str) -> str:
    labels = {"plugin": one.plugin, "hook": one.hook, **more}
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
