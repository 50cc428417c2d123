"""A workspace with telephony on both engines, and a provider that signs what it tells."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import inspect
from werkzeug.test import TestResponse

from karvan.app import create_app
from karvan.testing import admin_of, set_settings
from karvan.workspace import Workspace

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Provider:
    """A telephone provider: signs its events and posts them, as Standard Webhooks say."""

    def __init__(self, workspace: Workspace) -> None:
        self.app = create_app(workspace=workspace)
        self._client: FlaskClient = self.app.test_client()
        self._numbers = itertools.count(1)

    def event(self, kind: str, call: str = "call-1", **changes: Any) -> dict[str, Any]:
        """An event of a call from an unknown German number, now."""
        at = datetime.now(UTC).isoformat()
        return {
            "event": f"call.{kind}",
            "call_id": call,
            "from": "+4930123456",
            "to": "100",
            "at": at,
            **changes,
        }

    def tell(self, kind: str, call: str = "call-1", **changes: Any) -> dict[str, Any]:
        """Tell an event that is expected to be accepted; gives the answer."""
        answer = self.send(json.dumps(self.event(kind, call, **changes)).encode())
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: dict[str, Any] = answer.get_json()
        return found

    def send(
        self, body: bytes, headers: Mapping[str, str] | None = None, client: FlaskClient | None = None
    ) -> TestResponse:
        """Send a body, signed unless other headers are given."""
        return (client or self._client).post(
            "/api/x/telephony/hook", data=body, headers=self.sign(body) if headers is None else headers,
            content_type="application/json",
        )  # fmt: skip

    def sign(self, body: bytes) -> dict[str, str]:
        """The headers of a message, each message with an id of its own."""
        message, seconds = f"msg_{next(self._numbers)}", str(int(time.time()))
        content = f"{message}.{seconds}.".encode() + body
        signature = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
        return {
            "webhook-id": message,
            "webhook-timestamp": seconds,
            "webhook-signature": f"v1,{signature}",
        }


@pytest.fixture
def telephony(workspace_with: Callable[..., Workspace]) -> Workspace:
    """A workspace with crm and telephony, its secret set."""
    made = workspace_with("crm", "telephony")
    set_settings(made, "telephony", {"secret": SECRET})
    return made


@pytest.fixture
def provider(telephony: Workspace) -> Provider:
    """The provider of that workspace."""
    return Provider(telephony)


class Book:
    """The records of a workspace, as the administrator sees and writes them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def add(self, object: str, **values: Any) -> dict[str, Any]:
        """Create a record."""
        with self._workspace.records.write(admin_of(self._workspace)) as writer:
            return writer.create(object, values)

    def change(self, object: str, id: int, **values: Any) -> dict[str, Any]:
        """Change a record."""
        with self._workspace.records.write(admin_of(self._workspace)) as writer:
            return writer.update(object, id, values)

    def remove(self, object: str, id: int) -> None:
        """Put a record into the trash."""
        with self._workspace.records.write(admin_of(self._workspace)) as writer:
            writer.delete(object, id)

    def get(self, object: str, id: int) -> dict[str, Any]:
        """One record."""
        return self._workspace.records.read(admin_of(self._workspace)).get(object, id)

    def all(self, object: str) -> list[dict[str, Any]]:
        """All records of an object, oldest first."""
        from karvan.records.shapes import ListQuery

        reader = self._workspace.records.read(admin_of(self._workspace))
        return list(reader.list(object, ListQuery(sort=("id",), limit=200)).rows)

    def rows_per_table(self) -> dict[str, int]:
        """How many rows every table of the database has."""
        tables = inspect(self._workspace.database.engine).get_table_names()
        with self._workspace.database.read() as connection:
            found = {t: connection.fetchone(f'SELECT count(*) FROM "{t}"', ()) for t in tables}
        return {table: row[0] for table, row in found.items() if row is not None}


@pytest.fixture
def book(telephony: Workspace) -> Book:
    """The records of the workspace."""
    return Book(telephony)
