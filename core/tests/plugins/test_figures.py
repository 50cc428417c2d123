"""What calls of plugins cost: counted in memory, added up in the database, shown to people and machines."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from karvan.database.models import FigureRow
from karvan.plugins import figures
from karvan.plugins.figures import BUCKETS_MS, Figure, Figures, FigureStore, add_up
from karvan.plugins.metrics import render_metrics
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of, make_client, make_page_client
from karvan.workspace import Workspace

MANIFEST = (
    'schema = 1\nid = "meter"\nname = "Meter"\nsummary = "S."\napi = ">=0"\n'
    'capabilities = ["records:read:contact"]\n[[hooks]]\nhook = "check_records"\nobjects = ["contact"]\n'
)
CODE = """
from karvan_sdk import hookimpl

@hookimpl
def check_records(ctx, changes):
    ctx.records.list("contact")
    if changes[0].values.get("name") == "Bad":
        raise ValueError("a bad name")
"""


@pytest.fixture
def metered(install_plugin: InstallPlugin, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with crm and `meter`, which reads at each save of a contact and fails for one named Bad."""
    install_plugin("meter", MANIFEST, CODE)
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), "meter")
    return made


def create(workspace: Workspace, name: str = "Ann") -> None:
    with workspace.records.write(admin_of(workspace)) as writer:
        writer.create("contact", {"name": name})


def rows(workspace: Workspace) -> list[Any]:
    with workspace.database.engine.connect() as connection:
        table = FigureRow.__table__
        found = connection.execute(select(table).where(table.c.plugin == "meter").order_by(table.c.hour))
        return list(found.mappings())


def figure_of(found: Any) -> Figure:
    (figure,) = [one for one in found if (one.plugin, one.hook) == ("meter", "check_records")]
    return figure


# -- counting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "p95"),
    [([0.4], 0.4), ([1.5] * 19 + [400], 2.0), ([1.5] * 18 + [400, 450], 450.0), ([60_000.0], 60_000.0)],
    ids=["one", "within the class", "past it", "longer than all classes"],
)
def test_p95_is_the_end_of_its_class_and_never_above_the_longest(times: list[float], p95: float) -> None:
    counted = Figures()
    for ms in times:
        counted.count("meter", "check_records", 50, ms)
    assert figure_of(counted.all()).p95_ms == p95


def test_figures_of_two_processes_add_up_as_if_one_had_counted_all() -> None:
    apart, one = (Figures(), Figures()), Figures()
    for number in range(100):
        for counted in (apart[number % 2], one):
            counted.count("meter", "check_records", 50, number * 1.5, queries=2)
    assert add_up([*apart[0].all(), *apart[1].all()]) == one.all()
    assert sum(figure_of(one.all()).classes) == 100


def test_what_was_taken_is_still_told_but_not_taken_twice() -> None:
    counted = Figures()
    counted.count("meter", "check_records", 1, 2.0)
    assert [f.calls for f in counted.take()] == [1]
    counted.count_error("meter", "check_records", "no")
    assert [(f.calls, f.errors) for f in counted.take()] == [(0, 1)]
    assert counted.take() == ()
    figure = figure_of(counted.all())
    assert (figure.calls, figure.errors, figure.over_budget, figure.last_error) == (1, 1, 1, "no")


# -- in the database ---------------------------------------------------------------------------------------


def test_calls_failures_and_statements_are_counted_and_added_up(metered: Workspace) -> None:
    create(metered)
    create(metered, "Bad")
    metered.figures.write()
    create(metered)
    metered.figures.write()
    for figure in (figure_of(metered.figures.of("meter")), figure_of(metered.figures.always())):
        assert (figure.calls, figure.errors) == (3, 1)
        assert figure.queries >= 3
        assert 0 < figure.p95_ms <= figure.max_ms <= figure.total_ms
        assert "a bad name" in figure.last_error
        assert figure.last_error_at is not None
        assert datetime.now(UTC) - figure.last_error_at < timedelta(minutes=5)
    assert [row["calls"] for row in rows(metered)] == [3, 3]


def test_another_process_adds_its_own_and_keeps_the_last_failure(metered: Workspace) -> None:
    create(metered, "Bad")
    metered.figures.write()
    other = Figures()
    other.count("meter", "check_records", 50, 7.0, queries=5)
    FigureStore(metered.database, other).write()
    figure = figure_of(metered.figures.of("meter"))
    assert (figure.calls, figure.errors) == (2, 1)
    assert "a bad name" in figure.last_error


def test_hours_older_than_a_week_go_while_the_sum_of_all_stays(metered: Workspace) -> None:
    create(metered)
    metered.figures.write()
    table = FigureRow.__table__
    with metered.database.engine.begin() as connection:
        old = datetime.now(UTC) - timedelta(days=8)
        connection.execute(update(table).where(table.c.hour > figures.ALWAYS).values(hour=old))
    assert metered.figures.of("meter") == ()
    create(metered)
    metered.figures.write()
    assert len(rows(metered)) == 2
    assert figure_of(metered.figures.of("meter")).calls == 1
    assert figure_of(metered.figures.always()).calls == 2


def test_nothing_is_written_before_it_is_due_nor_inside_a_transaction(
    metered: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(metered)
    client.get("/api/v1/me")
    create(metered)
    before = metered.database.statements
    metered.figures.write_when_due()
    assert metered.database.statements == before
    assert rows(metered) == []
    monkeypatch.setattr(figures, "PERIOD_S", 0.0)
    metered.figures.write()
    assert len(rows(metered)) == 2
    create(metered)
    with metered.database.write():
        metered.figures.write_when_due()
    assert rows(metered)[0]["calls"] == 1
    client.get("/api/v1/me")
    assert rows(metered)[0]["calls"] == 2


def test_a_failure_to_write_harms_no_request(
    metered: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(metered)
    create(metered)
    metered.figures.write()
    create(metered)
    with metered.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE k_figure RENAME TO k_gone")
    monkeypatch.setattr(metered.figures, "_due", 0.0)
    assert client.get("/api/v1/me").status_code == 200
    assert "Figures of plugins could not be written" in caplog.text
    with metered.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE k_gone RENAME TO k_figure")
    create(metered)


def test_closing_a_workspace_writes_what_it_counted(metered: Workspace) -> None:
    create(metered)
    metered.close()
    assert figure_of(metered.figures.always()).calls == 1
    with metered.database.engine.begin() as connection:
        connection.execute(delete(FigureRow))


# -- shown -------------------------------------------------------------------------------------------------


def test_the_interface_and_the_page_show_them_to_administrators(metered: Workspace) -> None:
    create(metered)
    create(metered, "Bad")
    client = make_client(metered)
    (figure,) = [
        one
        for one in client.get("/api/v1/plugins/meter/figures").get_json()["data"]
        if one["hook"] == "check_records"
    ]
    assert (figure["calls"], figure["errors"]) == (2, 1)
    assert figure["last_error_at"].endswith("Z")
    assert client.get("/api/v1/plugins/nobody/figures").status_code == 404
    page = make_page_client(metered).get("/settings/plugins/meter").get_data(as_text=True)
    assert "What its calls cost in the last 7 days" in page
    assert "a bad name" in page
    person = metered.actors.create_user("bo@example.com", "Bo", "a good password")
    for path in ("/api/v1/plugins/meter/figures", "/metrics"):
        assert make_client(metered, person).get(path).status_code == 403


def test_metrics_are_what_prometheus_reads(metered: Workspace) -> None:
    create(metered)
    answer = make_client(metered).get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.get_data(as_text=True).splitlines()
    assert 'karvan_plugin_calls_total{plugin="meter",hook="check_records"} 1' in lines
    assert 'karvan_plugin_seconds_bucket{plugin="meter",hook="check_records",le="+Inf"} 1' in lines
    sample = re.compile(r'[a-z_]+\{plugin="[^"]+",hook="[^"]+"(,le="[^"]+")?\} [0-9.]+')
    assert [line for line in lines if not line.startswith("# ") and not sample.fullmatch(line)] == []


def test_labels_are_escaped_and_classes_are_cumulative() -> None:
    one = Figure(
        plugin="m", hook='route:/a"b\\c\nd', calls=3, classes=(1, 2, *[0] * (len(BUCKETS_MS) - 1)), total_ms=5
    )
    text = render_metrics([one])
    label = '{plugin="m",hook="route:/a\\"b\\\\c\\nd"'
    assert f"karvan_plugin_calls_total{label}}} 3\n" in text
    assert f'karvan_plugin_seconds_bucket{label},le="0.001"}} 1\n' in text
    assert f'karvan_plugin_seconds_bucket{label},le="30"}} 3\n' in text
    assert f"karvan_plugin_seconds_count{label}}} 3\n" in text
