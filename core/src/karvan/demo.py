"""A demo workspace: people who may sign in, and the records that the enabled plugins give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from karvan.access.actors import Actor
from karvan.worker import settle
from karvan.workspace import Workspace
from karvan_sdk.actions import DemoRef
from karvan_sdk.errors import BadInput

SIZE = 4000
SEED = 7
BATCH = 500
PASSWORD = "karvan-demo"  # noqa: S105 - printed at every start; a demo listens on this machine only


@dataclass(frozen=True, kw_only=True)
class Login:
    """A person of the demo."""

    email: str
    name: str
    language: str
    timezone: str


LOGINS = (
    Login(email="maria@example.com", name="Maria Petrova", language="en", timezone="Europe/Berlin"),
    Login(email="pavel@example.com", name="Павел Смирнов", language="ru", timezone="Europe/Moscow"),
    Login(email="sara@example.com", name="سارا احمدی", language="fa", timezone="Asia/Tehran"),
    Login(email="wei@example.com", name="陈伟", language="zh", timezone="Asia/Shanghai"),
)


def make_demo(
    workspace: Workspace,
    plugins: Sequence[str],
    *,
    size: int = SIZE,
    seed: int = SEED,
    install: Callable[[Actor], object] = lambda admin: None,
) -> int:
    """Fill an empty workspace; gives the number of records made.

    `install` may bring further plugins in, once those named are enabled. The same size, seed and day make
    the same records. Raises what the schema and the records refuse: a plugin whose demo records are not
    valid is told so. What plugins do about the new records is done when this returns.
    """
    workspace.create()
    people = [
        workspace.actors.create_user(
            login.email,
            login.name,
            PASSWORD,
            is_admin=True,
            language=login.language,
            timezone=login.timezone,
        )
        for login in LOGINS
    ]
    for plugin in plugins:
        workspace.plugins.enable(people[0], plugin)
    install(people[0])
    made = _fill(workspace, people, size=size, seed=seed)
    settle(workspace)
    return made


def _fill(workspace: Workspace, people: Sequence[Actor], *, size: int, seed: int) -> int:
    moment = workspace.records.moment(Actor.system(), source="demo")
    ids: dict[str, list[int]] = {}
    for plugin, batches in workspace.host.collect("demo_records", moment, size=size, seed=seed):
        for batch in batches:
            made = ids.setdefault(batch.object, [])
            rows = [_resolved(plugin, record, ids) for record in batch.records]
            for number, row in enumerate(rows):
                # whole blocks of one person, so that each has a share of every object
                row.setdefault("owner", people[(len(made) + number) // 3 % len(people)].id)
            made += _create(workspace, people, plugin, batch.object, rows)
    return sum(len(found) for found in ids.values())


def _create(
    workspace: Workspace, people: Sequence[Actor], plugin: str, object: str, rows: Sequence[Mapping[str, Any]]
) -> list[int]:
    made: list[int] = []
    for start in range(0, len(rows), BATCH):
        with workspace.records.write(people[0], source=f"plugin:{plugin}") as writer:
            result = writer.create_many(object, rows[start : start + BATCH], partial=False)
        made += [i for i in result.ids if i is not None]
    return made


def _resolved(plugin: str, record: Mapping[str, Any], ids: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, DemoRef):
            known = ids.get(value.object, ())
            if not 0 <= value.number < len(known):
                raise BadInput(
                    f"The demo records of '{plugin}' point to {value.object} number {value.number}, "
                    "which is not made yet.",
                    field=name,
                )
            found[name] = known[value.number]
        else:
            found[name] = value
    return found
