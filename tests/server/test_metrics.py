"""The figures that a monitor reads: each event of a run moves the right one, and nobody else may look."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from senmon.messages import Event
from senmon.server.metrics import Metrics
from server_rig import Site, client_of

DOCS = Path(__file__).parents[2] / "docs/http.md"


def figures(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_turn_moves_its_figures(site: Site) -> None:
    before = figures(site.anonymous.get("/metrics").text)
    for number, word in enumerate(("order please", "blocked", "fails", "person")):
        run = site.say(site.conversation(), word, str(number)).json()["run_id"]
        site.events(run)
    after = figures(site.anonymous.get("/metrics").text)

    def moved(*key: str) -> float:
        return after.get(key, 0.0) - before.get(key, 0.0)

    assert moved("senmon_turns_total", "finish=stop", "pack=shop") == 2
    assert moved("senmon_turns_total", "finish=content_filter", "pack=shop") == 1
    assert moved("senmon_turns_total", "finish=error", "pack=shop") == 1
    assert moved("senmon_errors_total", "code=engine_unavailable") == 1
    assert moved("senmon_verdicts_total", "check=safety", "outcome=block") == 1
    assert moved("senmon_actions_total", "action=order_status", "pack=shop", "status=finished") == 1
    assert moved("senmon_handoffs_total", "pack=shop") == 1
    assert moved("senmon_tokens_total", "adapter=abc123", "kind=completion", "pack=shop") == 15
    assert moved("senmon_first_text_seconds_count", "pack=shop") == 4
    assert moved("senmon_turn_seconds_count", "pack=shop") == 4
    assert after[("senmon_engine_waiting",)] == 3
    assert after[("senmon_runs_live",)] == before[("senmon_runs_live",)]


def test_figures_are_the_operators(site: Site) -> None:
    token = site.client.headers["Authorization"]
    proxied = client_of(site.url, **{"X-Forwarded-For": "203.0.113.9"})
    assert proxied.get("/metrics").status_code == 401
    assert client_of(site.url, Authorization=token, **{"X-Forwarded-For": "203.0.113.9"}).get(
        "/metrics"
    ).status_code in (401, 403)


def test_every_figure_is_documented() -> None:
    told = set(re.findall(r"^\| `(senmon_\w+?)(?:_total)?`", DOCS.read_text(encoding="utf-8"), re.M))
    metrics = Metrics(dict)
    made = {family.name for family in metrics.registry.collect()}
    assert made == told


def test_a_run_that_broke_is_not_under_way_any_more() -> None:
    metrics = Metrics(dict)
    meter = metrics.begin()
    meter.saw(Event("route", {"pack": None}))
    assert "senmon_runs_live 1.0" in metrics.text().decode()
    meter.end()
    assert "senmon_runs_live 0.0" in metrics.text().decode()


@pytest.mark.parametrize("data", [{}, {"usage": None, "provenance": None}])
def test_an_end_without_figures_counts_as_a_turn(data: dict[str, object]) -> None:
    metrics = Metrics(dict)
    metrics.begin().saw(Event("done", {"finish_reason": "cancelled", **data}))
    assert 'senmon_turns_total{finish="cancelled",pack="-"} 1.0' in metrics.text().decode()
