"""A folder of wheels, the marketplace over it, and a client that speaks to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from karvan_marketplace.app import create_app
from karvan_marketplace.folder import Folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(wheels: Path) -> Folder:
    """Looks at the folder on each request, so that a test need not wait."""
    return Folder(wheels, look_every_s=0)


class WholeAnswers(FlaskClient):
    """Reads each answer to its end and closes it, as a server does."""

    def open(self, *args: Any, **given: Any) -> TestResponse:
        return super().open(*args, **{"buffered": True, **given})


@pytest.fixture
def client(folder: Folder) -> FlaskClient:
    app = create_app(folder)
    app.test_client_class = WholeAnswers
    return app.test_client()
