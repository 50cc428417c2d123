"""Generations: what may come into one, what a process takes up, and what a kill at any moment leaves."""

from __future__ import annotations

import fcntl
import importlib
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from karvan.plugins import generations as module
from karvan.plugins.generations import CodeRefused, Generations, provided

from .shelf import make_wheel


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Generations]:
    generations = Generations(tmp_path / "home")
    path = list(sys.path)
    yield generations
    generations.leave()
    assert sys.path == path
    for name in [n for n in sys.modules if n.partition(".")[0] in ("zoo_code", "gnu_code")]:
        del sys.modules[name]


def install(generations: Generations, *wheels: Path, without: tuple[str, ...] = ()) -> int:
    with generations.alone():
        number = generations.build(wheels, without)
        generations.switch(number)
    return number


def code(folder: Path, project: str, version: str = "1.0") -> Path:
    """A wheel whose package says its version, and again in a module that is imported late."""
    package = project.replace("-", "_")
    files = {f"{package}/{name}.py": f"VERSION = '{version}'\n" for name in ("__init__", "late")}
    return make_wheel(folder / version, project, version, files)


def left_in(generations: Generations) -> set[str]:
    return {p.name for p in generations.site(0).parents[1].iterdir()}


# -- what is in one ----------------------------------------------------------------------------------------


def test_a_generation_is_a_copy_with_what_is_new_and_without_what_goes(
    made: Generations, tmp_path: Path
) -> None:
    assert made.current() is None
    assert made.distributions(None) == {}
    install(made, code(tmp_path, "zoo-code"), code(tmp_path, "gnu-code"))
    install(made, code(tmp_path, "yak"), without=("zoo-code",))
    assert made.current() == 2
    assert {n: d.version for n, d in made.distributions(2).items()} == {"gnu-code": "1.0", "yak": "1.0"}
    assert {p.name for p in made.site(2).iterdir()} == {
        "gnu_code", "gnu_code-1.0.dist-info", "yak", "yak-1.0.dist-info",
    }  # fmt: skip
    first, second = (made.site(n) / "gnu_code/__init__.py" for n in (1, 2))
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_ino != second.stat().st_ino


def test_nothing_in_a_generation_can_be_written(made: Generations, tmp_path: Path) -> None:
    install(made, code(tmp_path, "zoo-code"))
    site = made.site(1)
    assert not [p for p in (site, *site.rglob("*")) if p.stat().st_mode & 0o222]


def test_scripts_and_data_of_a_wheel_stay_out(made: Generations, tmp_path: Path) -> None:
    files = {
        "zoo_code/__init__.py": "",
        "zoo_code-1.0.data/scripts/run": "#!python\n",
        "zoo_code-1.0.data/data/etc/zoo.conf": "x",
        "zoo_code-1.0.data/purelib/gnu_code/__init__.py": "",
    }
    entries = "[console_scripts]\nzoo = zoo_code:main\n"
    install(made, make_wheel(tmp_path, "zoo-code", files=files, entries=entries))
    assert {p.name for p in made.site(1).parent.iterdir()} == {"site"}
    assert {p.name for p in made.site(1).iterdir()} == {"zoo_code", "gnu_code", "zoo_code-1.0.dist-info"}
    install(made, without=("zoo-code",))
    assert list(made.site(2).iterdir()) == []


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"../zoo.py": ""}, "it brings '..', which is neither a package nor a module"),
        ({"zoo/../../zoo.py": ""}, "outside of the target directory"),
        ({"/zoo.py": ""}, "can't be unpacked"),
        ({"zoo_code-1.0.data/purelib/../../zoo.py": ""}, "which is neither"),
        ({"zoo_code-1.0.data/scripts/../../../zoo.py": ""}, "outside of the target directory"),
        ({"zoo.pth": "import os"}, "it brings 'zoo.pth', which is neither"),
        ({"zoo_code-1.0.data/platlib/zoo.pth": "import os"}, "it brings 'zoo.pth', which is neither"),
        ({"click/__init__.py": ""}, "brings 'click', which the environment has already"),
        ({"json.py": ""}, "brings 'json.py', which the environment has already"),
        ({"sys.py": ""}, "brings 'sys.py', which the environment has already"),
        ({"karvan/extra.py": ""}, "brings 'karvan', which the environment has already"),
        (
            {"zoo_code-1.0.data/purelib/click/extra.py": ""},
            "brings 'click', which the environment has already",
        ),
        ({"gnu_code/extra.py": ""}, "brings 'gnu_code', which another installed distribution has"),
        (
            {"zoo_code-1.0.data/purelib/gnu_code/extra.py": ""},
            "brings 'gnu_code', which another installed distribution has",
        ),
        ({"gnu_code-1.0.dist-info/RECORD": ""}, "exactly one .dist-info"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wheel_that_reaches_beyond_its_own_is_refused_and_leaves_nothing(
    made: Generations, tmp_path: Path, files: dict[str, str], why: str
) -> None:
    install(made, code(tmp_path, "gnu-code"))
    wheel = make_wheel(tmp_path, "zoo-code", files=files)
    with made.alone(), pytest.raises(CodeRefused, match=r"zoo_code-1\.0") as caught:
        made.build([wheel])
    assert why in caught.value.message
    assert left_in(made) == {"gen-1", "current", "lock"}
    assert not list((tmp_path / "home").rglob("zoo*"))


@pytest.mark.parametrize(
    "metadata", ["Name: karvan\nVersion: 1.0\n", "Name: zoo-code\nVersion: 9.0\n", "Version: 1.0\n"]
)
def test_a_wheel_that_calls_itself_something_else_is_refused(
    made: Generations, tmp_path: Path, metadata: str
) -> None:
    wheel = make_wheel(tmp_path, "zoo-code", metadata=metadata)
    with made.alone(), pytest.raises(CodeRefused, match="its METADATA says"):
        made.build([wheel])


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"no zip at all"], ids=["empty", "cut", "text"])
def test_a_file_that_is_no_wheel_is_refused(made: Generations, tmp_path: Path, body: bytes) -> None:
    wheel = tmp_path / "zoo_code-1.0-py3-none-any.whl"
    wheel.write_bytes(body)
    with made.alone(), pytest.raises(CodeRefused, match=r"'zoo_code-1\.0.*can't be unpacked"):
        made.build([wheel])


def test_a_wheel_that_unpacks_without_end_is_refused(
    made: Generations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNPACKED_MAX", 100_000)
    wheel = make_wheel(tmp_path, "zoo-code", files={"zoo_code.py": "#" * 200_000})
    assert wheel.stat().st_size < 100_000
    with made.alone(), pytest.raises(CodeRefused, match="unpacks to more than 100000 bytes"):
        made.build([wheel])


def test_a_wheel_with_a_file_that_its_record_does_not_name_is_refused(
    made: Generations, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, "zoo-code")
    with zipfile.ZipFile(wheel, "a") as opened:
        opened.writestr("zoo_code/more.py", "")
    with made.alone(), pytest.raises(CodeRefused, match="not mentioned in RECORD"):
        made.build([wheel])


# -- beside the environment --------------------------------------------------------------------------------


def test_leftovers_of_other_installers_are_no_distributions(
    made: Generations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("~arvan-0.1.dist-info", None), ("odd-1.dist-info", "Version: 1\n")):
        (tmp_path / "outside" / name).mkdir(parents=True)
        if text:
            (tmp_path / "outside" / name / "METADATA").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "outside"))
    assert "click" in provided(tmp_path / "home/generations")
    install(made, code(tmp_path, "zoo-code"))
    made.check()


def test_the_environment_wins_over_a_generation_and_the_clash_is_said(
    made: Generations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(made, code(tmp_path, "zoo-code", "1.0"))
    outside = tmp_path / "outside"
    with zipfile.ZipFile(code(tmp_path, "zoo-code", "2.0")) as opened:
        opened.extractall(outside)
    monkeypatch.syspath_prepend(str(outside))
    made.refresh()
    assert importlib.import_module("zoo_code").VERSION == "2.0"
    with pytest.raises(CodeRefused, match="zoo-code is installed in generation 1 and provided"):
        made.check()


# -- what a process takes up -------------------------------------------------------------------------------


def test_additions_and_removals_are_taken_up_without_a_restart(made: Generations, tmp_path: Path) -> None:
    assert made.refresh()
    install(made, code(tmp_path, "zoo-code"))
    assert made.refresh()
    assert importlib.import_module("zoo_code").VERSION == "1.0"
    install(made, code(tmp_path, "gnu-code"))
    assert made.refresh()
    assert importlib.import_module("gnu_code").VERSION == "1.0"
    install(made, without=("gnu-code",))
    assert made.refresh()
    assert [p for p in sys.path if "generations" in p] == [str(made.site(3))]
    assert sys.path[-1] == str(made.site(3))


def test_another_version_is_not_taken_up_and_the_old_one_goes_on(made: Generations, tmp_path: Path) -> None:
    install(made, code(tmp_path, "zoo-code"))
    made.refresh()
    assert importlib.import_module("zoo_code").VERSION == "1.0"
    install(made, code(tmp_path, "zoo-code", "2.0"), without=("zoo-code",))
    assert not made.refresh()
    assert importlib.import_module("zoo_code.late").VERSION == "1.0"


def test_a_version_that_was_away_for_a_while_is_not_mixed_with_another(
    made: Generations, tmp_path: Path
) -> None:
    install(made, code(tmp_path, "zoo-code"))
    made.refresh()
    assert importlib.import_module("zoo_code").VERSION == "1.0"
    install(made, without=("zoo-code",))
    assert made.refresh()
    install(made, code(tmp_path, "zoo-code", "2.0"))
    assert not made.refresh()
    again = Generations(tmp_path / "home")
    assert again.refresh()
    again.leave()


def test_a_pointer_that_holds_no_number_is_named(made: Generations, tmp_path: Path) -> None:
    install(made, code(tmp_path, "zoo-code"))
    (tmp_path / "home/generations/current").write_text("zoo")
    with pytest.raises(CodeRefused, match="current does not hold a number"):
        made.refresh()


# -- kills -------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from karvan.plugins.generations import Generations

name, count = sys.argv[3].rsplit(":", 1)
left = int(count)

def hook(event, args):
    global left
    if event == name and sys.argv[1] in str(args[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
made = Generations(Path(sys.argv[1]))
with made.alone():
    made.switch(made.build([Path(sys.argv[2])], without=["gnu-code"]))
print("done")
"""


@pytest.mark.parametrize(
    "moment",
    ["open:1", "open:2", "open:4", "open:8", "open:14", "os.chmod:3", "os.chmod:9", "os.remove:2",
     "os.rename:1", "os.rename:2"],
)  # fmt: skip
def test_a_kill_at_any_moment_leaves_the_generation_of_before_at_work(
    made: Generations, tmp_path: Path, moment: str
) -> None:
    """The process is killed where it is about to open, write-protect, remove or move a file of the home."""
    install(made, code(tmp_path, "zoo-code"), code(tmp_path, "gnu-code"))
    before = dict(made.distributions(1))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "home"), str(code(tmp_path, "yak")), moment],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert made.current() == 1
    assert made.distributions(1) == before
    assert made.refresh()
    assert importlib.import_module("zoo_code").VERSION == "1.0"
    number = install(made, code(tmp_path, "yak"))
    assert set(made.distributions(number)) == {"zoo-code", "gnu-code", "yak"}
    assert left_in(made) == {"gen-1", f"gen-{number}", "current", "lock"}


ONE_OF_MANY = """
import sys
from pathlib import Path
from karvan.plugins.generations import Generations

made = Generations(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
with made.alone():
    made.switch(made.build([Path(sys.argv[2])]))
"""


def test_installs_at_once_come_one_after_the_other(made: Generations, tmp_path: Path) -> None:
    names = ("zoo-code", "gnu-code", "yak")
    installers = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_MANY, str(tmp_path / "home"), str(code(tmp_path, name))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for one in installers:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in installers:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in installers:
        one.communicate(timeout=60)
        assert one.returncode == 0
    assert made.current() == 3
    assert set(made.distributions(3)) == set(names)


def test_the_lock_holds_off_whoever_comes_second(made: Generations, tmp_path: Path) -> None:
    with made.alone():
        handle = os.open(tmp_path / "home/generations/lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)


# -- tidying -----------------------------------------------------------------------------------------------


def test_old_generations_go_but_never_one_that_a_process_uses(made: Generations, tmp_path: Path) -> None:
    install(made, code(tmp_path, "zoo-code"))
    user = subprocess.Popen(
        [sys.executable, "-c", USER, str(tmp_path / "home")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert user.stdin is not None
    assert user.stdout is not None
    assert user.stdout.readline() == b"1.0\n"
    for name in ("ape", "bee", "cow", "emu", "fox"):
        install(made, code(tmp_path, name))
    assert left_in(made) == {"gen-1", "gen-3", "gen-4", "gen-5", "gen-6", "current", "lock"}
    assert user.communicate(b"go on\n", timeout=30)[0] == b"1.0\n"
    with made.alone():
        pass
    assert left_in(made) == {"gen-4", "gen-5", "gen-6", "current", "lock"}


USER = """
import importlib, sys
from pathlib import Path
from karvan.plugins.generations import Generations

made = Generations(Path(sys.argv[1]))
made.refresh()
print(importlib.import_module("zoo_code").VERSION, flush=True)
sys.stdin.readline()
print(importlib.import_module("zoo_code.late").VERSION, flush=True)
"""
