"""What becomes of a call when a plugin fails, by the kind of the hook; no database is needed for that."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from karvan.plugins.discovery import Discovery
from karvan.plugins.host import Host
from karvan.testing import InstallPlugin
from karvan_sdk.actions import Change
from karvan_sdk.errors import FieldError, PluginFailed, Rejected

HEAD = 'schema = 1\nid = "{id}"\napi = ">=0.1,<1"\nname = "Zoo"\nsummary = "Of the tests."\n'
HOOKS = "".join(f'[[hooks]]\nhook = "{h}"\n' for h in ("prepare_records", "check_records", "demo_records"))
OWN = 'name = "ape"\nlabel = "Ape"\nfields = [{ name = "name", type = "text" }]\n'
CODE = "from karvan_sdk import Change, hookimpl\n\n"

Put = Callable[..., None]


class Asked:
    """What a caller of hooks hands over."""

    actor_id = 7
    language = "fa"
    timezone = "Asia/Tehran"

    def describe(self, object: str) -> Any:
        raise AssertionError(object)


@pytest.fixture
def host() -> Host:
    return Host(Discovery())


@pytest.fixture
def put(install_plugin: InstallPlugin) -> Put:
    def install(plugin: str, body: str, manifest: str = HOOKS) -> None:
        folder = install_plugin(plugin, HEAD.format(id=plugin) + manifest, CODE + body)
        (folder / f"karvan_{plugin}" / "ape.toml").write_text(OWN)

    return install


def prepare(host: Host, *changes: Change, findings: Sequence[FieldError] = ()) -> list[dict[str, Any]]:
    made = host.pipeline("prepare_records", Asked(), "thing", "update", changes, lambda changes: findings)
    return [dict(change.values) for change in made]


def errors(host: Host, plugin: str) -> list[str]:
    return [f.last_error for f in host.figures() if f.plugin == plugin and f.errors]


# -- pipeline ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("changes[:1]", "1 changes for 2"),
        ("[{}, {}]", "dict where a Change"),
        ("list(reversed(changes))", "record 2 where 1"),
        ("[Change(id=c.id, values=[1]) for c in changes]", "not a mapping"),
        ("7", "TypeError"),
        ("(1 / 0 for c in changes)", "ZeroDivisionError"),
    ],
    ids=["fewer", "mappings", "order", "values", "number", "lazy"],
)
def test_an_answer_of_another_shape_is_the_plugins_failure(
    host: Host, put: Put, answer: str, why: str
) -> None:
    put("zoo_ja", f"@hookimpl\ndef prepare_records(changes):\n    return {answer}\n")
    put(
        "zoo_jb",
        "@hookimpl\ndef prepare_records(changes):\n    return [c.with_values(seen=True) for c in changes]\n",
    )
    host.sync(["zoo_ja", "zoo_jb"])
    made = prepare(host, Change(id=1, values={"a": 1}), Change(id=2, values={"a": 2}))
    assert made == [{"a": 1, "seen": True}, {"a": 2, "seen": True}]
    assert why in errors(host, "zoo_ja")[0]
    assert errors(host, "zoo_jb") == []


def test_values_can_not_be_altered_behind_the_hosts_back(host: Host, put: Put) -> None:
    put("zoo_k", "@hookimpl\ndef prepare_records(changes):\n    changes[0].values['a'] = 9\n")
    host.sync(["zoo_k"])
    assert prepare(host, Change(id=1, values={"a": 1})) == [{"a": 1}]
    assert "does not support item assignment" in errors(host, "zoo_k")[0]


def test_a_plugin_gives_new_values_but_never_another_past(host: Host, put: Put) -> None:
    put(
        "zoo_l",
        "@hookimpl\ndef prepare_records(changes):\n"
        "    return [Change(id=c.id, before={'a': 0}, values={'a': 5}) for c in changes]\n",
    )
    host.sync(["zoo_l"])
    (made,) = host.pipeline(
        "prepare_records", Asked(), "thing", "update", [Change(id=1, before={"a": 3})], lambda changes: ()
    )
    assert (dict(made.before), dict(made.values)) == ({"a": 3}, {"a": 5})


def test_findings_after_a_plugin_name_it_and_are_not_asked_for_without_a_change(host: Host, put: Put) -> None:
    wrong = FieldError(field="a", code="too_small", template="Too small.")
    put("zoo_ma", "@hookimpl\ndef prepare_records(changes):\n    return list(changes)\n")
    host.sync(["zoo_ma"])
    assert prepare(host, Change(values={"a": 1}), findings=[wrong]) == [{"a": 1}]
    put(
        "zoo_mb",
        "@hookimpl\ndef prepare_records(changes):\n    return [c.with_values(a=-1) for c in changes]\n",
    )
    host.sync(["zoo_ma", "zoo_mb"])
    with pytest.raises(PluginFailed, match="'zoo_mb' failed in prepare_records") as caught:
        prepare(host, Change(values={"a": 1}), findings=[wrong])
    assert caught.value.errors == (wrong,)


# -- gate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raised", ["ValueError('hay')", "SystemExit(3)"], ids=["error", "exit"])
def test_a_gate_that_fails_closes_the_plugins_own_objects_only(host: Host, put: Put, raised: str) -> None:
    put("zoo_n", f"@hookimpl\ndef check_records():\n    raise {raised}\n", 'objects = ["ape.toml"]\n' + HOOKS)
    host.sync(["zoo_n"])
    host.gate("check_records", Asked(), "thing", "create", [Change()])
    with pytest.raises(PluginFailed, match="'zoo_n' failed in check_records"):
        host.gate("check_records", Asked(), "ape", "create", [Change()])
    (figure,) = host.figures()
    assert (figure.calls, figure.errors) == (2, 2)


def test_a_rejection_passes_and_is_no_failure(host: Host, put: Put) -> None:
    put(
        "zoo_o",
        "from karvan_sdk import Rejected\n"
        "@hookimpl\ndef check_records(ctx):\n"
        "    raise Rejected(f'{ctx.plugin} {ctx.actor_id} {ctx.language}')\n",
    )
    host.sync(["zoo_o"])
    with pytest.raises(Rejected, match="zoo_o 7 fa"):
        host.gate("check_records", Asked(), "thing", "create", [Change()])
    assert errors(host, "zoo_o") == []


# -- collect -----------------------------------------------------------------------------------------------


def test_a_contribution_that_fails_is_left_out_and_its_plugin_degraded(host: Host, put: Put) -> None:
    put("zoo_pa", "@hookimpl\ndef demo_records(size):\n    yield size\n    raise ValueError('hay')\n")
    put("zoo_pb", "@hookimpl\ndef demo_records(size):\n    yield size\n")
    host.sync(["zoo_pa", "zoo_pb"])
    assert list(host.collect("demo_records", Asked(), size=3, seed=1)) == [("zoo_pb", [3])]
    assert host.status()["zoo_pa"].state == "degraded"
    assert any("ValueError: hay" in p for p in host.status()["zoo_pa"].problems)


# -- loading -----------------------------------------------------------------------------------------------


def test_an_enabled_plugin_that_can_not_be_loaded_leaves_the_others_at_work(host: Host, put: Put) -> None:
    put("zoo_qa", "raise SystemExit(3)\n")
    put("zoo_qb", "@hookimpl\ndef check_records():\n    pass\n", '[[hooks]]\nhook = "check_records"\n')
    host.sync(["zoo_gone", "zoo_qa", "zoo_qb"])
    states = {name: status.state for name, status in host.status().items()}
    assert states == {"zoo_gone": "missing", "zoo_qa": "failed", "zoo_qb": "ready"}
    assert host.interested("check_records", "thing", "create")


def test_what_is_declared_and_what_is_there_are_compared(host: Host, put: Put) -> None:
    put(
        "zoo_r",
        "@hookimpl\ndef check_records():\n    raise ValueError\n"
        "@hookimpl(wrapper=True)\ndef demo_records():\n    return (yield)\n",
        '[[hooks]]\nhook = "prepare_records"\n[[hooks]]\nhook = "demo_records"\n',
    )
    host.sync(["zoo_r"])
    status = host.status()["zoo_r"]
    assert status.state == "degraded"
    assert len(status.problems) == 3
    assert not host.interested("check_records", "thing", "create")
    assert list(host.collect("demo_records", Asked(), size=1, seed=1)) == []


def test_a_disabled_plugin_is_asked_no_more(host: Host, put: Put) -> None:
    put("zoo_s", "@hookimpl\ndef check_records():\n    pass\n")
    assert "karvan_zoo_s.plugin" not in sys.modules
    host.sync(["zoo_s"])
    assert host.interested("check_records", "thing", "create")
    host.sync([])
    assert not host.interested("check_records", "thing", "create")
    assert host.status() == {}


def test_a_hook_listens_only_to_the_objects_and_events_it_declared(host: Host, put: Put) -> None:
    put(
        "zoo_t",
        "@hookimpl\ndef check_records():\n    pass\n",
        '[[hooks]]\nhook = "check_records"\nobjects = ["thing"]\nevents = ["delete"]\n',
    )
    host.sync(["zoo_t"])
    asked = {
        (o, e): host.interested("check_records", o, e) for o in ("thing", "x") for e in ("create", "delete")
    }
    assert [key for key, found in asked.items() if found] == [("thing", "delete")]


def test_calls_go_on_while_the_enabled_set_changes(host: Host, put: Put) -> None:
    body = (
        "@hookimpl\ndef prepare_records(ctx, changes):\n"
        "    return [c.with_values(**{ctx.plugin: 1}) for c in changes]\n"
    )
    put("zoo_ua", body)
    put("zoo_ub", body)
    host.sync(["zoo_ua"])
    stop = threading.Event()
    wrong: list[Any] = []

    def call() -> None:
        while not stop.is_set():
            (values,) = prepare(host, Change(id=1))
            if values not in ({"zoo_ua": 1}, {"zoo_ua": 1, "zoo_ub": 1}):
                wrong.append(values)

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for _ in range(200):
        host.sync(["zoo_ua", "zoo_ub"])
        host.sync(["zoo_ua"])
    stop.set()
    for caller in callers:
        caller.join()
    assert wrong == []
    assert sum(f.errors for f in host.figures()) == 0


# -- discovery ---------------------------------------------------------------------------------------------


def test_an_edited_manifest_is_seen_and_one_that_leaves_its_folder_is_refused(
    put: Put, tmp_path: Path
) -> None:
    put("zoo_v", "", "")
    discovery = Discovery()
    first = discovery.installed()
    assert discovery.installed() is first
    file = tmp_path / "dist_zoo_v" / "karvan_zoo_v" / "manifest.toml"
    file.write_text(HEAD.format(id="zoo_v") + 'objects = ["../../../secret.toml"]\n')
    (tmp_path / "secret.toml").write_text(OWN)
    found = discovery.installed()["zoo_v"]
    assert found.manifest is None
    assert any("leaves the folder" in e.message for e in found.errors)


def test_an_editable_install_is_found_by_its_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    package, info = source / "karvan_zoo_ed", site / "karvan_zoo_ed-2.1.dist-info"
    package.mkdir(parents=True)
    info.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "manifest.toml").write_text(HEAD.format(id="zoo_ed"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: karvan-zoo-ed\nVersion: 2.1\nLicense: MIT\n")
    (info / "RECORD").write_text("_editable_impl_karvan_zoo_ed.pth,,\n")
    (info / "entry_points.txt").write_text("[karvan.manifests]\nzoo_ed = karvan_zoo_ed:manifest.toml\n")
    monkeypatch.syspath_prepend(str(source))
    monkeypatch.syspath_prepend(str(site))
    found = Discovery().installed()["zoo_ed"]
    assert found.manifest is not None
    assert (found.version, found.license, found.distribution) == ("2.1", "MIT", "karvan-zoo-ed")
    assert "karvan_zoo_ed" not in sys.modules
