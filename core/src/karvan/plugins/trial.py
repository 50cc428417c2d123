"""The child's side of a trial: loads plugins as the host would, under limits, and says what came of it.

It is run as a file, by `karvan.plugins.probe` alone. What it finds goes into files of its own folder, so that
plugin code which closes or floods the standard streams spoils nothing.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import math
import os
import resource
import signal
import sys
import time
import types
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

REQUEST, AT, STACK, REPORT = "request.json", "at", "stack", "report.json"
MIB = 1024 * 1024
OUTPUT_MAX = 64 * MIB
SHARED_MIB = 2048
"""What may be mapped beyond the data: libraries, shared memory."""


def main(folder: Path) -> None:
    """Try what the request in this folder names; never comes back."""
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    sys.path[:] = request["path"]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nobody's Ctrl-C reaches this session: a plugin raised it
    loading, discovery = _open_package()
    _limit(request["memory_mib"], math.ceil(request["wall_s"] + time.process_time()) + 1)
    stack = (folder / STACK).open("w", encoding="utf-8")
    faulthandler.enable(stack)
    faulthandler.dump_traceback_later(request["wall_s"], exit=True, file=stack)
    began = time.perf_counter()
    problems = {}
    for plugin, distribution in request["plugins"]:
        (folder / AT).write_text(plugin, encoding="utf-8")
        problems[plugin] = _try(loading, discovery.find(distribution, plugin))
    report = {
        "problems": problems,
        "seconds": time.perf_counter() - began,
        "memory_mib": _peak_kib() / 1024,
    }
    draft = folder / f"{REPORT}.new"
    draft.write_text(json.dumps(report), encoding="utf-8")
    draft.rename(folder / REPORT)
    os._exit(0)  # threads that a plugin left running must not keep the answer


def _open_package() -> tuple[Any, Any]:
    """The modules that load plugins, without what `karvan.plugins` brings as a whole.

    The host, the database and the server would cost most of the time of a trial, and a plugin under trial
    has no business with them.
    """
    found = find_spec("karvan")
    assert found is not None
    assert found.submodule_search_locations is not None
    package = types.ModuleType("karvan.plugins")
    package.__path__ = [str(Path(place, "plugins")) for place in found.submodule_search_locations]
    sys.modules["karvan.plugins"] = package
    loading, discovery = (importlib.import_module(f"karvan.plugins.{n}") for n in ("loading", "discovery"))
    return loading, discovery


def _peak_kib() -> int:
    """The most memory this process had. `ru_maxrss` is no answer: it begins with that of the server."""
    try:
        told = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # no Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next((line for line in told.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1])


def _limit(memory_mib: int, cpu_s: int) -> None:
    for kind, size in (
        (resource.RLIMIT_DATA, memory_mib * MIB),
        (resource.RLIMIT_AS, (memory_mib + SHARED_MIB) * MIB),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, OUTPUT_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        low = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(kind, (low, hard))


def _try(loading: Any, installed: Any) -> Sequence[str]:
    """What is wrong with one plugin, as the host would find it, and what it does to the process."""
    marker = os.open(os.devnull, os.O_RDONLY)
    before = _state(marker)
    loaded = loading.load_plugin(installed)
    faults = list(loading.faults_of(loaded))
    after = _state(marker)
    return faults + [text for text, was in before.items() if after[text] != was]


def _state(marker: int) -> Mapping[str, Any]:
    """What importing a plugin must leave as it is, by the sentence for the one that does not."""
    return {
        "Its import closes files that are not its own.": [_is_open(fd) for fd in (0, 1, 2, marker)],
        "Its import changes the current folder.": os.getcwd(),
    }


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
