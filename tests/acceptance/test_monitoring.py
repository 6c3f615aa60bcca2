"""Alerts, dashboard and runbook agree with each other and with the metrics pages of running processes."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from acceptance.conftest import entry_of
from acceptance.encrypted import encrypting, new_key, start_site
from acceptance.prometheus import ALERTS, METRIC, promtool, rules
from acceptance.test_worker_health import health_on, page
from conftest import new_tenant
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from waiting import pauses

CHECKOUT = Path(__file__).parents[2]
DASHBOARD = CHECKOUT / "deploy/grafana/dashboard.json"
RUNBOOK = CHECKOUT / "docs/runbook.md"
LABELS = re.compile(r"\{[^}]*\}")
PARTS_OF_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def queries() -> Iterator[str]:
    for panel in panels():
        for target in panel.get("targets", []):
            yield target["expr"]


def test_every_alert_fires_on_its_fault_and_on_no_other() -> None:
    files = sorted(ALERTS.parent.glob("alerts*.test.yaml"))
    ended = promtool("test", "rules", *map(str, files))
    assert ended.returncode == 0, ended.stdout.decode() + ended.stderr.decode()
    fires: dict[str, set[bool]] = {}
    for test in (test for file in files for test in yaml.safe_load(file.read_text())["tests"]):
        for check in test["alert_rule_test"]:
            fires.setdefault(check["alertname"], set()).add(bool(check["exp_alerts"]))
    assert fires == {rule["alert"]: {True, False} for rule in rules()}


def test_every_query_of_the_dashboard_is_valid(tmp_path: Path) -> None:
    recorded = [
        {"record": f"q:{at}", "expr": query.replace("$__rate_interval", "5m")} for at, query in enumerate(queries())
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    ended = promtool("check", "rules", str(file))
    assert ended.returncode == 0, ended.stdout.decode() + ended.stderr.decode()
    assert len(recorded) > 30
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_every_alert_leads_to_its_section_of_the_runbook() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.DOTALL | re.MULTILINE))
    assert list(sections) == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        section = sections[rule["alert"]]
        assert re.findall(r"^(Cause|Check|Fix): ", section, re.MULTILINE) == ["Cause", "Check", "Fix"]
        assert "psql" not in section


@pytest.fixture(scope="module")
async def exposed_metrics(folder: Path, postgres: Postgres) -> set[str]:
    """The metric names of an API and a worker with encryption that have stored an entry."""
    port = choose()
    async with (
        start_site(folder, postgres) as site,
        site.running(["api", "worker"], {**health_on(port), **encrypting("k", k=new_key())}),
        site.client() as client,
    ):
        await site.store({**entry_of(), "tenant": new_tenant()})
        found: set[str] = set()
        # The SDK counts some events with a delay, and its metrics are left out of a page when it is slow to answer.
        for pause in pauses(lambda: expected_metrics() - found):  # noqa: B023 - the last value
            text = (await client.get("/metrics")).text + (await page(port, "/metrics")).text
            found |= {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line[:1] != "#"}
            found |= {PARTS_OF_HISTOGRAM.sub("", name) for name in found}
            if expected_metrics() <= found:
                break
            await asyncio.sleep(pause)
    return {PARTS_OF_HISTOGRAM.sub("", name) for name in found}


def expected_metrics() -> set[str]:
    """All metrics that the alerts and the dashboard use."""
    return {name for expression in (*(rule["expr"] for rule in rules()), *queries()) for name in metrics_in(expression)}


def metrics_in(expression: str) -> set[str]:
    return {PARTS_OF_HISTOGRAM.sub("", name) for name in METRIC.findall(LABELS.sub("", expression))}


async def test_every_metric_of_alerts_and_dashboard_is_on_a_page(exposed_metrics: set[str]) -> None:
    for rule in rules():
        assert metrics_in(rule["expr"]) - exposed_metrics == set(), rule["alert"]
    assert set().union(*map(metrics_in, queries())) - exposed_metrics == set()


async def test_each_of_our_metrics_is_documented(exposed_metrics: set[str]) -> None:
    text = (CHECKOUT / "docs/monitoring.md").read_text()
    ours = {name for name in exposed_metrics if name.startswith("trenova_") and not name.endswith("_created")}
    assert {name for name in ours if name not in text} == set()
