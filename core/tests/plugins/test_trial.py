"""A plugin is tried in a process of its own before it is enabled, whatever kind of animal it is."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from karvan.access.actors import Actor
from karvan.plugins import PluginUnfit
from karvan.plugins.probe import Limits, Trial, try_plugins
from karvan.testing import InstallPlugin, make_client, make_page_client
from karvan.workspace import Workspace

HEAD = 'schema = 1\nid = "{id}"\napi = ">=0.1,<1"\nname = "Zoo"\nsummary = "Of the tests."\n'
SHORT = Limits(wall_s=0.8, start_s=20.0, memory_mib=256)
CALM = Limits(wall_s=20.0, start_s=20.0, memory_mib=256)

HIDES = "from karvan_sdk import hookimpl\n@hookimpl\ndef demo_records(ctx): ..."
ANIMALS = {
    "raises": ("\n\nraise RuntimeError('the bear is loose')", "RuntimeError: the bear is loose", 3),
    "deep": ("def dig():\n    dig()\ndig()", "RecursionError", 2),
    "misspelt": ("import os\nif True print", "SyntaxError", 2),
    "lacks": ("import nothing_of_this_name", "ModuleNotFoundError: No module named", 1),
    "leaves": ("import sys\nsys.exit(7)", "SystemExit: 7", 2),
    "exits": ("import os\nos._exit(3)", "ended the process with exit code 3", 0),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt", 1),
    "crashes": ("import ctypes\nctypes.string_at(0)", "by the signal SIGSEGV", 2),
    "kills": ("import os\nos.kill(os.getpid(), 9)", "by the signal SIGKILL", 0),
    "floods": ("x = 1\nx = bytearray(2 << 30)", "MemoryError", 2),
    "is a type": ("from karvan_sdk import Router", "must be a module or an object", 0),
    "closes": ("import os\nos.closerange(0, 100)", "closes files that are not its own", 0),
    "moves": ("import os\nos.chdir('/')", "changes the current folder", 0),
    "hides": (
        "from karvan_sdk import hookimpl\n@hookimpl\ndef demo_records(ctx): ...",
        "without declaring it",
        0,
    ),
}


def try_code(install_plugin: InstallPlugin, code: str, limits: Limits = CALM) -> Trial:
    folder = install_plugin("zoo_t", HEAD.format(id="zoo_t"), code)
    if "Router" in code and "hookimpl" not in code:
        entries = folder / "karvan_zoo_t-1.0.dist-info" / "entry_points.txt"
        entries.write_text(entries.read_text().replace("zoo_t.plugin", "zoo_t.plugin:Router"))
    found = try_plugins({"zoo_t": "karvan-zoo-t"}, limits)
    assert not [name for name in sys.modules if name.startswith("karvan_zoo_t")]
    return found


@pytest.mark.parametrize("animal", ANIMALS)
def test_an_animal_is_found_out_with_its_reason_and_its_line(
    install_plugin: InstallPlugin, animal: str
) -> None:
    code, why, line = ANIMALS[animal]
    found = try_code(install_plugin, code)
    assert why in found.reason
    if line:
        assert f"(karvan_zoo_t/plugin.py, line {line})" in found.reason


@pytest.mark.parametrize(
    "code", ["x = 1\nwhile True: x += 1", "import time\ntime.sleep(600)"], ids=["loops", "sleeps"]
)
def test_what_does_not_end_is_ended_and_its_line_is_named(install_plugin: InstallPlugin, code: str) -> None:
    found = try_code(install_plugin, code, SHORT)
    assert found.reason == "It did not load within 0.8 seconds (karvan_zoo_t/plugin.py, line 2)."


@pytest.mark.parametrize(
    "code",
    [
        "print('x' * 1_000_000)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
        "import sys\nassert sys.stdin.read() == ''",
    ],
    ids=["loud", "thread", "daemon", "reads"],
)
def test_what_is_odd_and_harms_nobody_passes(install_plugin: InstallPlugin, code: str) -> None:
    found = try_code(install_plugin, code)
    assert found.problems == {}
    assert 0 < found.memory_mib < 256
    assert found.seconds < 20


def test_what_a_plugin_started_ends_with_the_trial(install_plugin: InstallPlugin, tmp_path: Path) -> None:
    note = tmp_path / "pids"
    code = f"""
import os, time

for _ in range(20):
    if not os.fork():
        with open({str(note)!r}, "a") as said:
            said.write(f"{{os.getpid()}}\\n")
        time.sleep(600)
while len(open({str(note)!r}).readlines()) < 20:
    time.sleep(0.01)
"""
    note.touch()
    assert try_code(install_plugin, code).problems == {}
    pids = [int(line) for line in note.read_text().split()]
    assert len(pids) == 20
    until = time.monotonic() + 10
    while any(_is_alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.01)
    assert not [pid for pid in pids if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # whoever adopted it reaps it when it likes


def test_a_trial_has_neither_secrets_nor_files_of_the_server(
    install_plugin: InstallPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KARVAN_DATABASE_URL", "PGPASSWORD", "MAIL_TOKEN"):
        monkeypatch.setenv(name, "postgresql://secret")
    held = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(held, True)
    try:
        code = (
            "import os\n"
            "assert 'secret' not in repr(os.environ), os.environ\n"
            "opened = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') "
            "if os.path.exists(f'/proc/self/fd/{fd}')]\n"
            "assert not [o for o in opened if o.startswith('socket:') or o.startswith('pipe:')], opened\n"
            "assert not [o for o in opened if o.endswith('.sqlite3')], opened\n"
        )
        assert try_code(install_plugin, code).reason == ""
    finally:
        os.close(held)


def test_the_plugin_that_was_on_top_is_the_one_that_is_blamed(install_plugin: InstallPlugin) -> None:
    install_plugin("zoo_m", HEAD.format(id="zoo_m"), "")
    install_plugin("zoo_n", HEAD.format(id="zoo_n"), "import os\nos._exit(4)")
    found = try_plugins({"zoo_m": "karvan-zoo-m", "zoo_n": "karvan-zoo-n"}, CALM)
    assert list(found.problems) == ["zoo_n"]


# -- enabling ----------------------------------------------------------------------------------------------


def test_a_plugin_that_ends_the_process_is_refused_and_everything_else_works(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin
) -> None:
    install_plugin("zoo_u", HEAD.format(id="zoo_u"), "import os\nos._exit(3)")
    client = make_client(workspace)
    answer = client.post("/api/v1/plugins/zoo_u/enable")
    assert answer.status_code == 409
    assert answer.json["code"] == "plugin_unfit"
    assert "exit code 3" in answer.json["detail"]
    assert "zoo_u" not in workspace.plugins.enabled()
    assert workspace.plugins.info("zoo_u").state == "off"
    assert make_page_client(workspace).get("/settings").status_code == 200
    install_plugin("zoo_q", HEAD.format(id="zoo_q"), "")
    assert workspace.plugins.enable(admin, "zoo_q").changed


def test_a_hanging_plugin_is_refused_before_the_watchdog_would_end_the_worker(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin
) -> None:
    assert (
        workspace.plugins._limits.wall_s + workspace.plugins._limits.start_s < workspace.settings.deadline_s
    )
    workspace.plugins._limits = SHORT
    install_plugin("zoo_h", HEAD.format(id="zoo_h"), "while True: pass")
    with pytest.raises(
        PluginUnfit, match=r"did not load within 0\.8 seconds \(karvan_zoo_h/plugin\.py, line 1\)"
    ):
        workspace.plugins.enable(admin, "zoo_h")


def test_listing_and_leaving_import_nothing(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin
) -> None:
    """A plugin whose code turned bad after it was enabled can be seen and switched off."""
    folder = install_plugin("zoo_k", HEAD.format(id="zoo_k"), "")
    workspace.plugins.enable(admin, "zoo_k")
    (folder / "karvan_zoo_k" / "plugin.py").write_text("import os\nos._exit(9)\n")
    for name in [n for n in sys.modules if n.startswith("karvan_zoo_k")]:
        del sys.modules[name]
    calm = Workspace(workspace.settings, code=False)
    try:
        calm.catalogs.current()
        assert "zoo_k" in [info.id for info in calm.plugins.list()]
        assert calm.plugins.info("zoo_k").enabled
        assert calm.uninstaller.plan("zoo_k", purge=False) is not None
        assert calm.plugins.disable(admin, "zoo_k").changed
    finally:
        calm.close()
    assert not [n for n in sys.modules if n.startswith("karvan_zoo_k")]


def test_the_memory_of_a_trial_is_not_that_of_the_server(install_plugin: InstallPlugin) -> None:
    ballast = b"x" * (300 * 1024 * 1024)
    found = try_code(install_plugin, "VALUE = 1")
    assert len(ballast) > 0
    assert 0 < found.memory_mib < 256
