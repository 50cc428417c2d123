"""Two plugins that want the same names: the second is refused, with the reason, or lives under its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live import serve_made
from tests.zoo.animals import Animal, put
from tests.zoo.test_accidents import SHIP, call, check_alive, check_save, enable, make_office

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("zoo")]
BEAST = 'name = "beast"\n[[fields]]\nname = "name"\ntype = "text"\n'
OBJECT = 'objects = ["beast.toml"]\n'
SAME = """
commands = ["feed"]

[[widgets]]
id = "card"
title = "Card"
slots = ["dashboard.grid"]
"""
CODE = """
import click

router = Router()
widgets = [Widget(id="card", render=lambda ctx: "{id}")]
commands = [click.Command("feed", callback=lambda: click.echo("{id}"))]

@router.api("/", permission="signed_in")
def root(ctx, request):
    return Response(body="{id}")
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_two_plugins_with_the_same_names_do_not_get_in_each_others_way(engine: str, tmp_path: Path) -> None:
    with make_office(engine, tmp_path) as office:
        for id in ("z_first", "z_second"):
            code = put(tmp_path / "animals", Animal(id=id, manifest=OBJECT + SAME, code=CODE.format(id=id)))
            (code.parent / "beast.toml").write_text(BEAST)
        put(tmp_path / "animals", Animal(id="z_third", manifest=SAME, code=CODE.format(id="z_third")))
        with serve_made(office.home, office.url, more=office.more) as server:
            assert server.call("POST", "/api/v1/meta/objects", SHIP).status == 201
            enable(server, "z_first")
            refused = call(server, "POST", "/api/v1/plugins/z_second/enable")
            assert refused.status == 409
            assert "The name 'beast' is held by plugin:z_first." in refused.body["detail"]
            enable(server, "z_third")
            for id in ("z_first", "z_third"):
                assert call(server, "GET", f"/api/x/{id}/").body == id.encode()
                assert office.run("x", id, "feed") == f"{id}\n"
            assert call(server, "GET", "/api/x/z_second/").status == 404
            assert call(server, "GET", "/api/v1/records/beast").status == 200
            check_alive(server)
            check_save(server)
