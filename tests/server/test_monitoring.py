"""Alerts and dashboard ask for figures that there are; Prometheus's own tool judges the rules."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from senmon.server.gauges import COUNTED, HAS, STATE
from senmon.server.metrics import RAISED, REFUSED, Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = DEPLOY / "grafana/dashboards/senmon.json"
PROVISIONING = DEPLOY / "grafana/provisioning"
DOCS = Path(__file__).parents[2] / "docs/observability.md"
PAGE_OR_TICKET = {"page", "ticket"}
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("_count", "_sum"), "counter": ("_total",)}
#: Prometheus adds these; `le` is a histogram's.
EVERYWHERE = {"instance", "job", "le"}
promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not here (apt: prometheus)"
)


def exposed() -> dict[str, set[str]]:
    """Sample name → its labels, of a server with every figure."""
    metrics = Metrics(lambda: dict.fromkeys((*COUNTED, *HAS), 0))
    labels = {
        next(iter(each.describe())).name: each._labelnames
        for each in vars(metrics).values()
        if hasattr(each, "describe")
    }
    found = {}
    for family in metrics.registry.collect():
        given = {STATE[family.name][1]} if family.name in STATE else set(labels.get(family.name, ()))
        for suffix in SUFFIXES.get(family.type, ("",)):
            name = family.name + suffix if not family.name.endswith("_total") else family.name
            found[name] = given | EVERYWHERE
    return found | {"up": {"job", "instance"}}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return board


def questions() -> Iterator[tuple[str, str]]:
    """Where it stands, and the PromQL."""
    yield from ((rule["alert"], rule["expr"]) for rule in rules())
    for panel in dashboard()["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", ()))


def test_every_figure_that_is_asked_for_exists() -> None:
    known = exposed()
    asked = set()
    for place, expression in questions():
        for name, matchers in re.findall(r"\b((?:senmon|process)_\w+|up)\b(?:\{([^}]*)\})?", expression):
            assert name in known, f"{place}: {name}"
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert labels <= known[name], f"{place}: {name} has no {labels - known[name]}"
            asked.add(name)
    assert len(asked) > 40


def test_what_is_grouped_by_is_a_label_of_something() -> None:
    every = set().union(*exposed().values())
    for place, expression in questions():
        for names in re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", expression):
            assert {name.strip() for name in names.split(",")} <= every, f"{place}: {names}"


def test_codes_that_raise_an_alert_are_counted_from_the_start() -> None:
    for rule in rules():
        for metric, pattern in re.findall(r'(senmon_\w+)\{code=~?"([^"]+)"', rule["expr"]):
            codes = RAISED if metric == "senmon_errors_total" else REFUSED
            assert any(re.fullmatch(pattern, code) for code in codes), rule["alert"]


def test_every_alert_says_what_it_is_and_is_explained() -> None:
    page = DOCS.read_text(encoding="utf-8")
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in PAGE_OR_TICKET and rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in page, rule["alert"]
    assert set(re.findall(r"`(Senmon[A-Z]\w+)`", page)) == set(names)


def test_every_alert_is_tried_both_ways() -> None:
    tried: dict[str, set[bool]] = {}
    files = sorted(PROMETHEUS.glob("*.test.yml"))
    for case in (case for file in files for case in yaml.safe_load(file.read_text("utf-8"))["tests"]):
        for each in case["alert_rule_test"]:
            tried.setdefault(each["alertname"], set()).add(bool(each["exp_alerts"]))
    assert tried == {rule["alert"]: {True, False} for rule in rules()}


@promtool
@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml", "alerts.days.test.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
    ],
)
def test_prometheus_takes_the_files(command: list[str]) -> None:
    done = subprocess.run(["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    made = [{"record": f"a{at}", "expr": filled(text)} for at, (_, text) in enumerate(questions())]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": made}]}), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def filled(expression: str) -> str:
    """Grafana's variables as it would fill them in."""
    for name, value in (("$__rate_interval", "1m"), ("$pack", ".*"), ("$instance", ".*")):
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def test_the_dashboard_fits_its_provisioning() -> None:
    board = dashboard()
    source = yaml.safe_load((PROVISIONING / "datasources/prometheus.yml").read_text(encoding="utf-8"))
    provider = yaml.safe_load((PROVISIONING / "dashboards/senmon.yml").read_text(encoding="utf-8"))
    (default,) = (each for each in board["templating"]["list"] if each["type"] == "datasource")
    assert default["current"]["value"] in [each["uid"] for each in source["datasources"]]
    assert provider["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
    known = {each["name"] for each in board["templating"]["list"]} | {"__rate_interval", "__all"}
    assert set(re.findall(r"\$\{?(\w+)\}?", DASHBOARD.read_text(encoding="utf-8"))) <= known


def test_panels_stand_beside_each_other() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(each["x"] >= 0 and each["x"] + each["w"] <= 24 for each in places)
    for one, other in itertools.combinations(places, 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart or above, (one, other)
