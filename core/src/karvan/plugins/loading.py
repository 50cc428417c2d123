"""From an installed plugin to its code in use: import, comparison with the manifest, what was wrong."""

from __future__ import annotations

import importlib.util
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy
from importlib_metadata import EntryPoint

from karvan.plugins.discovery import PLUGINS, Installed, is_declared
from karvan.plugins.effective import SettingsOf
from karvan.plugins.parts import Parts, read_parts
from karvan.plugins.texts import NONE, Texts, read_texts
from karvan_sdk.hookspecs import PROJECT, Hookspecs

TRACE_MAX = 4000
PLUGIN_ERRORS = (Exception, SystemExit)
"""What comes out of `contained` for whatever plugin code raises: everything but a person's Ctrl-C."""


class Escaped(Exception):
    """Plugin code raised what is no Exception (`cause`): it would end whatever calls it."""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause
        super().__init__(type(cause).__name__)


@contextmanager
def contained() -> Iterator[None]:
    """Around every call of plugin code: nothing but `PLUGIN_ERRORS` and a person's Ctrl-C comes out."""
    try:
        yield
    except PLUGIN_ERRORS:
        raise
    except BaseException as exc:
        if isinstance(exc, KeyboardInterrupt) and _is_ctrl_c_possible():
            raise
        raise Escaped(exc) from exc


def _is_ctrl_c_possible() -> bool:
    """Python raises KeyboardInterrupt in the main thread only, and only where nobody took SIGINT over."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The object of a plugin and what was wrong with it; `object` is None where it can't be used.

    `settings` are there as soon as the host has taken the plugin into use.
    """

    installed: Installed
    object: Any = None
    parts: Parts = field(default_factory=Parts)
    texts: Texts = field(default_factory=lambda: NONE)
    package: Path | None = None
    settings: SettingsOf | None = None
    problems: tuple[str, ...] = ()
    failed: bool = False


def new_manager() -> pluggy.PluginManager:
    """A manager that knows the hooks of the sdk."""
    manager = pluggy.PluginManager(PROJECT)
    # an instance: with the class every call would warn about `self`
    manager.add_hookspecs(Hookspecs())  # type: ignore[arg-type]  # pluggy takes any object with specs
    return manager


def load_plugin(installed: Installed) -> Loaded:
    """Import the object of a plugin and read its parts; whatever it raises becomes a reason."""
    if not installed.entry:
        return Loaded(installed=installed)
    if installed.distribution and not is_declared(installed):
        why = f"'{installed.entry}' is no entry point of {installed.distribution} any more."
        return Loaded(installed=installed, problems=(why,), failed=True)
    try:
        with contained():
            found = EntryPoint(name=installed.id, value=installed.entry, group=PLUGINS).load()
        if found is None or isinstance(found, type):
            why = f"'{installed.entry}' must be a module or an object with hooks, not {found!r}."
            return Loaded(installed=installed, problems=(why,), failed=True)
        package = _package_of(installed.entry)
        manifest = installed.manifest
        with contained():
            parts, problems = read_parts(found, manifest) if manifest is not None else (Parts(), ())
        texts, unread = read_texts(package) if package else (NONE, ())
    except PLUGIN_ERRORS as exc:
        why = f"'{installed.entry}' can't be imported: {say_error(exc)}{_say_place(exc, installed.entry)}"
        return Loaded(installed=installed, problems=(why,), failed=True)
    return Loaded(
        installed=installed,
        object=found,
        parts=parts,
        texts=texts,
        package=package,
        problems=(*problems, *unread),
    )


def faults_of(loaded: Loaded) -> tuple[str, ...]:
    """Why an imported plugin can't be enabled, one sentence each: registered on a manager of its own.

    A declared hook without an implementation is a warning only, and not among them.
    """
    if loaded.failed or loaded.object is None or loaded.problems:
        return loaded.problems
    manager = new_manager()
    try:
        with contained():
            manager.register(loaded.object, name=loaded.installed.id)
    except PLUGIN_ERRORS as exc:
        return (say_error(exc),)
    return undeclared(manager, loaded.installed)


def _say_place(error: BaseException, entry: str) -> str:
    """Where in the plugin's own package an exception came from: ` (karvan_crm/plugin.py, line 7)`."""
    cause = error.cause if isinstance(error, Escaped) else error
    top = entry.partition(":")[0].partition(".")[0]
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(cause.__traceback__)]
    if isinstance(cause, SyntaxError) and cause.filename:
        places.append((cause.filename, cause.lineno or 0))
    for file, line in reversed(places):
        parts = Path(file).parts
        if top in parts:
            start = len(parts) - 1 - parts[::-1].index(top)
            return f" ({'/'.join(parts[start:])}, line {line})"
    return ""


def _package_of(entry: str) -> Path | None:
    """The folder of the top-level package that an entry point names; it is imported by now."""
    spec = importlib.util.find_spec(entry.partition(":")[0].partition(".")[0])
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) if folders else None


def undeclared(manager: pluggy.PluginManager, installed: Installed) -> tuple[str, ...]:
    """Refused implementations, one sentence each."""
    declared = {use.hook for use in installed.manifest.hooks} if installed.manifest else set()
    problems = []
    for name, known, wrapper in sorted(_implemented(manager, installed.id)):
        hook = name.replace("__", ".", 1)  # one of a plugin is held against what that plugin offers, later
        if hook in declared and hook != name:
            continue
        if hook != name:
            problems.append(f"It implements '{hook}' without declaring it in its manifest; refused.")
        elif not known:
            problems.append(f"It implements '{hook}', which is no hook of this karvan-sdk; refused.")
        elif hook not in declared:
            problems.append(f"It implements '{hook}' without declaring it in its manifest; refused.")
        elif wrapper:
            problems.append(f"It wraps '{hook}'; hooks are called one by one, a wrapper is refused.")
    return tuple(problems)


def unkept(manager: pluggy.PluginManager, installed: Installed) -> tuple[str, ...]:
    """Hooks that the manifest declares and the code lacks, one sentence each."""
    declared = {use.hook for use in installed.manifest.hooks} if installed.manifest else set()
    there = {name.replace("__", ".", 1) for name, _, _ in _implemented(manager, installed.id)}
    return tuple(f"It declares '{hook}' but does not implement it." for hook in sorted(declared - there))


def implementations(manager: pluggy.PluginManager, plugin: str) -> dict[str, pluggy.HookImpl]:
    """Everything that a registered plugin implements, by the name that its code gives to the hook."""
    found = manager.get_plugin(plugin)
    callers = manager.get_hookcallers(found) if found is not None else None
    return {
        caller.name: impl
        for caller in callers or ()
        for impl in caller.get_hookimpls()
        if impl.plugin_name == plugin
    }


def _implemented(manager: pluggy.PluginManager, plugin: str) -> list[tuple[str, bool, bool]]:
    """(hook, has a spec, is a wrapper) of everything that a registered plugin implements."""
    found = manager.get_plugin(plugin)
    callers = manager.get_hookcallers(found) if found is not None else None
    return [
        (caller.name, caller.has_spec(), bool(impl.hookwrapper or impl.wrapper))
        for caller in callers or ()
        for impl in caller.get_hookimpls()
        if impl.plugin_name == plugin
    ]


def say_trace(error: BaseException) -> str:
    """Where an exception was raised, the innermost lines of its traceback, fit to be stored."""
    try:
        with contained():
            text = "".join(traceback.format_exception(error))
    except PLUGIN_ERRORS:  # an exception that can't even be shown
        text = say_error(error)
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")[-TRACE_MAX:]


def say_error(error: BaseException) -> str:
    """An exception in one line that can be stored and sent anywhere, whatever its author put into it."""
    if isinstance(error, Escaped):
        error = error.cause
    try:
        with contained():
            text = str(error)
    except PLUGIN_ERRORS:  # an exception that can't even say what is wrong
        text = ""
    lines = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00").strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__
