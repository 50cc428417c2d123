"""Every rule of `karvan-sdk check` with plugins that break it, and plugins that look alike and do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from karvan_sdk.checks import RULES, Finding, check_plugin

from .shop import MANIFEST, PROJECT, files_of, write_folder

PLUGIN = "src/karvan_shop/plugin.py"
TOML = "src/karvan_shop/manifest.toml"
HOOK = '[[hooks]]\nhook = "check_records"\n'
CARD = "src/karvan_shop/templates/card.html"
PO = "src/karvan_shop/locale/ru/LC_MESSAGES/messages.po"
HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'


def case(
    rule: str, code: str = "", more: str = "", others: Mapping[str, str] | None = None, name: str = ""
) -> object:
    first = name or code.strip().partition("\n")[0] or more.strip().partition("\n")[0] or str(others)
    return pytest.param(rule, files_of(code, more, others), id=f"{rule}: {first[:60]}")


BAD = [
    case("manifest", more="colour = 1  # here\n"),
    case("manifest", more='[[hooks]]\nhook = "check_record"  # near\n'),
    case("manifest", others={"src/karvan_shop/toy.toml": 'name = "toy"\nicon = 3  # here\n'}),
    case("manifest", others={TOML: "schema = \n"}),
    case("entry-points", others={"pyproject.toml": PROJECT.replace('shop = "karvan_shop.plugin"', "")}),
    case(
        "entry-points",
        others={"pyproject.toml": PROJECT.replace('"karvan_shop.plugin"', '"karvan_shop.code"  # here')},
    ),
    case(
        "entry-points",
        others={"pyproject.toml": PROJECT.replace('shop = "karvan_shop.p', 'shoe = "karvan_shop.p')},
    ),
    case("dependencies", others={"pyproject.toml": PROJECT.replace('"karvan-sdk>=0.1,<1"', "")}),
    case("dependencies", others={"pyproject.toml": PROJECT.replace("sdk>=0.1,<1", "sdk>=0.2")}),
    case("dependencies", others={"pyproject.toml": PROJECT.replace(',<1"]', ',<1", "karvan>=0.1"]  # here')}),
    case("syntax", "def broken(:  # here\n"),
    case("syntax", "x = '\0'\n"),
    case(
        "hook-undeclared",
        "from karvan_sdk import hookimpl\n\n@hookimpl\ndef check_records(changes): pass  # here\n",
    ),
    case(
        "hook-undeclared",
        "import karvan_sdk\n\nclass P:\n    @karvan_sdk.hookimpl(specname='check_records')\n"
        "    def check(self, changes):  # here\n        return None\n",
    ),
    case("hook-missing", more='[[hooks]]\nhook = "check_records"  # here\n'),
    case(
        "hook-unknown",
        "from karvan_sdk import hookimpl\n\n@hookimpl\ndef check_record(changes): pass  # here\n",
    ),
    case("core-import", "import karvan.access.policy  # here\n"),
    case("core-import", "def f():\n    from karvan.workspace import Workspace  # here\n"),
    case("core-import", "import importlib\n\ndef f():\n    importlib.import_module('karvan.app')  # here\n"),
    case("core-import", "from flask import current_app  # here\n"),
    case("core-import", "import pluggy  # here\n"),
    case("foreign-import", "from karvan_crm.deals import total  # here\n"),
    case("foreign-import", "import karvan_crm  # here\n"),
    case("sdk-private", "from karvan_sdk.names import check_name  # here\n"),
    case("database-import", "import sqlite3  # here\n"),
    case("database-import", "from sqlalchemy import text  # here\n"),
    case("database-import", "def f():\n    __import__('psycopg').connect('')  # here\n"),
    case("network", "import socket  # here\n"),
    case("network", "from urllib import request  # here\n"),
    case("network", "import http.client  # here\n"),
    case("network", "import smtplib  # here\n", 'capabilities = ["http:example.org"]\n'),
    case("process", "import subprocess  # here\n"),
    case("process", "import os\n\ndef f():\n    os._exit(1)  # here\n"),
    case("process", "from os import system  # here\n"),
    case("process", "import os\n\ndef f():\n    getattr(os, 'system')('ls')  # here\n"),
    case("native", "import ctypes  # here\n"),
    case("dynamic-code", "def f(text):\n    return eval(text)  # here\n"),
    case("dynamic-code", "def f(text):\n    run = exec  # here\n    run(text)\n"),
    case(
        "dynamic-code", "import importlib\n\ndef f(name):\n    return importlib.import_module(name)  # here\n"
    ),
    case("dynamic-code", "import pickle\n\ndef f(data):\n    return pickle.loads(data)  # here\n"),
    case("file-access", "def f():\n    return open('/etc/passwd')  # here\n"),
    case("file-access", "from pathlib import Path\n\ndef f():\n    return Path('x').exists()  # here\n"),
    case("file-access", "import os\n\ndef f(name):\n    os.remove(name)  # here\n"),
    case("file-access", "import shutil\n\ndef f(name):\n    shutil.rmtree(name)  # here\n"),
    case("file-access", "def f(path):\n    path.write_text('x')  # here\n"),
    case(
        "file-escape",
        "def f(ctx):\n    ctx.files.read('../crm/secret')  # here\n",
        'capabilities = ["files"]\n',
    ),
    case(
        "file-escape",
        "def f(ctx):\n    ctx.files.read('/etc/passwd')  # here\n",
        'capabilities = ["files"]\n',
    ),
    case("monkeypatch", "import json\n\ndef f():\n    json.dumps = str  # here\n"),
    case("monkeypatch", "import json\n\ndef f():\n    setattr(json, 'dumps', str)  # here\n"),
    case("monkeypatch", "from decimal import Decimal\n\ndef f():\n    Decimal.sqrt = None  # here\n"),
    case("monkeypatch", "import sys\n\ndef f():\n    sys.modules['json'] = None  # here\n"),
    case("monkeypatch", "import sys\n\ndef f():\n    sys.modules['json'].dumps = None  # here\n"),
    case("monkeypatch", "import sys\n\ndef f():\n    sys.path.insert(0, 'x')  # here\n"),
    case("monkeypatch", "import builtins\n\ndef f():\n    builtins.print = None  # here\n"),
    case("monkeypatch", "import os\n\ndef f():\n    os.environ['X'] = 'y'  # here\n"),
    case("monkeypatch", "def f(ctx):\n    ctx.records.check = None  # here\n"),
    case("monkeypatch", "def f(ctx):\n    type(ctx).plugin = 'crm'  # here\n"),
    case("monkeypatch", "def f(change):\n    change.__class__.get = None  # here\n"),
    case("monkeypatch", "def f(ctx):\n    object.__setattr__(ctx, 'plugin', 'crm')  # here\n"),
    case("monkeypatch", "import json\n\ndef f():\n    json.__dict__['dumps'] = str  # here\n"),
    case("monkeypatch", "import json\n\ndef f():\n    vars(json)['dumps'] = str  # here\n"),
    case("monkeypatch", "import json\n\ndef f():\n    json.__dict__.update(dumps=str)  # here\n"),
    case("monkeypatch", "import json\n\ndef f():\n    del json.dumps  # here\n"),
    case("monkeypatch", "import json\n\ndef f():\n    a, json.dumps = 1, 2  # here\n"),
    case("introspection", "import gc\n\ndef f():\n    return gc.get_objects()  # here\n"),
    case("introspection", "import sys\n\ndef f():\n    return sys._getframe()  # here\n"),
    case("introspection", "def f(ctx):\n    return ctx.t.__func__.__globals__  # here\n"),
    case("introspection", "def f():\n    return object.__subclasses__()  # here\n"),
    case("private-attribute", "def f(ctx):\n    return ctx._moment  # here\n"),
    case("private-attribute", "def f(ctx):\n    return ctx.records._granted  # here\n"),
    case("raw-sql", "def f(c):\n    c.execute('DROP TABLE k_user')  # here\n"),
    case("raw-sql", "def f(c):\n    c.execute('select * from x_crm__contact')  # here\n"),
    case("raw-sql", "def f(c, n):\n    c.execute(f'UPDATE k_user SET name = {n}')  # here\n"),
    case("raw-sql", "def f(c):\n    c.execute('DROP TABLE ' + 'k_ledger')  # here\n"),
    case("raw-sql", "TABLE = 'k_plugin'\n\ndef f(c):\n    c.execute(f'DELETE FROM {TABLE}')  # here\n"),
    case("raw-sql", "def f(c):\n    c.execute('SELECT 1 FROM sqlite_master')  # here\n"),
    case("access-write", "def f(writer):\n    writer.create('user', {})  # here\n"),
    case("access-write", "def f(actors):\n    actors.create_user('a@b.c', 'x')  # here\n"),
    case("access-write", "def f(make):\n    make(is_admin=True)  # here\n"),
    case("access-write", "def f(actor):\n    actor.is_admin = True  # here\n"),
    case("capability-missing", "def f(ctx):\n    return ctx.records.list('deal')  # here\n"),
    case(
        "capability-missing",
        "def f(ctx):\n    with ctx.records.write() as writer:\n        writer.delete('deal', 1)  # here\n",
        'capabilities = ["records:read:deal"]\n',
    ),
    case("capability-missing", "DEAL = 'deal'\n\ndef f(ctx):\n    return ctx.records.get(DEAL, 1)  # here\n"),
    case("capability-missing", "def f(ctx):\n    return ctx.files.names()  # here\n"),
    case("capability-missing", "def f(ctx):\n    return ctx.secrets.get('x')  # here\n"),
    case("capability-missing", "def f(ctx):\n    ctx.jobs.later('x')  # here\n"),
    case("capability-unused", more='capabilities = ["records:read:deal"]  # here\n'),
    case("capability-unused", more='capabilities = [\n    "files",  # here\n]\n'),
    case("capability-unused", more='capabilities = ["http:example.org"]  # here\n'),
    case("capability-unused", more='capabilities = ["records:write:*"]  # here\n'),
    case(
        "route-public",
        "from karvan_sdk import Public, Router\n\nrouter = Router()\n\n"
        "@router.api('/hook', public=Public(authenticate=print))  # here\ndef hook(ctx, request): pass\n",
    ),
    case(
        "route-foreign",
        "from karvan_sdk import Router\n\nrouter = Router()\n\n"
        "@router.page('/x/crm/deals', permission='admin')  # here\ndef deals(ctx, request):\n    return ''\n",
    ),
    case("import-effect", "import time\n\ntime.sleep(60)  # here\n"),
    case("import-effect", "import threading\n\nthread = threading.Thread(target=print)  # here\n"),
    case("import-effect", "while True:  # here\n    pass\n"),
    case("import-effect", "print('hello')  # here\n"),
    case("import-effect", "class A:\n    print('hello')  # here\n"),
    case(
        "import-effect",
        "import logging\n\ntry:\n    logging.basicConfig()  # here\nexcept OSError:\n    raise\n",
    ),
    case("text-untranslated", others={CARD: "<p>\n\n  Hello {{ name }} {# here #}</p>\n"}),
    case("text-untranslated", others={CARD: '<input placeholder="Name"> {# here #}\n'}),
    case(
        "language-missing",
        more='languages = ["en", "ru"]  # here\n',
        code="def f(ctx):\n    return ctx.t('Hello')\n",
        name="no file",
    ),
    case(
        "language-missing",
        "def f(ctx):\n    return ctx.t('Hello')  # here\n",
        'languages = ["en", "ru"]\n',
        {PO: HEAD},
    ),
    case(
        "language-missing",
        "",
        'languages = ["en", "ru"]\n',
        {CARD: "{{ _('Hello') }} {# here #}\n", PO: f'{HEAD}msgid "Hello"\nmsgstr ""\n'},
        "empty translation",
    ),
    case(
        "language-missing",
        more='languages = ["en", "ru"]\n[[settings]]\nname = "a"\nlabel = { en = "A" }  # here\n',
        name="label",
    ),
    case("allow", "import socket  # karvan: allow network  # here\n"),
    case("allow", "import socket  # karvan: allow sockets because I want to  # here\n"),
    case("allow", "import json  # karvan: allow network because of nothing  # here\n"),
]
GOOD = [
    case("manifest", more='icon = "rocket"\n'),
    case("entry-points"),
    case("dependencies", others={"pyproject.toml": PROJECT.replace(">=0.1,<1", "<1,>=0.1")}),
    case("syntax", "def whole(): pass\n"),
    case(
        "hook-undeclared", "from karvan_sdk import hookimpl\n\n@hookimpl\ndef check_records(): pass\n", HOOK
    ),
    case("hook-undeclared", "def check_records(changes): pass\n"),
    case(
        "hook-missing",
        "from karvan_sdk import hookimpl\n\nclass P:\n    @hookimpl(tryfirst=True)\n"
        "    def check_records(self): pass\n",
        HOOK,
    ),
    case(
        "hook-unknown",
        "from karvan_sdk import hookimpl\n\n@hookimpl\ndef crm__find_line(number): pass\n",
        'requires = { crm = ">=0" }\n[[hooks]]\nhook = "crm.find_line"\nversion = 1\n',
    ),
    case("core-import", "import karvan_sdk\nimport flaskless\n"),
    case(
        "foreign-import",
        "from karvan_shop import other\nfrom . import other as again\n",
        others={"src/karvan_shop/other.py": ""},
    ),
    case("sdk-private", "import karvan_sdk\nfrom karvan_sdk import Router, hookimpl\n"),
    case("database-import", "import sqlite3\n", 'capabilities = ["sql"]\n'),
    case("network", "import socket\n", 'capabilities = ["http:example.org"]\n'),
    case("network", "import http\nfrom urllib.parse import quote\nfrom http import HTTPStatus\n"),
    case("network", "import smtplib\n", 'capabilities = ["mail"]\n'),
    case("process", "import os\n\nKILLED = 'os.kill'\nSEP = os.sep\n"),
    case("native", "import struct\n"),
    case("dynamic-code", "import re\n\nPATTERN = re.compile('x')\n\ndef f(ctx):\n    return ctx.eval('x')\n"),
    case("dynamic-code", "def compile(text): return text\n\nX = compile('x')\n"),
    case(
        "file-access",
        "def f(ctx):\n    with ctx.files.open('a') as stream:\n        return stream.read()\n",
        'capabilities = ["files"]\n',
    ),
    case("file-access", "from pathlib import PurePosixPath\n\nNAME = PurePosixPath('a/b').name\n"),
    case("file-escape", "def f(ctx):\n    ctx.files.read('a/b..c')\n", 'capabilities = ["files"]\n'),
    case(
        "monkeypatch",
        "class A:\n    def __init__(self, ctx):\n        self.ctx = ctx\n        self.n = {}\n"
        "        self.n['a'] = 1\n",
    ),
    case(
        "monkeypatch",
        "import json\n\ndef f():\n    found = json.loads('{}')\n    found['a'] = 1\n    setattr(f, 'a', 1)\n",
    ),
    case("introspection", "import inspect\n\nNAMES = inspect.signature(print)\n"),
    case("private-attribute", "class A:\n    def f(self):\n        return self._ctx.records\n"),
    case("raw-sql", '"""Select from k_user: never."""\n\nX = "Choose from k_user"\n'),
    case("raw-sql", "def f(c):\n    c.execute('DELETE FROM x_shop__toy')\n"),
    case("access-write", "def f(actor):\n    return actor.is_admin\n"),
    case("access-write", "def f(writer):\n    writer.create('toy', {'user': 1})\n"),
    case("capability-missing", "def f(ctx):\n    return ctx.records.list('toy')\n"),
    case(
        "capability-missing",
        "def f(ctx):\n    return ctx.records.list('deal')\n",
        'capabilities = ["records:write:deal"]\n',
    ),
    case("capability-missing", "def f(ctx, name):\n    return ctx.records.list(name)\n"),
    case("capability-unused", "OBJECTS = ('deal', 'lead')\n", 'capabilities = ["records:read:deal"]\n'),
    case(
        "capability-unused",
        more='capabilities = ["records:write:deal"]\n[[fields]]\nobject = "deal"\n'
        'name = "a"\ntype = "text"\n',
        name="a field",
    ),
    case(
        "capability-unused",
        "class A:\n    def f(self, ctx):\n        self.files = ctx.files\n",
        'capabilities = ["files"]\n',
    ),
    case(
        "route-public",
        "from karvan_sdk import Public, Router\n\nrouter = Router()\n\n"
        "@router.api('/hook', public=Public(authenticate=print))\ndef hook(ctx, request):\n    return ''\n",
        '[[public_routes]]\nsurface = "api"\npath = "/hook"\nwhy = "Shops call."\n',
    ),
    case("route-foreign", "def f(ctx):\n    return ctx.page('/x/crm', 'a.html')\n"),
    case(
        "import-effect",
        "import re\n\nA = re.compile('a')\nB = dict(a=1)\n\nif __name__ == '__main__':\n    print(A)\n",
    ),
    case("import-effect", "import time\n\ndef f():\n    time.sleep(1)\n"),
    case(
        "text-untranslated",
        others={
            CARD: '<p title="{{ _(\'Name\') }}">{{ _("Hello") }} · {{ n }} %</p>\n'
            "{% if a %}<script>let word = 1</script>{% endif %}{# a remark #}\n"
        },
    ),
    case(
        "language-missing",
        "def f(ctx):\n    return ctx.t('Hello')\n",
        'languages = ["en", "ru"]\n',
        {PO: f'{HEAD}msgid "Hello"\nmsgstr "Привет"\n'},
    ),
    case("language-missing", more='[[settings]]\nname = "a"\nlabel = { en = "A" }\n', name="no languages"),
    case("allow", "import socket  # karvan: allow network because the test says so\n"),
    case("allow", "# karvan: allow network because the test says so\n# and more\nimport socket\n"),
]


def found(folder: Path, files: Mapping[str, str], rule: str) -> list[Finding]:
    """The findings of one rule."""
    report = check_plugin(write_folder(folder, files))
    return [finding for finding in report.findings if finding.rule == rule]


def marked(files: Mapping[str, str]) -> set[tuple[str, int]]:
    """The places that a case marks."""
    return {
        (path, number)
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if line.rstrip().endswith(("# here", "{# here #}")) or "{# here #}" in line
    }


@pytest.mark.parametrize(("rule", "files"), BAD)
def test_a_breach_is_found_with_its_file_and_line(rule: str, files: dict[str, str], tmp_path: Path) -> None:
    findings = found(tmp_path, files, rule)
    assert findings
    assert all(f.column >= 1 and f.message for f in findings)
    if marked(files):
        assert {(f.path, f.line) for f in findings} == marked(files)


@pytest.mark.parametrize(("rule", "files"), GOOD)
def test_what_only_looks_alike_is_not_found(rule: str, files: dict[str, str], tmp_path: Path) -> None:
    assert found(tmp_path, files, rule) == []


def test_every_rule_is_tried_with_bad_and_with_good_plugins() -> None:
    tried_elsewhere = {"capability-added"}
    assert {p.values[0] for p in BAD} == {p.values[0] for p in GOOD} == set(RULES) - tried_elsewhere  # type: ignore[attr-defined]  # pytest's own


def test_the_plain_plugin_of_these_tests_has_no_findings(tmp_path: Path) -> None:
    report = check_plugin(write_folder(tmp_path, files_of()))
    assert (report.findings, report.allowed) == ((), ())


def test_a_capability_that_came_since_is_told(tmp_path: Path) -> None:
    code = "def f(ctx):\n    return ctx.records.list('deal'), ctx.files\n"
    before = write_folder(tmp_path / "1", files_of(code, 'capabilities = ["files"]\n'))
    after = write_folder(
        tmp_path / "2", files_of(code, 'capabilities = [\n    "files",\n    "records:read:deal",\n]\n')
    )
    (finding,) = check_plugin(after, before=before).findings
    line = (MANIFEST + 'capabilities = [\n    "files",\n    "records:read:deal",').count("\n") + 1
    assert (finding.rule, finding.line) == ("capability-added", line)
    assert [f.rule for f in check_plugin(before, before=after).findings] == ["capability-missing"]
