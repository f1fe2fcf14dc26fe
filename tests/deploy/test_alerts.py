"""The alert rules and the dashboard: right by Prometheus' own word, and about metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from payments import audit, checkers, throttle
from tests.deploy.tools import DEPLOY, run
from tests.processes import ROOT

RULES = DEPLOY / "prometheus" / "alerts.yml"
RULES_TEST = DEPLOY / "prometheus" / "alerts_test.yml"
DASHBOARD = DEPLOY / "grafana" / "okpuja-payments.json"
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())


def test_promtool_accepts_the_rules():
    checked = run("promtool", "check", "rules", RULES, package="prometheus")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout


def test_each_alert_fires_when_it_should_and_is_silent_when_it_should():
    checked = run("promtool", "test", "rules", RULES_TEST, package="prometheus")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS" in checked.stdout


def test_promtool_notices_a_rule_that_stopped_working(tmp_path):
    text = RULES.read_text()
    assert "payments_checkers) == 0" in text
    (tmp_path / "alerts.yml").write_text(text.replace("payments_checkers) == 0", "payments_checkers) == 9"))
    (tmp_path / "alerts_test.yml").write_text(RULES_TEST.read_text())

    checked = run("promtool", "test", "rules", tmp_path / "alerts_test.yml", package="prometheus")

    assert checked.returncode != 0
    assert "PaymentsCheckerDead" in checked.stdout + checked.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_tried_firing_and_silent(alert):
    outcomes = re.findall(rf"alertname: {alert}\n\s+exp_alerts:( \[\])?", RULES_TEST.read_text())

    assert set(outcomes) == {"", " []"}


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_has_its_section_in_the_runbook(alert):
    manual = (ROOT / "docs" / "operations.md").read_text()

    assert f"### {alert}\n" in manual
    assert f"runbook: docs/operations.md#{alert.lower()}\n" in RULES.read_text()


@pytest.mark.django_db(transaction=True)
def test_rules_and_dashboard_name_only_metrics_that_are_told():
    now = timezone.now()
    throttle.take(1, now=now)
    audit.run(now=now)
    checkers.beat(interval_s=60, now=now, swept_at=now)

    text = Client().get("/metrics").content.decode()

    told = set(re.findall(r"^(payments_\w+)", text, re.MULTILINE)) | {
        f"{name}" for name in re.findall(r"^# TYPE (payments_\w+) gauge", text, re.MULTILINE)
    }
    named = set(re.findall(r"\bpayments_\w+", " ".join([RULES.read_text(), *expressions()])))
    assert named - told == set()
    assert len(named) > 20


def test_the_dashboard_is_one_that_grafana_can_read():
    board = json.loads(DASHBOARD.read_text())

    assert (board["uid"], bool(board["title"]), board["schemaVersion"] >= 36) == (
        "okpuja-payments",
        True,
        True,
    )
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    assert all(panel["title"] and panel["targets"] and panel["gridPos"]["w"] for panel in board["panels"])
    assert not overlapping(board["panels"])


def test_promtool_can_read_every_expression_of_the_dashboard(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions())]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))

    checked = run("promtool", "check", "rules", tmp_path / "panels.yml", package="prometheus")

    assert checked.returncode == 0, checked.stdout + checked.stderr


def expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def overlapping(panels: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Squares of the grid that two panels claim."""
    squares = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    return [square for square in set(squares) if squares.count(square) > 1]
