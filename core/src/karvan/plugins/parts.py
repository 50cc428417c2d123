"""What a plugin's object brings beside hooks (widgets, routes, commands, jobs), held against its manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule

from karvan_sdk.manifest import Manifest
from karvan_sdk.router import Route, Router, Surface
from karvan_sdk.widgets import Widget

SURFACES: tuple[Surface, ...] = ("page", "api")


class NoRoute(Exception):
    """No route of the plugin answers; `allowed` are the methods that would be, empty for an unknown path."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self.allowed = tuple(allowed)
        super().__init__(", ".join(allowed))


class RouteMap:
    """The routes of one plugin on one surface: an own werkzeug Map, replaced whole with the plugin."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._map = Map(
            [Rule(r.rule, endpoint=n, methods=r.methods) for n, r in enumerate(routes)],
            strict_slashes=False,
            merge_slashes=False,
        )
        self._routes = tuple(routes)

    def match(self, path: str, method: str) -> tuple[Route, Mapping[str, Any]]:
        """The route for a path behind the plugin's prefix and the values of its rule; raises NoRoute."""
        adapter = self._map.bind("", "/")
        try:
            number, values = adapter.match(path, method)
        except MethodNotAllowed as exc:
            raise NoRoute(sorted(exc.valid_methods or ())) from exc
        except (NotFound, RequestRedirect, HTTPException, ValueError) as exc:
            raise NoRoute from exc  # ValueError: more digits than Python makes a number of
        return self._routes[int(number)], values


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The accepted parts of one plugin. `commands` are click commands by name, `jobs` functions by name."""

    widgets: Mapping[str, Widget] = field(default_factory=lambda: MappingProxyType({}))
    routes: Mapping[Surface, RouteMap] = field(default_factory=lambda: MappingProxyType({}))
    commands: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    jobs: Mapping[str, Callable[..., Any]] = field(default_factory=lambda: MappingProxyType({}))


def read_parts(found: Any, manifest: Manifest) -> tuple[Parts, tuple[str, ...]]:
    """(parts, what was refused or is missing). Parts that the manifest does not declare are left out."""
    problems: list[str] = []
    parts = Parts(
        widgets=_read_widgets(getattr(found, "widgets", ()), manifest, problems),
        routes=_read_routes(getattr(found, "router", None), manifest, problems),
        commands=_read_commands(getattr(found, "commands", ()), manifest, problems),
        jobs=_read_jobs(getattr(found, "jobs", {}), manifest, problems),
    )
    return parts, tuple(problems)


def _read_widgets(given: Any, manifest: Manifest, problems: list[str]) -> Mapping[str, Widget]:
    declared = {w.id for w in manifest.widgets}
    found: dict[str, Widget] = {}
    for widget in given:
        if not isinstance(widget, Widget):
            problems.append(f"Its 'widgets' hold {widget!r}, which is no Widget; refused.")
        elif widget.id not in declared:
            problems.append(f"It brings the widget '{widget.id}' without declaring it; refused.")
        elif not _is_whole(widget):
            problems.append(
                f"Its widget '{widget.id}' needs a function 'render' and 'actions' by name; refused."
            )
        elif widget.id in found:
            problems.append(f"It brings the widget '{widget.id}' twice; the second is refused.")
        else:
            found[widget.id] = widget
    problems += [
        f"It declares the widget '{i}' but does not bring it." for i in sorted(declared - set(found))
    ]
    return MappingProxyType(found)


def _is_whole(widget: Widget) -> bool:
    actions: Any = widget.actions
    return (
        callable(widget.render)
        and isinstance(actions, Mapping)
        and all(callable(a) for a in actions.values())
    )


def _read_routes(given: Any, manifest: Manifest, problems: list[str]) -> Mapping[Surface, RouteMap]:
    if given is None:
        return MappingProxyType({})
    if not isinstance(given, Router):
        problems.append(f"Its 'router' is {given!r}, which is no Router; refused.")
        return MappingProxyType({})
    by_surface: dict[Surface, list[Route]] = {}
    for route in given.routes:
        if route.public is not None and not _is_declared(route, manifest):
            problems.append(
                f"Its {route.surface} route '{route.rule}' ({', '.join(route.methods)}) is public and not "
                "declared under public_routes; refused."
            )
            continue
        by_surface.setdefault(route.surface, []).append(route)
    maps: dict[Surface, RouteMap] = {}
    for surface, routes in by_surface.items():
        try:
            maps[surface] = RouteMap(routes)
        except (ValueError, LookupError) as exc:
            problems.append(f"Its {surface} routes can't be used: {exc}")
    return MappingProxyType(maps)


def _is_declared(route: Route, manifest: Manifest) -> bool:
    return any(
        p.surface == route.surface and p.path == route.rule and set(route.methods) <= set(p.methods)
        for p in manifest.public_routes
    )


def _read_commands(given: Any, manifest: Manifest, problems: list[str]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for command in given:
        name = getattr(command, "name", None)
        if not isinstance(name, str) or not callable(command):
            problems.append(f"Its 'commands' hold {command!r}, which is no click command; refused.")
        elif name not in manifest.commands:
            problems.append(f"It brings the command '{name}' without declaring it; refused.")
        else:
            found[name] = command
    missing = [c for c in manifest.commands if c not in found]
    problems += [f"It declares the command '{name}' but does not bring it." for name in missing]
    return MappingProxyType(found)


def _read_jobs(given: Any, manifest: Manifest, problems: list[str]) -> Mapping[str, Callable[..., Any]]:
    if not isinstance(given, Mapping):
        # a module of a package may well be called jobs; it matters to those alone who declare any
        if manifest.jobs:
            problems.append(f"Its 'jobs' are {given!r}, which are no functions by name; refused.")
        given = {}
    found: dict[str, Callable[..., Any]] = {}
    for name, function in given.items():
        if name not in manifest.jobs:
            problems.append(f"It brings the job '{name}' without declaring it; refused.")
        elif not callable(function):
            problems.append(f"Its job '{name}' is {function!r}, which is no function; refused.")
        else:
            found[name] = function
    missing = [j for j in manifest.jobs if j not in found]
    problems += [f"It declares the job '{name}' but does not bring it." for name in missing]
    return MappingProxyType(found)
