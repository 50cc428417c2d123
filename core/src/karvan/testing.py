"""Fixtures for tests on both engines: workspaces, actors, a client. The seed of the testkit.

Take them with `pytest_plugins = ["karvan.testing"]`. Databases are named `karvan_test_<random>` and dropped
at the end; PostgreSQL is found through `KARVAN_TEST_POSTGRESQL`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.engine import make_url

from karvan.access.actors import Actor
from karvan.app import create_app
from karvan.plugins import Discovery
from karvan.settings import Settings
from karvan.worker import settle
from karvan.workspace import Workspace

__all__ = ["settle"]  # for tests of plugins

POSTGRESQL = "postgresql://postgres@127.0.0.1:5432/postgres"
ADMIN_EMAIL = "admin@example.com"
ADMIN_PASSWORD = "a good password"  # noqa: S105 - of test workspaces only


def make_workspace(settings: Settings, plugins: tuple[str, ...] = ()) -> Workspace:
    """A workspace with its administrator and these plugins enabled."""
    workspace = Workspace(settings)
    workspace.create()
    admin = workspace.actors.create_user(ADMIN_EMAIL, "Ada Admin", ADMIN_PASSWORD, is_admin=True)
    for plugin in plugins:
        workspace.plugins.enable(admin, plugin)
    return workspace


def postgresql_address() -> str:
    """The address of the server on which test databases are made."""
    return os.environ.get("KARVAN_TEST_POSTGRESQL", POSTGRESQL)


@contextmanager
def postgresql_database(template: str = "") -> Iterator[str]:
    """The URL of a new database, dropped at the end; with `template` (a database's name) a copy of it."""
    name = f"karvan_test_{secrets.token_hex(6)}"
    copied = f' TEMPLATE "{template}"' if template else ""
    with psycopg.connect(postgresql_address(), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"{copied}')
    try:
        yield make_url(postgresql_address()).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(postgresql_address(), autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class Templates:
    """Ready workspaces by engine and plugins, made once per test run and copied for each test.

    Plugins of one id with other manifests are others: throw-away plugins are often called alike.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, tuple[str, ...], str], str] = {}
        self._discovery = Discovery()
        self._open: list[object] = []

    @contextmanager
    def copy(self, engine: str, plugins: tuple[str, ...], home: Path) -> Iterator[Workspace]:
        """A fresh workspace of its own."""
        there = self._discovery.installed() if plugins else {}
        key = (engine, plugins, repr([there[one].manifest for one in plugins if one in there]))
        if key not in self._made:
            self._made[key] = self._make(engine, plugins)
        template = self._made[key]
        if engine == "sqlite":
            shutil.copy(template, home / "karvan.sqlite3")
            workspace = Workspace(Settings(home=home))
            try:
                yield workspace
            finally:
                workspace.close()
            return
        with postgresql_database(template) as url:
            workspace = Workspace(Settings(home=home, database_url=url))
            try:
                yield workspace
            finally:
                workspace.close()

    def _make(self, engine: str, plugins: tuple[str, ...]) -> str:
        if engine == "sqlite":
            path = self._folder / f"template-{len(self._made)}.sqlite3"
            workspace = make_workspace(Settings(home=self._folder, database_url=f"sqlite:///{path}"), plugins)
            workspace.close()  # the last connection folds the write-ahead log into the file
            return str(path)
        opened = postgresql_database()
        url = opened.__enter__()
        self._open.append(opened)
        make_workspace(Settings(home=self._folder, database_url=url), plugins).close()
        return str(make_url(url).database)

    def close(self) -> None:
        """Drop the templates."""
        for opened in self._open:
            opened.__exit__(None, None, None)  # type: ignore[attr-defined]  # context managers, all of them


@pytest.fixture(scope="session")
def workspace_templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Templates]:
    """The templates of this test run."""
    templates = Templates(tmp_path_factory.mktemp("templates"))
    yield templates
    templates.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """The engine of this test: every test of records, schema and plugins runs on both."""
    return str(request.param)


@pytest.fixture
def workspace(engine: str, workspace_templates: Templates, tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace with its administrator."""
    with workspace_templates.copy(engine, (), tmp_path) as made:
        yield made


@pytest.fixture
def crm_workspace(engine: str, workspace_templates: Templates, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace with the plugin `crm` enabled."""
    with workspace_templates.copy(engine, ("crm",), tmp_path) as made:
        yield made


WorkspaceWith = Callable[..., Workspace]


@pytest.fixture
def workspace_with(engine: str, workspace_templates: Templates, tmp_path: Path) -> Iterator[WorkspaceWith]:
    """Makes a workspace with these plugins enabled, in this order: `workspace_with("crm", "telephony")`."""
    with ExitStack() as opened:

        def make(*plugins: str) -> Workspace:
            home = tmp_path / f"home-{secrets.token_hex(4)}"
            home.mkdir()
            return opened.enter_context(workspace_templates.copy(engine, plugins, home))

        yield make


def set_settings(workspace: Workspace, plugin: str, values: Mapping[str, object]) -> None:
    """Change settings of a plugin as the administrator."""
    workspace.plugin_settings.change(admin_of(workspace), plugin, values)


class PageClient(FlaskClient):
    """A browser for pages: keeps its cookies and sends the token of our forms with every request."""

    token = ""

    def open(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]  # as werkzeug's own
        headers = dict(kwargs.pop("headers", None) or {})  # type: ignore[call-overload]
        headers.setdefault("X-CSRFToken", self.token)
        return super().open(*args, headers=headers, **kwargs)  # type: ignore[arg-type]


def make_page_client(workspace: Workspace, actor: Actor | None = None) -> PageClient:
    """A browser signed in as an actor (the administrator if none is given)."""
    app = create_app(workspace=workspace)
    app.test_client_class = PageClient
    client = app.test_client()
    assert isinstance(client, PageClient)
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login").get_data(as_text=True))
    assert found
    client.token = found[1]
    email = actor.email if actor else ADMIN_EMAIL
    answer = client.post("/login", data={"email": email, "password": ADMIN_PASSWORD})
    assert answer.status_code == 302, "the test's person has another password"
    return client


InstallPlugin = Callable[[str, str, str], Path]


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstallPlugin]:
    """Installs a throw-away plugin for one test: `install_plugin(id, manifest_toml, plugin_py)`.

    It writes a distribution as an installer would and puts its folder (the answer) on the path; the
    package is `karvan_<id>`.
    """
    made: list[str] = []

    def install(plugin: str, manifest: str, body: str) -> Path:
        folder = tmp_path / f"dist_{plugin}"
        package = folder / f"karvan_{plugin}"
        info = folder / f"karvan_{plugin}-1.0.dist-info"
        package.mkdir(parents=True)
        info.mkdir()
        (package / "__init__.py").write_text("")
        (package / "manifest.toml").write_text(manifest)
        (package / "plugin.py").write_text(textwrap.dedent(body))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: karvan-{plugin}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[karvan.plugins]\n{plugin} = karvan_{plugin}.plugin\n"
            f"[karvan.manifests]\n{plugin} = karvan_{plugin}:manifest.toml\n"
        )
        monkeypatch.syspath_prepend(str(folder))
        made.append(f"karvan_{plugin}")
        return folder

    yield install
    for name in [n for n in sys.modules if n.partition(".")[0] in made]:
        del sys.modules[name]


def admin_of(workspace: Workspace) -> Actor:
    """The administrator of a test workspace."""
    found = workspace.actors.by_email(ADMIN_EMAIL)
    assert found is not None
    return found


@pytest.fixture
def admin(workspace: Workspace) -> Actor:
    """The administrator of `workspace`."""
    return admin_of(workspace)


class TokenClient(FlaskClient):
    """A test client that sends a bearer token with every request."""

    token = ""

    def open(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]  # as werkzeug's own
        headers = dict(kwargs.pop("headers", None) or {})  # type: ignore[call-overload]
        headers.setdefault("Authorization", f"Bearer {self.token}")
        return super().open(*args, headers=headers, **kwargs)  # type: ignore[arg-type]


def make_client(workspace: Workspace, actor: Actor | None = None) -> TokenClient:
    """A client of the REST interface for an actor (the administrator if none is given)."""
    app: Flask = create_app(workspace=workspace)
    app.test_client_class = TokenClient
    who = actor or admin_of(workspace)
    assert who.id is not None
    client = app.test_client()
    assert isinstance(client, TokenClient)
    client.token = workspace.actors.create_token(who.id, "test")
    return client


@pytest.fixture
def client(workspace: Workspace) -> TokenClient:
    """A client of `workspace` with the administrator's token."""
    return make_client(workspace)


@pytest.fixture
def crm_client(crm_workspace: Workspace) -> TokenClient:
    """A client of `crm_workspace` with the administrator's token."""
    return make_client(crm_workspace)
