"""Measure what plugins cost: saves, discovery, start and memory with 0 to 300 of them, as ratios."""

from __future__ import annotations

import argparse
import gc
import json
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from floor import make_floor
from run import LISTED, Caller, database

from karvan.access.actors import Actor
from karvan.app import create_app
from karvan.settings import Settings
from karvan.workspace import Workspace
from karvan_sdk.fields import Field

COUNTS = (0, 10, 100, 300)
INTERESTED = 5
WARM_UP = 10
DISTRIBUTIONS = 300
REPORT = Path(__file__).parent.parent / "docs/reports/bench-plugins.md"
MANIFEST = """schema = 1
id = "{id}"
api = ">=0.1,<1"
name = "Bench {number}"
summary = "One of many."

[[settings]]
name = "limit"
type = "integer"
default = 1

[[hooks]]
hook = "prepare_records"
objects = ["{object}"]

[[hooks]]
hook = "check_records"
objects = ["{object}"]
"""
CODE = """from karvan_sdk import hookimpl


@hookimpl
def prepare_records(ctx, changes):
    return changes


@hookimpl
def check_records(ctx, changes):
    return []
"""
START = """
import json, sys, time
began = time.perf_counter()
from pathlib import Path
from karvan.app import create_app
from karvan.settings import Settings
from karvan.workspace import Workspace
imported = time.perf_counter()
workspace = Workspace(Settings(home=Path(sys.argv[1]), database_url=sys.argv[2]))
app = create_app(workspace=workspace)
workspace.catalogs.current()
ready = time.perf_counter()
pages = open("/proc/self/statm").read().split()
print(json.dumps({"ms": (ready - imported) * 1000, "all_ms": (ready - began) * 1000,
                  "kib": int(pages[1]) * 4, "loaded": len(workspace.host.status())}))
"""
DISCOVER = """
import json, sys, time
from pathlib import Path
from karvan.plugins.discovery import Discovery
began = time.perf_counter()
found = Discovery(Path(sys.argv[1]) if sys.argv[1] else None).installed()
print(json.dumps({"ms": (time.perf_counter() - began) * 1000, "plugins": len(found)}))
"""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Median, and the middle half, of some times in ms."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Figures:
        low, middle, high = statistics.quantiles(times, n=4)
        return cls(median=middle, low=low, high=high)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


# -- what is measured --------------------------------------------------------------------------------------


def make_plugins(site: Path, count: int) -> list[str]:
    """Distributions with plugins, of which the first few listen to deals and the others to another object."""
    made = []
    for number in range(count):
        plugin = f"bench_{number}"
        package, info = site / f"karvan_{plugin}", site / f"karvan_{plugin}-1.0.dist-info"
        package.mkdir(parents=True)
        info.mkdir()
        listens = "deal" if number < INTERESTED else "account"
        (package / "__init__.py").write_text("")
        (package / "plugin.py").write_text(CODE)
        (package / "manifest.toml").write_text(MANIFEST.format(id=plugin, number=number, object=listens))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: karvan-{plugin}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[karvan.plugins]\n{plugin} = karvan_{plugin}.plugin\n"
            f"[karvan.manifests]\n{plugin} = karvan_{plugin}:manifest.toml\n"
        )
        made.append(plugin)
    return made


def make_others(site: Path, count: int) -> None:
    """Ordinary distributions: what any environment is full of."""
    for number in range(count):
        info = site / f"other_{number}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: other-{number}\nVersion: 1.0\n")
        (info / "RECORD").write_text("".join(f"other_{number}/m{n}.py,,\n" for n in range(50)))


@contextmanager
def workspace_with(engine: str, plugins: Sequence[str]) -> Iterator[tuple[Workspace, str]]:
    """A workspace with crm and these plugins, and the URL of its database."""
    with database(engine) as url, tempfile.TemporaryDirectory() as home:
        workspace = Workspace(Settings(home=Path(home), database_url=url))
        try:
            workspace.create()
            admin = workspace.actors.create_user(
                "bench@example.com", "Bench", secrets.token_hex(8), is_admin=True
            )
            workspace.plugins.enable(admin, "crm")
            workspace.schema.add_fields(admin, "deal", [Field(name="score", type="integer", indexed=True)])
            enable_all(workspace, admin, plugins)
            yield workspace, url
        finally:
            workspace.close()


def enable_all(workspace: Workspace, admin: Actor, plugins: Sequence[str]) -> None:
    """Switch them on in the database at once; what is measured is having them, not enabling them."""
    for plugin in plugins:
        installed = workspace.plugins._discovery.get(plugin)
        assert installed is not None
        assert installed.manifest is not None, installed.errors
        workspace.schema.enable_plugin(admin, installed.manifest, version=installed.version)
    workspace.catalogs.current()
    on = workspace.host.status()
    assert all(on[plugin].state == "ready" for plugin in plugins), on


def deal(number: int) -> dict[str, Any]:
    """A deal as both sides save it."""
    return {"name": f"New {number}", "amount": f"{number % 9999}.50", "stage": "proposal",
            "opened_on": "2026-01-02", "close_date": "2026-03-04", "c_score": number % 100}  # fmt: skip


def measure_in_turn(calls: dict[str, Callable[[int], Any]], rounds: int) -> dict[str, list[float]]:
    """Times in ms of each call; in every round all are called, in another order."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    dice = random.Random(1)
    for number in range(rounds + WARM_UP):
        order = list(calls)
        dice.shuffle(order)
        for name in order:
            start = time.perf_counter()
            calls[name](number)
            if number >= WARM_UP:  # the first rounds make plans and prepare statements
                times[name].append((time.perf_counter() - start) * 1000)
    return times


@contextmanager
def workspaces_with(
    engine: str, plugins: Sequence[str], counts: Sequence[int]
) -> Iterator[dict[int, tuple[Workspace, str]]]:
    """A workspace for each number of enabled plugins."""
    with ExitStack() as opened:
        yield {n: opened.enter_context(workspace_with(engine, plugins[:n])) for n in counts}


def bench_saves(engine: str, made: dict[int, tuple[Workspace, str]], rounds: int) -> Iterator[str]:
    """Rows about creating and changing one record, and the floor's insert, interleaved."""
    creates: dict[str, Callable[[int], Any]] = {"floor": _floor_of(*made[0])}
    updates: dict[str, Callable[[int], Any]] = {}
    for count, (workspace, _) in made.items():
        admin = workspace.actors.by_email("bench@example.com")
        assert admin is not None
        assert admin.id is not None
        token = workspace.actors.create_token(admin.id, f"bench {count}")
        call = Caller(create_app(workspace=workspace), token)
        creates[str(count)] = lambda i, call=call: call("POST", "/api/v1/records/deal", deal(i))
        with workspace.records.write(admin) as writer:
            kept = writer.create("deal", {"name": "Kept", "stage": "proposal"})["id"]
        updates[str(count)] = lambda i, writing=(workspace, admin, kept): _update(*writing, i)
    for name, calls in (("create", creates), ("update", updates)):
        gc.collect()
        gc.disable()
        times = measure_in_turn(calls, rounds)
        gc.enable()
        yield from _ratios(engine, name, times, list(made))


def _floor_of(workspace: Workspace, url: str) -> Callable[[int], Any]:
    table = workspace.catalogs.current().object("deal")
    floor = Caller(make_floor(url, table.table, [table.fields[n].column for n in LISTED], "c_score"))
    return lambda i: floor("POST", "/create", deal(i))


def _update(workspace: Workspace, admin: Actor, record: int, number: int) -> None:
    with workspace.records.write(admin) as writer:
        writer.update("deal", record, {"c_score": number % 100})


def _ratios(engine: str, name: str, times: dict[str, list[float]], counts: Sequence[int]) -> Iterator[str]:
    none = statistics.median(times[str(counts[0])])
    floor = statistics.median(times["floor"]) if "floor" in times else None
    for count in counts:
        found = Figures.of(times[str(count)])
        to_floor = f"{floor / found.median:.2f}" if floor else ""
        yield f"| {engine} | {name} | {count} | {found} | {found.median / none:.2f} | {to_floor} |"


def bench_starts(
    engine: str, site: Path, made: dict[int, tuple[Workspace, str]], rounds: int
) -> Iterator[str]:
    """Rows about a process that begins with an enabled set: time until its catalog is whole, memory then."""
    counts = list(made)
    found: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    dice = random.Random(2)
    for _ in range(rounds + 1):
        for count in dice.sample(counts, len(counts)):
            workspace, url = made[count]
            said = run(START, site, str(workspace.settings.home), url)
            assert said["loaded"] == count + 1
            found[count].append(said)
    none_ms = statistics.median(one["ms"] for one in found[counts[0]][1:])
    none_kib = statistics.median(one["kib"] for one in found[counts[0]][1:])
    for count in counts:
        times = Figures.of([one["ms"] for one in found[count][1:]])
        kib = statistics.median(one["kib"] for one in found[count][1:])
        each = f"{(kib - none_kib) / count:.0f}" if count else ""
        per = f"{(times.median - none_ms) / count:.2f}" if count else ""
        yield f"| {engine} | {count} | {times} | {times.median / none_ms:.2f} | {per} | {each} |"


def bench_discovery(site: Path, rounds: int) -> Iterator[str]:
    """Rows about finding plugins in a fresh process: all read, and from memory."""
    with tempfile.TemporaryDirectory() as home:
        kept = str(Path(home, "plugins.json"))
        cold: list[float] = []
        warm: list[float] = []
        run(DISCOVER, site, kept)
        for number in range(rounds):
            pair = [("", cold), (kept, warm)]
            for memory, times in pair if number % 2 else pair[::-1]:
                times.append(run(DISCOVER, site, memory)["ms"])
        all_read, remembered = Figures.of(cold), Figures.of(warm)
        yield f"| all read | {all_read} | 1.00 |"
        yield f"| from memory | {remembered} | {remembered.median / all_read.median:.2f} |"


def run(code: str, site: Path, *arguments: str) -> dict[str, float]:
    """Run code in a process of its own that has `site` on its path, and take what it prints."""
    command = [sys.executable, "-c", f"import sys; sys.path.append({str(site)!r})\n{code}", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


# -- the report --------------------------------------------------------------------------------------------


def report(engines: Sequence[str], counts: Sequence[int], rounds: int) -> Iterator[str]:
    """The lines of the report, as they are found."""
    yield "# What plugins cost"
    yield ""
    yield "`python bench/plugins.py` writes this page anew. Milliseconds are of one shared machine, median"
    yield "and middle half; what holds elsewhere are the ratios, from calls in turn within one run."
    with tempfile.TemporaryDirectory(prefix="karvan-bench-") as folder:
        site = Path(folder, "site")
        plugins = make_plugins(site, max(counts))
        sys.path.append(str(site))
        saves: list[str] = []
        starts: list[str] = []
        for engine in engines:
            with workspaces_with(engine, plugins, counts) as made:
                saves += bench_saves(engine, made, rounds)
                starts += bench_starts(engine, site, made, max(3, rounds // 20))
        yield from table(
            "Saving one record",
            f"{INTERESTED} of the enabled plugins listen to the object with two hooks each, the others not.\n"
            "`create` goes through REST in process, `update` through the record service; `to the floor` is\n"
            "floor time / Karvan time, as in `bench/README.md`.",
            "engine, act, plugins, ms, to none, to the floor",
            saves,
        )
        yield from table(
            "Start of a process",
            "From the imports of Karvan to a whole catalog, all plugins imported, and what is resident then.",
            "engine, plugins, ms, to none, ms per plugin, KiB per plugin",
            starts,
        )
        sys.path.remove(str(site))
        many = Path(folder, "many")
        make_plugins(many, INTERESTED)
        make_others(many, DISTRIBUTIONS - INTERESTED)
        yield from table(
            "Finding plugins",
            f"In a fresh process, with {DISTRIBUTIONS} more distributions, {INTERESTED} of them plugins.",
            "how, ms, ratio",
            bench_discovery(many, max(4, rounds // 10)),
        )


def table(title: str, about: str, columns: str, rows: Iterable[str]) -> Iterator[str]:
    """A chapter with one table."""
    names = columns.split(", ")
    yield from (
        "",
        f"## {title}",
        "",
        about,
        "",
        f"| {' | '.join(names)} |",
        f"|{'---|' * len(names)}",
        *rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="append", choices=("sqlite", "postgresql"))
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and plugins, nothing written")
    given = parser.parse_args()
    counts = (0, 10, 30) if given.quick else COUNTS
    lines = []
    for line in report(given.engine or ("sqlite", "postgresql"), counts, 20 if given.quick else given.rounds):
        print(line, flush=True)
        lines.append(line)
    if not given.quick:
        REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
