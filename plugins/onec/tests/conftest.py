"""A 1C at the other end: it signs in, sends files in parts and asks until they are imported."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.app import create_app
from karvan.testing import WorkspaceWith, make_client, set_settings

DATA = Path(__file__).parent / "data"
ADDRESS = "/x/onec/exchange"
PASSWORD = "пароль 1С"


def basic(user: str = "1c", password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class OneC:
    """Asks as 1C:Enterprise 8.3 does, and counts how often it had to ask for an import."""

    def __init__(self, workspace: Any) -> None:
        self.http = create_app(workspace=workspace).test_client(use_cookies=False)
        self.cookie = ""
        self.sessid = ""
        self.asked = 0

    def ask(
        self, mode: str, *, kind: str = "catalog", headers: dict[str, str] | None = None, **query: str
    ) -> Any:
        sent = headers if headers is not None else ({"Cookie": self.cookie} if self.cookie else {})
        more = {"sessid": self.sessid} if self.sessid and "sessid" not in query else {}
        return self.http.get(
            ADDRESS, query_string={"type": kind, "mode": mode, **more, **query}, headers=sent
        )

    def sign_in(self) -> None:
        self.sessid = ""
        for _ in range(2):  # as in the log of a real 1C
            answer = self.ask("checkauth", headers=basic())
            assert answer.status_code == 200, answer.text
        lines = answer.text.split("\n")
        assert lines[0] == "success"
        self.cookie = f"{lines[1]}={lines[2]}"
        self.sessid = lines[3].removeprefix("sessid=")

    def init(self) -> int:
        lines = self.ask("init").text.split("\n")
        assert lines[0] == "zip=yes"
        return int(lines[1].removeprefix("file_limit="))

    def send(self, name: str, data: bytes, part: int = 10**9) -> Any:
        for start in range(0, max(len(data), 1), part):
            query = {"type": "catalog", "mode": "file", "filename": name, "sessid": self.sessid}
            answer = self.http.post(
                ADDRESS, query_string=query, data=data[start : start + part], headers={"Cookie": self.cookie}
            )
        return answer

    def ask_import(self, name: str) -> str:
        """The first answer that is not progress."""
        while True:
            self.asked += 1
            answer = self.ask("import", filename=name)
            assert answer.status_code == 200, answer.text
            assert self.asked < 5000
            if not answer.text.startswith("progress\n"):
                return str(answer.text)

    def exchange(self, name: str, data: bytes, *, part: int = 10**9) -> str:
        """A whole exchange of one file, in a session of its own."""
        self.sign_in()
        self.init()
        assert self.send(name, data, part).text == "success\n"
        return self.ask_import(name)


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return made.getvalue()


class Shop:
    """A workspace with the plugin, seen through REST, and the 1C that sends to it."""

    address = ADDRESS
    folder = DATA
    basic = staticmethod(basic)
    zipped = staticmethod(zipped)

    def __init__(self, workspace: Any) -> None:
        self.workspace = workspace
        self.rest = make_client(workspace)
        self.onec = OneC(workspace)

    def set(self, **settings: object) -> None:
        set_settings(self.workspace, "onec", settings)

    def rows(self, object: str, filter: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = None
        while True:
            query = {"limit": 200, "sort": "id", **({"filter": filter} if filter else {})}
            answer = self.rest.get(
                f"/api/v1/records/{object}", query_string=query | ({"after": after} if after else {})
            )
            assert answer.status_code == 200, answer.text
            found += answer.json["data"]
            after = answer.json["next"]
            if after is None:
                return found

    def change(self, object: str, row: dict[str, Any], **values: object) -> Any:
        answer = self.rest.patch(
            f"/api/v1/records/{object}/{row['id']}", json=values, headers={"If-Match": "*"}
        )
        if answer.status_code >= 500:
            raise AssertionError(answer.text)
        return answer

    def products(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.rows("product")}

    def last(self) -> dict[str, Any]:
        return self.rows("exchange")[-1]

    def traces(self) -> dict[str, int]:
        """How much was ever written about products and offers."""
        counts = {}
        with self.workspace.database.read() as connection:
            catalog = self.workspace.records.moment(self.system).catalog
            for object in ("product", "onec_offer", "onec_entry"):
                uid = catalog.object(object).uid
                for table in ("k_history", "k_outbox"):
                    (row,) = connection.execute(
                        f"SELECT count(*) FROM {table} WHERE object = ?", (uid,)
                    ).fetchall()
                    counts[f"{table} {object}"] = row[0]
        versions = sum(row["version"] for row in self.rows("product"))
        return counts | {"versions": versions}

    @property
    def system(self) -> Actor:
        return Actor.system()


@pytest.fixture
def shop(workspace_with: WorkspaceWith) -> Shop:
    made = Shop(workspace_with("crm", "price_book", "onec"))
    made.set(password=PASSWORD)
    return made


@pytest.fixture
def data() -> Callable[[str], bytes]:
    return lambda name: (DATA / name).read_bytes()
