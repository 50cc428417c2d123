"""Sessions, chunks, zips and refusals of the exchange's address."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest

from karvan_onec import sessions, uploads

Data = Callable[[str], bytes]


def left_behind(shop: Any) -> bool:
    return bool(shop.products() or shop.rows("onec_entry") or shop.rows("onec_offer"))


@pytest.mark.parametrize(
    "given",
    [
        None,
        {"password": "wrong"},
        {"user": "other"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Bearer x"},
    ],
    ids=["none", "password", "user", "no base64", "bearer"],
)
def test_a_wrong_sign_in_is_told_so(shop: Any, given: dict[str, str] | None) -> None:
    raw = given is None or "Authorization" in given
    answer = shop.onec.ask("checkauth", headers=(given or {}) if raw else shop.basic(**given))
    assert answer.status_code == 401
    assert answer.text.startswith("failure\n")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_without_a_password_in_the_settings_nobody_comes_in(shop: Any) -> None:
    shop.set(password=None)
    assert shop.onec.ask("checkauth", headers=shop.basic(password="")).status_code == 401


def test_the_answer_to_a_sign_in_has_five_lines(shop: Any) -> None:
    lines = shop.onec.ask("checkauth", headers=shop.basic()).text.split("\n")
    assert lines[:2] == ["success", "karvan_onec"]
    assert len(lines[2]) >= 40
    assert lines[3].startswith("sessid=")
    assert lines[4].removeprefix("timestamp=").isdecimal()
    assert lines[5:] == [""]


def test_the_cookie_is_kept_as_a_hash_only(shop: Any) -> None:
    shop.onec.sign_in()
    token = shop.onec.cookie.partition("=")[2]
    kept = [p for p in shop.workspace.settings.home.rglob("*") if p.is_file() and "onec" in p.parts]
    assert any(p.parent.name == "sessions" for p in kept)
    assert not [p for p in kept if token in p.name or token.encode() in p.read_bytes()]


@pytest.mark.parametrize("mode", ["init", "file", "import", "deactivate", "complete"])
def test_every_other_mode_needs_a_session(shop: Any, mode: str) -> None:
    for headers in ({}, {"Cookie": "karvan_onec=made-up"}):
        assert shop.onec.ask(mode, headers=headers, filename="a.xml").status_code == 401


def test_a_wrong_sessid_is_refused(shop: Any) -> None:
    shop.onec.sign_in()
    assert shop.onec.ask("init", sessid="0" * 32).status_code == 401
    assert shop.onec.ask("init").status_code == 200


def test_a_session_ends(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LASTS", timedelta(seconds=-1))
    shop.onec.sign_in()
    assert shop.onec.ask("init").status_code == 401


def test_user_and_password_with_each_request_do_as_well(shop: Any, data: Data) -> None:
    assert shop.onec.ask("init", headers=shop.basic()).status_code == 200
    query = {"type": "catalog", "mode": "file", "filename": "import.xml"}
    shop.onec.http.post(shop.address, query_string=query, data=data("import.xml"), headers=shop.basic())
    assert shop.onec.ask("import", headers=shop.basic(), filename="import.xml").text.startswith("success\n")
    assert len(shop.products()) == 5


def test_whoever_guesses_passwords_has_to_wait(shop: Any) -> None:
    for _ in range(sessions.TRIES):
        assert shop.onec.ask("checkauth", headers=shop.basic(password="guess")).status_code == 401
    answer = shop.onec.ask("checkauth", headers=shop.basic())
    assert answer.status_code == 401
    assert "Too many" in answer.text


def test_limits_and_version_are_told(shop: Any) -> None:
    shop.set(file_limit=50_000, zip=False)
    shop.onec.sign_in()
    assert shop.onec.ask("init").text == "zip=no\nfile_limit=50000\n"
    answer = shop.onec.ask("init", version="2.09").text
    assert answer == f"zip=no\nfile_limit=50000\nsessid={shop.onec.sessid}\nversion=2.09\n"


def test_orders_are_refused_in_words(shop: Any) -> None:
    answer = shop.onec.ask("checkauth", kind="sale", headers=shop.basic())
    assert answer.text.startswith("failure\nOrders are not exchanged yet")
    shop.onec.sign_in()
    assert shop.onec.ask("query", kind="sale").text.startswith("failure\n")
    assert shop.onec.ask("listen").text.startswith("failure\nThe mode 'listen' is unknown")


def test_a_file_in_parts_is_joined(shop: Any, data: Data) -> None:
    assert shop.onec.exchange("import0_1.xml", data("import.xml"), part=1000).startswith("success\n")
    assert len(shop.products()) == 5


def test_a_first_part_that_is_sent_again_begins_the_file_anew(shop: Any, data: Data) -> None:
    whole = data("import.xml")
    shop.onec.sign_in()
    shop.onec.send("import0_1.xml", whole[:2000])
    shop.onec.send("import0_1.xml", whole[:2000])
    shop.onec.send("import0_1.xml", whole[2000:])
    assert shop.onec.ask_import("import0_1.xml").startswith("success\n")


def test_a_zip_in_parts_is_opened_and_its_files_are_found(shop: Any, data: Data) -> None:
    packed = shop.zipped(
        import0_1__xml=data("import.xml"), offers0_1__xml=data("offers.xml"), b1__jpg=os.urandom(3000)
    )
    shop.onec.sign_in()
    shop.onec.init()
    shop.onec.send("v8_1065_3a.zip", packed, part=900)
    assert shop.onec.ask("import", filename="import0_1.xml").text.startswith("progress\n")
    assert shop.onec.ask_import("import0_1.xml").startswith("success\n")
    assert shop.onec.ask_import("offers0_1.xml").startswith("success\n")
    assert shop.products()["Туфли"]["price"] == "5490.00"


def test_names_as_1c_makes_them_are_understood(shop: Any, data: Data) -> None:
    shop.onec.sign_in()
    shop.onec.send("webdata\\000000001\\goods\\1\\Импорт товаров.xml", data("import.xml"))
    assert shop.onec.send("import_files/b0/b0000000_1.jpg", b"picture").text == "success\n"
    assert shop.onec.ask_import("goods/1/Импорт товаров.xml").startswith("success\n")


@pytest.mark.parametrize(
    "name", ["../../x.xml", "/etc/passwd.xml", "C:\\x.xml", "a/../../b.xml", "..", "x\x01.xml"]
)
def test_a_name_that_leads_elsewhere_is_refused(shop: Any, data: Data, name: str) -> None:
    shop.onec.sign_in()
    assert "can't be the name of a file" in shop.onec.send(name, data("import.xml")).text
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("import.xml", data("import.xml"))
        archive.writestr(name, b"<x/>")
    shop.onec.send("a.zip", packed.getvalue())
    assert shop.onec.ask_import("import.xml").startswith("failure\n")
    assert not left_behind(shop)


def test_a_zip_bomb_is_refused(shop: Any) -> None:
    shop.onec.sign_in()
    shop.onec.send("a.zip", shop.zipped(import__xml=b" " * 30_000_000))
    assert shop.onec.ask_import("import.xml") == "failure\nThe zip unpacks to far more than it should.\n"


def test_a_damaged_zip_is_refused(shop: Any, data: Data) -> None:
    shop.onec.sign_in()
    shop.onec.send("a.zip", shop.zipped(import__xml=data("import.xml"))[:-30])
    assert shop.onec.ask_import("import.xml") == "failure\nThe zip is damaged or incomplete.\n"


def test_no_more_is_kept_than_fits(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "SESSION_BYTES", 5000)
    shop.onec.sign_in()
    assert shop.onec.send("a.xml", b"x" * 4000).text == "success\n"
    assert shop.onec.send("a.xml", b"x" * 4000).text.startswith("failure\nMore than")


def test_a_file_that_was_not_sent_can_not_be_imported(shop: Any) -> None:
    shop.onec.sign_in()
    assert shop.onec.ask_import("import.xml") == "failure\nThe file import.xml was not sent.\n"
    assert shop.onec.ask("import").text == "failure\nThe name of the file is missing.\n"


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>
<\xd0\x9a/>"""
XXE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (LAUGHS, "document type"),
        (XXE, "document type"),
        (b"", "damaged or incomplete"),
        (b"<html></html>", "no CommerceML"),
        ("<КоммерческаяИнформация><Каталог Идентификатор='1'/></КоммерческаяИнформация>".encode(), "1C 7.7"),
        ("<КоммерческаяИнформация ВерсияСхемы='2.08'/>".encode("utf-16"), "UTF-16"),
        (b'<?xml version="1.0" encoding="cp65001x"?><x/>', "can't be read"),
    ],
    ids=["laughs", "xxe", "empty", "html", "1c 7.7", "utf-16", "encoding"],
)
def test_a_hostile_or_foreign_file_leaves_no_trace(shop: Any, content: bytes, why: str) -> None:
    answer = shop.onec.exchange("import.xml", content)
    assert answer.startswith("failure\n")
    assert why in answer
    assert not left_behind(shop)
    assert shop.last()["state"] == "failed"


def test_documents_are_no_failure_and_no_import(shop: Any) -> None:
    lines = "<Документ><Товары><Товар><Ид>1</Ид></Товар></Товары></Документ>"
    orders = f"<КоммерческаяИнформация ВерсияСхемы='2.08'>{lines}</КоммерческаяИнформация>"
    assert shop.onec.exchange("orders.xml", orders.encode()).startswith("success\n")
    assert (shop.last()["kind"], shop.last()["created"]) == ("other", 0)


def test_a_new_exchange_ends_the_one_that_was_left(shop: Any, data: Data) -> None:
    shop.set(slice_size=1)
    shop.onec.sign_in()
    shop.onec.send("import0_1.xml", data("import.xml"))
    assert shop.onec.ask("import", filename="import0_1.xml").text.startswith("progress\n")
    assert shop.onec.exchange("import0_1.xml", data("import.xml")).startswith("success\n")
    assert [e["state"] for e in shop.rows("exchange")] == ["failed", "done"]


def test_the_last_modes_are_answered(shop: Any) -> None:
    shop.onec.sign_in()
    assert shop.onec.ask("deactivate", timestamp="1").text == "success\n"
    assert shop.onec.ask("complete").text == "success\n"
