"""A change of the schema whose process is killed is there whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from karvan.access.actors import Actor
from karvan.schema.plan import plan_changes
from karvan.workspace import Workspace

from .test_changes import assert_tables_match, tables_of

WORKER = """
import sys
from pathlib import Path
from karvan.access.actors import Actor
from karvan.settings import Settings
from karvan.workspace import Workspace
from karvan_sdk.fields import Field
from karvan_sdk.objects import Object
workspace = Workspace(Settings(home=Path(sys.argv[1]), database_url=sys.argv[2]))
for number in range(int(sys.argv[3]), 10_000):
    fields = (Field(name="name", type="text"), Field(name="code", type="text", unique=True))
    workspace.schema.create_object(Actor.system(), Object(name=f"thing{number}", fields=fields))
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_killed_change_is_whole_or_nothing(workspace: Workspace, admin: Actor, tmp_path: Path) -> None:
    acknowledged: list[int] = []
    for turn in range(6):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), workspace.settings.url, str(turn * 1000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout is not None
        acknowledged.append(int(worker.stdout.readline()))
        time.sleep(0.01 + 0.017 * turn)  # another step of the change each turn
        os.kill(worker.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in worker.stdout.read().split() if line.isdigit()]
        worker.stdout.close()
        worker.wait()
    catalog = workspace.catalogs.current()
    assert {f"c_thing{n}" for n in acknowledged} <= set(catalog.objects)
    assert {t for t in tables_of(workspace) if t.startswith("c_")} == set(catalog.objects)
    assert plan_changes(catalog.definitions, catalog.definitions, workspace.database.dialect).steps == ()
    assert_tables_match(workspace)
