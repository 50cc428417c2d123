"""The order in which plugins are called: after what they require or follow, then by id. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

from karvan_sdk.manifest import Manifest


def order_plugins(manifests: Iterable[Manifest]) -> tuple[list[str], list[str]]:
    """(ids in order, ids that can't be ordered because they stand in or behind a cycle)."""
    by_id: Mapping[str, Manifest] = {m.id: m for m in manifests}
    earlier: dict[str, set[str]] = {name: set() for name in by_id}
    for name, manifest in by_id.items():
        for other in (*manifest.requires, *manifest.after):
            if other in by_id:
                earlier[name].add(other)
        for other in manifest.before:
            if other in by_id:
                earlier[other].add(name)
    later: dict[str, list[str]] = {name: [] for name in by_id}
    for name, others in earlier.items():
        for other in others:
            later[other].append(name)
    waiting = {name: len(others) for name, others in earlier.items()}
    ready = [name for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    done: list[str] = []
    while ready:
        name = heapq.heappop(ready)
        done.append(name)
        for other in later[name]:
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, other)
    return done, sorted(set(by_id) - set(done))
