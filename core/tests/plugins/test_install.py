"""Installing: what comes along, in which order, what is refused beforehand, what a failure leaves."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.snapshot import take_snapshot

from karvan.access.actors import Actor
from karvan.cli import main
from karvan.plugins import install as installing
from karvan.plugins.generations import CodeRefused
from karvan.plugins.index import IndexFailed
from karvan.plugins.probe import Limits
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of
from karvan.workspace import Workspace
from karvan_sdk.errors import (
    BadInput,
    KarvanError,
    ManifestInvalid,
    NotAllowed,
    PluginRefused,
    SchemaRefused,
)

from .shelf import Shelf, make_plugin, make_wheel, offered


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with offered(tmp_path / "shelf") as made:
        yield made


@pytest.fixture
def bare(workspace_with: WorkspaceWith) -> Iterator[Workspace]:
    """A workspace without plugins; what is imported from its generations is forgotten in the end."""
    made = workspace_with()
    yield made
    made.generations.leave()
    for name in [n for n in sys.modules if n.partition(".")[0].startswith(("karvan_z", "gnu", "zz_"))]:
        del sys.modules[name]


def install(workspace: Workspace, shelf: Shelf, *wanted: str) -> list[str]:
    admin = admin_of(workspace)
    with workspace.installer.plan(admin, wanted, shelf.url) as plan:
        return [o.plugin for o in workspace.installer.apply(admin, plan) if o.changed]


def refused(workspace: Workspace, shelf: Shelf, *wanted: str) -> str:
    """The message of an install that must be refused and leave nothing."""
    before = workspace.plugins.enabled(), workspace.generations.current()
    with pytest.raises((CodeRefused, PluginRefused, IndexFailed, BadInput)) as caught:
        install(workspace, shelf, *wanted)
    assert (workspace.plugins.enabled(), workspace.generations.current()) == before
    return caught.value.message


def requires(**ranges: str) -> str:
    return "\n[requires]\n" + "".join(f'{name} = "{text}"\n' for name, text in ranges.items())


# -- what comes along --------------------------------------------------------------------------------------


def test_a_plan_names_everything_before_anything_is_changed(bare: Workspace, shelf: Shelf) -> None:
    route = '[[public_routes]]\nsurface = "api"\npath = "/ring"\nmethods = ["POST"]\nwhy = "It rings."\n'
    wheel = make_plugin(shelf.folder, "zoo", more=f'capabilities = ["files"]\n{route}', requires=("gnu",))
    make_wheel(shelf.folder, "gnu", "1.2")
    with bare.installer.plan(admin_of(bare), ["zoo"], shelf.url) as plan:
        told = plan.as_dict("en")
        assert all(p.is_file() for p in plan.wheels)
    assert not any(p.exists() for p in plan.wheels)
    assert [d["file"] for d in told["downloads"]] == ["gnu-1.2-py3-none-any.whl", wheel.name]
    assert told["downloads"][1]["size"] == wheel.stat().st_size
    (zoo,) = told["plugins"]
    assert (zoo["id"], zoo["version"], zoo["capabilities"]) == ("zoo", "1.0", ["files"])
    assert zoo["public_routes"] == [{"path": "/ring", "methods": ["POST"], "why": "It rings."}]
    assert {s["action"] for s in told["schema"]} >= {"create_table", "add_column", "define"}
    assert bare.plugins.enabled() == ()
    assert bare.generations.current() is None
    assert "karvan_zoo" not in sys.modules


def test_needed_plugins_come_along_in_the_versions_that_fit(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", more=requires(zebra=">=1,<2"))
    for version in ("1.0", "1.5", "2.0"):
        make_plugin(shelf.folder, "zebra", version, more=requires(zorse=">=1"))
    make_plugin(shelf.folder, "zorse")
    assert install(bare, shelf, "zebra", "zoo") == ["zorse", "zebra", "zoo"]
    assert bare.plugins.info("zebra").version == "1.5"


def test_what_is_installed_and_off_is_switched_on_before_what_needs_it(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zebra")
    install(bare, shelf, "zebra")
    bare.plugins.disable(admin_of(bare), "zebra")
    make_plugin(shelf.folder, "zoo", more=requires(zebra=">=1"))
    with bare.installer.plan(admin_of(bare), ["zoo"], shelf.url) as plan:
        assert plan.order == ("zebra", "zoo")
        assert plan.present == ("zebra",)
        assert "reattach" in {s["action"] for s in plan.schema}
    assert install(bare, shelf, "zoo") == ["zebra", "zoo"]


def test_what_is_off_brings_on_what_it_needs_itself(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zorse")
    make_plugin(shelf.folder, "zebra", more=requires(zorse=">=1"))
    install(bare, shelf, "zebra")
    for plugin in ("zebra", "zorse"):
        bare.plugins.disable(admin_of(bare), plugin)
    make_plugin(shelf.folder, "zoo", more=requires(zebra=">=1"))
    assert install(bare, shelf, "zoo") == ["zorse", "zebra", "zoo"]


def test_plugins_are_enabled_in_the_order_asked_for(bare: Workspace, shelf: Shelf) -> None:
    for plugin in ("zoo", "zebra", "zorse"):
        make_plugin(shelf.folder, plugin)
    shelf.catalogue["bundles/all"] = {"plugins": [{"id": "zoo", "version": "<2"}, {"id": "zebra"}]}
    assert install(bare, shelf, "zorse", "bundle:all") == ["zorse", "zoo", "zebra"]
    assert install(bare, shelf, "zorse", "bundle:all") == []


def test_the_catalogue_says_which_distribution_brings_a_plugin(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", project="zz-garden")
    shelf.catalogue["plugins/zoo"] = {"id": "zoo", "distribution": "zz-garden"}
    assert install(bare, shelf, "zoo") == ["zoo"]
    assert bare.plugins.info("zoo").distribution == "zz-garden"


def test_an_id_with_an_underscore_is_found_on_a_bare_index(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo_shop")
    assert install(bare, shelf, "zoo_shop") == ["zoo_shop"]
    assert "/simple/karvan-zoo-shop/" in shelf.asked


def test_a_plugin_that_is_enabled_and_lost_its_code_is_healed(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    install(bare, shelf, "zoo")
    with bare.generations.alone():
        bare.generations.switch(bare.generations.build(without=["karvan-zoo"]))
    bare.generations.refresh()
    assert bare.plugins.info("zoo").state == "missing"
    install(bare, shelf, "zoo")
    assert bare.plugins.info("zoo").state == "on"


# -- what is refused beforehand ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "Zoo", "zoo[all]", "zoo @ http://x", "zoo; os_name=='x'", "../zoo", "zoo zoo"]
)
def test_a_text_that_names_no_plugin_is_refused(bare: Workspace, shelf: Shelf, text: str) -> None:
    assert refused(bare, shelf, text)
    assert shelf.asked == []


def test_only_an_administrator_installs(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    bare.actors.create_user("bo@example.com", "Bo", "a good password", is_admin=False)
    bo = bare.actors.by_email("bo@example.com")
    with pytest.raises(NotAllowed, match="administrator"), bare.installer.plan(bo, ["zoo"], shelf.url):
        pass
    with bare.installer.plan(admin_of(bare), ["zoo"], shelf.url) as plan, pytest.raises(NotAllowed):
        bare.installer.apply(bo, plan)
    assert bare.generations.current() is None


def test_another_version_of_what_is_installed_is_refused_with_the_way(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    install(bare, shelf, "zoo")
    make_plugin(shelf.folder, "zoo", "2.0")
    why = refused(bare, shelf, "zoo>=2")
    assert "this install needs zoo >=2, and 1.0 is here. Uninstall it first, its data is kept" in why
    make_plugin(shelf.folder, "zebra", more=requires(zoo=">=2"))
    assert "plugin zebra 1.0 needs zoo >=2, and 1.0 is here" in refused(bare, shelf, "zebra")


def test_what_the_environment_provides_is_left_to_pip(bare: Workspace, shelf: Shelf) -> None:
    assert "pip install -U karvan-crm" in refused(bare, shelf, "crm")
    bare.plugins.enable(admin_of(bare), "crm")
    assert install(bare, shelf, "crm") == []
    assert "pip install -U karvan-crm" in refused(bare, shelf, "crm>=99")


@pytest.mark.parametrize(
    ("more", "api", "why"),
    [
        (requires(zorse=">=1"), ">=0.1", "offers no plugin|offers: none"),
        ("", ">=7", "zoo 1.0 needs karvan-sdk >=7, this is"),
        ('\n[conflicts]\nzebra = "<2"\n', ">=0.1", "it conflicts with '(zebra|zoo)' 1.0"),
        ('after = ["zebra"]\nbefore = ["zebra"]\n', ">=0.1", "is a circle"),
        ("languages = ['tlh']\n", ">=0.1", "'tlh' is none of"),
    ],
    ids=["needs", "api", "conflict", "circle", "manifest"],
)
def test_what_could_not_be_enabled_is_refused_before_anything_is_put_in_place(
    bare: Workspace, shelf: Shelf, more: str, api: str, why: str
) -> None:
    make_plugin(shelf.folder, "zebra")
    make_plugin(shelf.folder, "zoo", more=more, api=api)
    with pytest.raises((CodeRefused, PluginRefused, ManifestInvalid), match=why):
        install(bare, shelf, "zebra", "zoo")
    assert bare.generations.current() is None
    assert bare.plugins.enabled() == ()


def test_a_conflict_that_the_enabled_one_declares_counts_too(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zebra", more='\n[conflicts]\nzoo = "<2"\n')
    install(bare, shelf, "zebra")
    make_plugin(shelf.folder, "zoo")
    assert "it conflicts with 'zebra' 1.0" in refused(bare, shelf, "zoo")


def test_a_wheel_that_brings_a_plugin_of_another_distribution_is_refused(
    bare: Workspace, shelf: Shelf
) -> None:
    bare.plugins.enable(admin_of(bare), "crm")
    make_plugin(shelf.folder, "crm", project="zz-evil")
    make_plugin(shelf.folder, "zoo", requires=("zz-evil",))
    assert "zz-evil brings it, and karvan-crm has it already" in refused(bare, shelf, "zoo")
    assert bare.plugins.info("crm").state == "on"


def test_two_wheels_that_bring_the_same_plugin_are_refused(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", project="zz-garden")
    make_plugin(shelf.folder, "zoo", requires=("zz-garden",))
    assert "karvan-zoo and zz-garden both bring it" in refused(bare, shelf, "zoo")


@pytest.mark.parametrize(
    "plugins", [None, 7, ["zoo"], [{"version": ">=1"}], [{"id": "zoo", "version": "soon"}], [{"id": "No Id"}]]
)
def test_a_bundle_of_another_shape_is_refused(bare: Workspace, shelf: Shelf, plugins: Any) -> None:
    shelf.catalogue["bundles/all"] = {"id": "all", "plugins": plugins}
    assert refused(bare, shelf, "bundle:all")


def test_a_schema_that_cannot_be_is_refused_before_anything_is_put_in_place(
    bare: Workspace, shelf: Shelf
) -> None:
    field = '[[fields]]\nobject = "nowhere"\nname = "mark"\ntype = "text"\n'
    make_plugin(shelf.folder, "zoo", more=field)
    with pytest.raises(KarvanError, match="nowhere"):
        install(bare, shelf, "zoo")
    assert bare.generations.current() is None


def change_a_byte(shelf: Shelf) -> None:
    wheel = make_plugin(shelf.folder, "zoo")
    body = bytearray(wheel.read_bytes())
    body[len(body) // 2] ^= 1
    shelf.answers[f"/files/{wheel.name}"] = bytes(body)


def break_the_record(shelf: Shelf) -> None:
    """A wheel whose entry in the index is right and whose own list of hashes is not."""
    wheel = make_plugin(shelf.folder, "zoo")
    with zipfile.ZipFile(wheel) as old:
        files = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(wheel, "w") as new:
        for name, body in files.items():
            new.writestr(name, body + b"# more\n" if name.endswith("plugin.py") else body)


def reach_out(shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", requires=("gnu",))
    make_wheel(shelf.folder, "gnu", files={"../outside.py": "x = 1\n"})


def shadow_the_environment(shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", requires=("gnu",))
    make_wheel(shelf.folder, "gnu", files={"click/__init__.py": ""})


@pytest.mark.parametrize(
    ("arrange", "why"),
    [
        (change_a_byte, "the index promised sha256"),
        (break_the_record, "can't be unpacked"),
        (reach_out, "gnu-1.0-py3-none-any.whl"),
        (shadow_the_environment, "'click', which the environment has already"),
        (lambda shelf: make_wheel(shelf.folder, "karvan-zoo"), "offers no plugin 'zoo'"),
        (lambda shelf: None, "offers: none that runs here"),
    ],
    ids=["hash", "record", "reaches out", "shadows", "no plugin", "nothing"],
)
def test_what_cannot_be_installed_leaves_no_trace(
    bare: Workspace, shelf: Shelf, arrange: Callable[[Shelf], object], why: str
) -> None:
    arrange(shelf)
    before = take_snapshot(bare.settings.url, bare.settings.home)
    assert why in refused(bare, shelf, "zoo")
    assert take_snapshot(bare.settings.url, bare.settings.home) == before


def test_a_bundle_is_one_plan_and_the_second_install_changes_nothing(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    make_plugin(shelf.folder, "zebra")
    shelf.catalogue["bundles/both"] = {"id": "both", "plugins": [{"id": "zoo"}, {"id": "zebra"}]}
    assert install(bare, shelf, "bundle:both") == ["zoo", "zebra"]
    before = take_snapshot(bare.settings.url, bare.settings.home)
    assert install(bare, shelf, "bundle:both") == []
    assert take_snapshot(bare.settings.url, bare.settings.home) == before


def test_the_commands_show_the_plan_and_do_nothing_unasked(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    place = ["--home", str(bare.settings.home), "--database-url", bare.settings.url]

    def run(*words: str, expect: int = 0) -> str:
        done = CliRunner().invoke(main, [*place, "plugins", *words])
        assert done.exit_code == expect, done.output
        return done.output

    unasked = run("install", "zoo", "--index", shelf.url, expect=2)
    assert "say --yes" in unasked
    assert "x_zoo__zoo_thing: new table, 1 columns" in unasked
    done = run("install", "zoo", "--index", shelf.url, "--yes", "--json")
    assert json.loads(done.splitlines()[-1])["installed"] == ["zoo"]
    assert "Drop      object x_zoo__zoo_thing (0 records)" in run("uninstall", "zoo", "--purge", "--plan")
    assert "zoo is enabled already." in run("install", "zoo", "--index", shelf.url, "--yes")
    run("uninstall", "zoo", "--purge", "--yes")
    run("uninstall", "zoo", "--yes", expect=1)


# -- the probe ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise RuntimeError('the bear is loose')", "RuntimeError: the bear is loose"),
        ("import os\nos._exit(3)", "ended the process with exit code 3"),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
            "by the signal SIGSEGV",
        ),
        ("raise SystemExit('enough')", "enough"),
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named"),
        ("print('x' * 10_000_000)\nraise ValueError('loud')", "ValueError: loud"),
    ],
    ids=["raises", "exits", "crashes", "leaves", "lacks", "is loud"],
)
def test_code_that_cannot_be_loaded_never_becomes_current(
    bare: Workspace, shelf: Shelf, code: str, why: str
) -> None:
    make_plugin(shelf.folder, "zoo", code=code)
    message = refused(bare, shelf, "zoo")
    assert "The new plugins can't be loaded: " in message
    assert why in message
    assert not list((bare.settings.home / "generations").glob("gen-*"))


def test_code_that_hangs_is_given_up_with_all_that_it_started(
    bare: Workspace, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "INSTALL", Limits(wall_s=1.0))
    code = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'input()'])\ntime.sleep(60)"
    make_plugin(shelf.folder, "zoo", code=code)
    assert "did not load within 1 seconds" in refused(bare, shelf, "zoo")


def test_a_module_beside_the_caller_is_not_taken_for_one_of_the_plugin(
    bare: Workspace, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zz_beside.py").write_text("")
    monkeypatch.chdir(tmp_path)
    make_plugin(shelf.folder, "zoo", code="import zz_beside")
    assert "No module named 'zz_beside'" in refused(bare, shelf, "zoo")


# -- what a failure in the middle leaves -------------------------------------------------------------------


def test_what_was_enabled_before_a_failure_stays_and_is_said(
    bare: Workspace, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for plugin in ("zoo", "zebra", "zorse"):
        make_plugin(shelf.folder, plugin)
    enable = bare.plugins.enable

    def fail_at_zebra(actor: Actor, plugin: str) -> Any:
        if plugin == "zebra":
            raise SchemaRefused("The table is locked.")
        return enable(actor, plugin)

    monkeypatch.setattr(bare.plugins, "enable", fail_at_zebra)
    with pytest.raises(CodeRefused) as caught:
        install(bare, shelf, "zoo", "zebra", "zorse")
    assert caught.value.message == (
        "The table is locked. The code is installed. Enabled: zoo. Not enabled: zebra, zorse. "
        "When the reason is gone: karvan plugins enable zebra"
    )
    assert bare.plugins.enabled() == ("zoo",)
    monkeypatch.undo()
    assert install(bare, shelf, "zoo", "zebra", "zorse") == ["zebra", "zorse"]


def test_an_install_that_was_overtaken_goes_on_beside_what_was_added(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", requires=("gnu",))
    make_plugin(shelf.folder, "zebra")
    make_wheel(shelf.folder, "gnu")
    admin = admin_of(bare)
    with bare.installer.plan(admin, ["zoo"], shelf.url) as slow:
        assert install(bare, shelf, "zebra") == ["zebra"]
        assert [o.plugin for o in bare.installer.apply(admin, slow)] == ["zoo"]
    assert bare.plugins.enabled() == ("zebra", "zoo")


def test_an_install_that_was_overtaken_by_its_like_is_planned_again(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    make_plugin(shelf.folder, "zebra", more=requires(zoo=">=1"))
    admin = admin_of(bare)
    with bare.installer.plan(admin, ["zebra"], shelf.url) as slow:
        install(bare, shelf, "zoo")
        with pytest.raises(CodeRefused, match=r"karvan-zoo changed while this install was planned\. Nothing"):
            bare.installer.apply(admin, slow)
    with bare.installer.plan(admin, ["zebra"], shelf.url) as slow:
        bare.uninstaller.apply(admin, bare.uninstaller.plan("zoo", purge=False))
        with pytest.raises(CodeRefused, match="karvan-zoo changed"):
            bare.installer.apply(admin, slow)


def test_a_process_with_another_version_loaded_asks_for_a_restart(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    install(bare, shelf, "zoo")
    admin = admin_of(bare)
    bare.uninstaller.apply(admin, bare.uninstaller.plan("zoo", purge=False))
    make_plugin(shelf.folder, "zoo", "2.0")
    with pytest.raises(CodeRefused, match=r"Start Karvan again, then enable: zoo"):
        install(bare, shelf, "zoo")
    other = Workspace(bare.settings)
    bare.generations.leave()
    for name in [n for n in sys.modules if n.partition(".")[0] == "karvan_zoo"]:
        del sys.modules[name]  # as in a new process
    try:
        other.catalogs.current()
        assert install(other, shelf, "zoo") == ["zoo"]
        assert other.plugins.info("zoo").version == "2.0"
    finally:
        other.close()


def test_another_worker_uses_a_new_plugin_from_its_next_request_on(bare: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    other = Workspace(bare.settings)
    try:
        other.catalogs.current()
        install(bare, shelf, "zoo")
        assert "zoo_thing" in other.catalogs.current().objects
        assert other.host.status()["zoo"].state == "ready"
    finally:
        other.close()


def test_a_broken_plugin_elsewhere_does_not_hinder(
    bare: Workspace, shelf: Shelf, install_plugin: InstallPlugin
) -> None:
    install_plugin("zany", "schema = 7\n", "")
    make_plugin(shelf.folder, "zoo")
    assert install(bare, shelf, "zoo") == ["zoo"]


def test_an_install_that_was_killed_behind_the_pointer_is_finished_by_the_next(
    bare: Workspace, shelf: Shelf
) -> None:
    wheel = make_plugin(shelf.folder, "zoo")
    with bare.generations.alone():
        bare.generations.switch(bare.generations.build([wheel]))  # and killed before anything was enabled
    assert install(bare, shelf, "zoo") == ["zoo"]
    assert bare.generations.current() == 1
