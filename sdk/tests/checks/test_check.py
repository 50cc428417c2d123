"""`karvan-sdk check` as people run it: folders and wheels, exit codes, JSON, allowances."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from karvan_sdk.checks import NoPlugin, check_plugin
from karvan_sdk.checks.plugin import line_of
from karvan_sdk.checks.texts import read_po
from karvan_sdk.cli import main

from .shop import WHEEL, files_of, write_folder, write_wheel

PLUGINS = sorted((Path(__file__).parents[3] / "plugins").glob("*/pyproject.toml"))
SPOILT = "import sys\nimport subprocess\n\nraise SystemExit(sys.modules.clear())\n"


@pytest.mark.parametrize("project", PLUGINS, ids=lambda p: str(p.parent.name))
def test_every_first_party_plugin_passes(project: Path) -> None:
    assert check_plugin(project.parent).findings == ()


def test_there_are_first_party_plugins() -> None:
    assert len(PLUGINS) >= 5


def test_a_wheel_and_its_source_have_the_same_findings(tmp_path: Path) -> None:
    files = files_of(SPOILT, "colour = 1\n")
    folder, wheel = write_folder(tmp_path / "source", files), write_wheel(tmp_path, files)
    of_folder = check_plugin(folder).findings
    of_wheel = check_plugin(wheel).findings
    assert [(f.path.removeprefix("src/"), f.line, f.rule) for f in of_folder] == [
        (f.path, f.line, f.rule) for f in of_wheel
    ]
    assert {f.rule for f in of_wheel} == {"manifest", "monkeypatch", "process"}


def test_nothing_of_the_plugin_is_imported(tmp_path: Path) -> None:
    check_plugin(write_folder(tmp_path, files_of(SPOILT)))
    assert "karvan_shop" not in sys.modules


def test_errors_give_exit_code_1_and_lines_that_say_where_what_and_what_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(write_folder(tmp_path, files_of("import json\nimport socket\n")))]) == 1
    line, total = capsys.readouterr().out.splitlines()
    assert line.startswith(
        "src/karvan_shop/plugin.py:2:1: error network: It imports 'socket'. Use `ctx.http`"
    )
    assert total == "1 errors, 0 warnings, 0 allowed."


def test_warnings_alone_give_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(write_folder(tmp_path, files_of(more='capabilities = ["files"]\n')))]) == 0
    assert "warning capability-unused" in capsys.readouterr().out


def test_json_holds_the_findings_and_what_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import socket  # karvan: allow network because the test says so\nimport subprocess\n"
    assert main(["check", "--json", str(write_folder(tmp_path, files_of(code)))]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["failed"] is True
    assert [(f["rule"], f["severity"], f["line"], f["column"]) for f in report["findings"]] == [
        ("process", "error", 2, 1)
    ]
    assert report["findings"][0]["instead"]
    assert [(a["rule"], a["line"], a["reason"]) for a in report["allowed"]] == [
        ("network", 1, "the test says so")
    ]


def test_an_allowance_holds_for_its_line_and_rule_alone(tmp_path: Path) -> None:
    code = "import socket, subprocess  # karvan: allow network because the test says so\nimport ssl\n"
    report = check_plugin(write_folder(tmp_path, files_of(code)))
    assert [(f.rule, f.line) for f in report.findings] == [("process", 1), ("network", 2)]


def test_an_allowance_in_a_text_is_none(tmp_path: Path) -> None:
    code = "import socket; X = '# karvan: allow network because it is a text'\n"
    assert [f.rule for f in check_plugin(write_folder(tmp_path, files_of(code))).findings] == ["network"]


@pytest.mark.parametrize("since", [[], ["--since"]])
def test_a_path_without_a_plugin_is_wrong_use(
    tmp_path: Path, since: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    good = str(write_folder(tmp_path / "good", files_of()))
    given = [good, *since, str(tmp_path / "empty")] if since else [str(tmp_path / "empty")]
    assert main(["check", *given]) == 2
    assert "has no manifest.toml" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"x" * 100], ids=["empty", "torn", "text"])
def test_a_file_that_is_no_wheel_is_told(tmp_path: Path, content: bytes) -> None:
    wheel = tmp_path / "karvan_shop-1.0-py3-none-any.whl"
    wheel.write_bytes(content)
    with pytest.raises(NoPlugin, match="it is no wheel"):
        check_plugin(wheel)


def test_a_wheel_with_spoilt_contents_is_no_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "spoilt-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.py", "VALUE = 1\n" * 200)
    body = bytearray(wheel.read_bytes())
    start = 30 + body[26] + body[28]
    body[start : start + 8] = b"\xff" * 8
    wheel.write_bytes(bytes(body))
    with pytest.raises(NoPlugin, match="it is no wheel"):
        check_plugin(wheel)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("karvan_sdk.checks.source.BYTES_MAX", 100_000)
    wheel = write_wheel(tmp_path, files_of("x = 1\n" * 50_000))
    assert wheel.stat().st_size < 100_000
    with pytest.raises(NoPlugin, match="more than"):
        check_plugin(wheel)


def test_a_wheel_without_metadata_is_told(tmp_path: Path) -> None:
    wheel = tmp_path / "a-1.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr("a/manifest.toml", "schema = 1")
        opened.writestr("a-1.dist-info/entry_points.txt", WHEEL["karvan_shop-1.0.dist-info/entry_points.txt"])
    with pytest.raises(NoPlugin, match="no METADATA"):
        check_plugin(wheel)


def test_a_bare_package_folder_can_be_checked(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, files_of("import socket\n")) / "src" / "karvan_shop"
    assert [(f.path, f.rule) for f in check_plugin(folder).findings] == [("plugin.py", "network")]


@pytest.mark.parametrize(
    "code",
    [
        "(" * 5000,
        "x = " + "-" * 20000 + "1",
        "\ufeffimport json\n",
        "\ud7ff = 1\n",
        "f'{x!r:{y}}'\n",
        "x = 1\\",
        "",
    ],
    ids=["brackets", "signs", "mark", "letter", "nested", "backslash", "nothing"],
)
def test_odd_modules_are_findings_at_most(tmp_path: Path, code: str) -> None:
    assert {f.rule for f in check_plugin(write_folder(tmp_path, files_of(code))).findings} <= {"syntax"}


@pytest.mark.parametrize(
    ("key", "line"),
    [("api", 2), ("hooks[1].event", 9), ("hooks[0]", 6), ("capabilities[1]", 5), ("nothing", 1)],
)
def test_a_key_is_found_in_its_file(key: str, line: int) -> None:
    text = (
        'id = "a"\napi = ""\ncapabilities = [\n  "a",\n  "b"]\n[[hooks]]\nhook = "x"\n[[hooks]]\nevent = 1\n'
    )
    assert line_of(text, key) == line


def test_a_translation_that_is_marked_as_a_guess_counts_as_missing() -> None:
    text = 'msgid "a"\nmsgstr "b"\n\n#, fuzzy\nmsgid "c"\nmsgstr "d"\n\nmsgid ""\n"e"\n"f"\nmsgstr "g\\n"\n'
    assert read_po(text) == {"a": "b", "ef": "g\n"}
