"""The fleet and its client, on both engines."""

from __future__ import annotations

import pytest
from flask import Flask

from karvan.access.actors import Actor
from karvan.app import create_app
from karvan.workspace import Workspace

from .fleet import Api, make_fleet


@pytest.fixture
def app(workspace: Workspace, admin: Actor) -> Flask:
    make_fleet(workspace, admin)
    return create_app(workspace=workspace)


@pytest.fixture
def api(app: Flask, workspace: Workspace, admin: Actor) -> Api:
    assert admin.id is not None
    return Api(http=app.test_client(), token=workspace.actors.create_token(admin.id, "tests"))
