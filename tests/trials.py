"""Trials of plugin code in the test run: the very same code that loaded well before is not tried again.

A trial is a process of its own (`karvan.plugins.probe`), and some thousand tests enable the same few plugins.
Code that is new, or that did not load, is always tried in earnest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from karvan.plugins import probe, state
from karvan.plugins.discovery import PLUGINS
from karvan.plugins.probe import Limits, Trial

_loaded_well: dict[str, Trial] = {}


@pytest.fixture(autouse=True, scope="session")
def _remembered_trials() -> Iterator[None]:
    """Enabling asks here; installing, and whoever asks `probe` itself, always tries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "try_plugins", try_once)
        yield


def try_once(plugins: Mapping[str, str], limits: Limits = probe.LIMITS, **options: Any) -> Trial:
    """What `probe.try_plugins` says, remembered for code that loaded well under the same limits."""
    key = fingerprint(plugins, limits)
    known = _loaded_well.get(key)
    if known is not None:
        return known
    found = probe.try_plugins(plugins, limits, **options)
    if not found.problems and key:
        _loaded_well[key] = found
    return found


def fingerprint(plugins: Mapping[str, str], limits: Limits) -> str:
    """Of the code of plugins (id → distribution) with its manifests; empty where it can't be found."""
    digest = hashlib.sha256(repr((sorted(plugins.items()), limits)).encode())
    for name in sorted(set(plugins.values())):
        try:
            found = [entry for entry in distribution(name).entry_points if entry.group == PLUGINS]
        except PackageNotFoundError:
            return ""
        for entry in found:
            spec = find_spec(entry.value.partition(":")[0].partition(".")[0])
            if spec is None or not spec.submodule_search_locations:
                return ""
            for folder in spec.submodule_search_locations:
                for path in sorted(p for p in Path(folder).rglob("*") if p.suffix in (".py", ".toml")):
                    digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
