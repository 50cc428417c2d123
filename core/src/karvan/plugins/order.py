"""The order in which plugins are called: after what they require or follow, then by id. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from karvan_sdk.manifest import Manifest

Because = Literal["requires", "after", "before", "id"]
Edges = Mapping[str, Mapping[str, Because]]
"""Plugin → those that come before it, and why."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A plugin in the order, and what put it there.

    `behind` is the last of those that it must follow, `because` its own `requires` or `after`, or the
    other's `before`; where nothing binds it `behind` is empty and its id alone decides.
    """

    plugin: str
    behind: str = ""
    because: Because = "id"


def order_plugins(manifests: Iterable[Manifest]) -> tuple[list[str], list[str]]:
    """(ids in order, ids that can't be ordered because they stand in or behind a circle)."""
    edges = _edges(manifests)
    done = _sort(edges)
    return done, sorted(set(edges) - set(done))


def explain_order(manifests: Iterable[Manifest]) -> list[Placed]:
    """The order with its reasons; plugins in or behind a circle are left out."""
    edges = _edges(manifests)
    done = _sort(edges)
    place = {name: number for number, name in enumerate(done)}
    found = []
    for name in done:
        behind = max(edges[name], key=place.__getitem__, default="")
        found.append(Placed(plugin=name, behind=behind, because=edges[name][behind] if behind else "id"))
    return found


def find_circles(manifests: Iterable[Manifest]) -> list[tuple[str, ...]]:
    """The circles among plugins: the ids that wait for each other, sorted (Tarjan's, without recursion)."""
    edges = _edges(manifests)
    done = set(_sort(edges))
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    open_: set[str] = set()
    found = []
    for start in sorted(set(edges) - done):
        if start in number:
            continue
        path = [(start, iter(edges[start]))]
        while path:
            name, others = path[-1]
            if name not in number:
                number[name] = low[name] = len(number)
                stack.append(name)
                open_.add(name)
            deeper = next((o for o in others if o not in number or o in open_), None)
            if deeper is not None and deeper not in number:
                path.append((deeper, iter(edges[deeper])))
                continue
            if deeper is not None:
                low[name] = min(low[name], number[deeper])
                continue
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[name])
            if low[name] == number[name]:
                circle = [stack.pop()]
                while circle[-1] != name:
                    circle.append(stack.pop())
                open_.difference_update(circle)
                if len(circle) > 1 or name in edges[name]:
                    found.append(tuple(sorted(circle)))
    return sorted(found)


def _edges(manifests: Iterable[Manifest]) -> dict[str, dict[str, Because]]:
    by_id = {m.id: m for m in manifests}
    found: dict[str, dict[str, Because]] = {name: {} for name in by_id}

    def add(name: str, others: Iterable[str], because: Because) -> None:
        for other in others:
            if other in by_id:
                found[name].setdefault(other, because)

    for name, manifest in by_id.items():
        add(name, manifest.requires, "requires")
        add(name, manifest.after, "after")
    for name, manifest in by_id.items():
        for other in manifest.before:
            if other in by_id:
                found[other].setdefault(name, "before")
    return found


def _sort(edges: Edges) -> list[str]:
    later: dict[str, list[str]] = {name: [] for name in edges}
    for name, others in edges.items():
        for other in others:
            later[other].append(name)
    waiting = {name: len(others) for name, others in edges.items()}
    ready: list[str] = [name for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    done: list[str] = []
    while ready:
        name = heapq.heappop(ready)
        done.append(name)
        for other in later[name]:
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, other)
    return done


def show_reason(placed: Placed) -> str:
    """Why a plugin stands where it does, in words."""
    if placed.because == "id":
        return "by its id"
    if placed.because == "before":
        return f"'{placed.behind}' asks to stand before it"
    return f"{'it requires' if placed.because == 'requires' else 'it asks to stand after'} '{placed.behind}'"
