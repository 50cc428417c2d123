"""People, their tokens and sessions, and the proof that they still hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from karvan.access import policy
from karvan.access.actors import Actor
from karvan.access.guard import enter, guard
from karvan.testing import ADMIN_EMAIL, ADMIN_PASSWORD
from karvan.workspace import Workspace
from karvan_sdk.errors import BadInput, Conflict, NotAllowed, NotSignedIn, UnknownField
from karvan_sdk.fields import Field
from karvan_sdk.objects import Object


def holds(workspace: Workspace, actor: Actor) -> bool:
    """What the guard says of an actor at the version of the catalog known here."""
    version = workspace.catalogs.known().version
    with workspace.database.read() as c:
        found = guard(actor, c.dialect, version, datetime.now(UTC))
        row = c.fetchone(f"SELECT CASE WHEN {found.text} THEN 1 ELSE 0 END", found.params)
    assert row is not None
    return bool(row[0])


def token_actor(workspace: Workspace, admin: Actor) -> tuple[str, Actor]:
    assert admin.id is not None
    text = workspace.actors.create_token(admin.id, "test")
    found = workspace.actors.by_token(text)
    assert found is not None
    return text, found


def test_a_token_finds_its_person_and_is_not_stored(workspace: Workspace, admin: Actor) -> None:
    text, found = token_actor(workspace, admin)
    assert text.startswith("kv_")
    assert (found.id, found.email) == (admin.id, ADMIN_EMAIL)
    assert workspace.actors.by_token("kv_wrong") is None
    with workspace.database.read() as c:
        assert text not in str(c.fetchall("SELECT * FROM k_token"))


def test_a_password_opens_a_session_until_its_end(workspace: Workspace) -> None:
    cookie = workspace.actors.sign_in(f" {ADMIN_EMAIL.upper()} ", ADMIN_PASSWORD)
    found = workspace.actors.by_session(cookie)
    assert found is not None
    assert found.email == ADMIN_EMAIL
    assert workspace.actors.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD) != cookie
    workspace.actors.sign_out(cookie)
    assert workspace.actors.by_session(cookie) is None
    assert not holds(workspace, found)


@pytest.mark.parametrize(
    ("email", "password"),
    [(ADMIN_EMAIL, "wrong"), ("nobody@example.com", ADMIN_PASSWORD), ("", "")],
    ids=["wrong password", "unknown person", "nothing"],
)
def test_a_failed_sign_in_does_not_tell_why(workspace: Workspace, email: str, password: str) -> None:
    with pytest.raises(NotSignedIn) as caught:
        workspace.actors.sign_in(email, password)
    assert caught.value.message == NotSignedIn().message


def test_people_need_an_address_of_their_own_and_a_password(workspace: Workspace) -> None:
    with pytest.raises(Conflict, match="already"):
        workspace.actors.create_user(ADMIN_EMAIL.upper(), "Again", "a good password")
    with pytest.raises(BadInput, match="no e-mail address"):
        workspace.actors.create_user("nobody", "No", "a good password")
    with pytest.raises(BadInput, match="at least"):
        workspace.actors.create_user("bo@example.com", "Bo", "short")


@pytest.mark.parametrize("ending", ["revoked", "expired", "inactive", "changed", "newer metadata"])
def test_the_guard_notices_what_ended(workspace: Workspace, admin: Actor, ending: str) -> None:
    _, actor = token_actor(workspace, admin)
    assert holds(workspace, actor)
    past = "2020-01-01T00:00:00.000000Z"
    text = {
        "revoked": "DELETE FROM k_token",
        "expired": f"UPDATE k_token SET expires_at = '{past}'",
        "inactive": "UPDATE k_user SET active = false",
        "changed": "UPDATE k_user SET perm_version = perm_version + 1",
        "newer metadata": "UPDATE k_state SET version = version + 1",
    }[ending]
    with workspace.database.write() as t:
        t.execute(text)
    assert not holds(workspace, actor)
    with workspace.database.read() as c:
        if ending in ("revoked", "expired", "inactive"):
            with pytest.raises(NotSignedIn):
                enter(c, actor)
        else:
            fresh, version = enter(c, actor)
            assert (fresh.id, version) == (actor.id, workspace.catalogs.current().version)


def test_the_system_and_the_command_line_are_proved_too(workspace: Workspace, admin: Actor) -> None:
    assert holds(workspace, Actor.system())
    assert holds(workspace, admin)
    with workspace.database.write() as t:
        t.execute("UPDATE k_user SET active = false")
    assert holds(workspace, Actor.system())
    assert not holds(workspace, admin)


def test_who_is_no_administrator_sees_nothing_and_may_nothing(workspace: Workspace, admin: Actor) -> None:
    person = workspace.actors.create_user("bo@example.com", "Bo", "a good password")
    made = workspace.schema.create_object(
        admin, Object(name="project", fields=(Field(name="name", type="text"),))
    )
    with workspace.records.write(admin) as writer:
        writer.create("c_project", {"c_name": "Ark"})
    assert policy.record_predicate(workspace.records.read(admin), made, "read", "t") is None
    found = policy.record_predicate(workspace.records.read(person), made, "read", "t")
    assert found is not None
    with workspace.database.read() as c:
        assert c.fetchall(f"SELECT t.id FROM c_project t WHERE {found.text}", found.params) == []
    with pytest.raises(NotAllowed):
        policy.check_may(person, made, "create")
    with pytest.raises(UnknownField, match="nothing"):
        policy.resolve(admin, made, "nothing")
