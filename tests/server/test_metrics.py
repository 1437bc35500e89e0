"""The figures that a monitor reads: each event of a run moves the right one, and nobody else may look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from senmon import __version__
from senmon.errors import ConfigError, StoreError
from senmon.messages import Event
from senmon.server.app import create_app
from senmon.server.metrics import MOST, Metrics
from server_rig import FakeWorkspace, Site, client_of, serving


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
    assert moved("senmon_verdicts_total", "check=safety", "outcome=block", "pack=shop") == 1
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


def test_the_key_for_the_figures_is_good_for_nothing_else(
    make_workspace: Callable[..., FakeWorkspace],
) -> None:
    key = "m" * 16
    with serving(make_workspace(api_keys=("sk-" + "a" * 32,), metrics_key=key)) as site:
        scraper = client_of(site.url, Authorization=f"Bearer {key}")
        assert scraper.get("/metrics").status_code == 200
        assert scraper.get("/v1/models").status_code == 401
        assert scraper.post("/v1/conversations").status_code == 401
        for wrong in ("m" * 15, "m" * 17, "é" * 16):
            headers = [(b"Authorization", f"Bearer {wrong}".encode())]
            answer = httpx.get(f"{site.url}/metrics", headers=headers)
            assert answer.status_code == 401


def test_an_easy_key_for_the_figures_is_refused(make_workspace: Callable[..., FakeWorkspace]) -> None:
    with pytest.raises(ConfigError, match="SENMON_METRICS_KEY"):
        asyncio.run(_started(make_workspace(metrics_key="short")))


async def _started(workspace: FakeWorkspace) -> None:
    app = create_app(workspace)
    async with app.router.lifespan_context(app):
        pass


def test_requests_move_their_figures(site: Site) -> None:
    def read() -> dict[tuple[str, ...], float]:
        return figures(site.anonymous.get("/metrics").text)

    before = read()
    site.anonymous.get("/v1/conversations/nobody")
    site.client.post("/v1/conversations", content=b"{", headers={"Content-Type": "application/json"})
    site.anonymous.get("/no/such/page")
    site.anonymous.get("/no/such/other")
    after = read()

    def moved(*key: str) -> float:
        return after.get(key, 0.0) - before.get(key, 0.0)

    path = "path=/v1/conversations/{id}"
    assert moved("senmon_http_requests_total", path, "status=4xx") == 1
    assert moved("senmon_http_requests_total", "path=-", "status=4xx") == 2
    assert moved("senmon_http_errors_total", "code=not_found") == 2
    assert sum(moved(*key) for key in after if key[0] == "senmon_http_errors_total") == 4
    assert after[("senmon_http_in_flight",)] == 1  # the one that asks


def test_what_is_read_at_a_scrape(site: Site) -> None:
    conversation = site.conversation()
    before = figures(site.anonymous.get("/metrics").text)
    site.events(site.say(conversation, "person please").json()["run_id"])
    after = figures(site.anonymous.get("/metrics").text)
    waiting, oldest = ("senmon_handovers_waiting",), ("senmon_handover_oldest_seconds",)
    assert after[waiting] == before[waiting] + 1
    assert 0 <= after[oldest] < 600
    assert after[("senmon_ready",)] == after[("senmon_store_up",)] == 1
    assert after[("senmon_packs", "status=untuned")] == 1
    assert after[("senmon_problems",)] == 1
    assert 0 < after[("senmon_disk_free_bytes",)] < after[("senmon_disk_bytes",)]
    assert after[("senmon_build_info", f"version={__version__}")] == 1
    assert after[("process_resident_memory_bytes",)] > 1e6
    site.workspace.is_ready = False
    assert figures(site.anonymous.get("/metrics").text)[("senmon_ready",)] == 0


def test_a_store_that_fails_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(site.workspace.store, "check", fails)
    now = figures(site.anonymous.get("/metrics").text)
    assert now[("senmon_store_up",)] == now[("senmon_ready",)] == 0
    assert ("senmon_handovers_waiting",) not in now


def test_no_label_grows_without_end() -> None:
    metrics = Metrics(dict)
    for number in range(3 * MOST):
        meter = metrics.begin()
        meter.saw(Event("route", {"pack": f"pack{number}"}))
        meter.saw(Event("delta", {"text": "so"}))
        meter.step("generate", 0.1, {"pack": f"pack{number}", "adapter": f"{number}", "first_token": 0.05})
        meter.saw(Event("done", {"finish_reason": "stop"}))
        meter.end()
    now = figures(metrics.text().decode())
    packs = [key for key in now if key[0] == "senmon_turns_total"]
    assert len(packs) == MOST + 1
    assert now[("senmon_turns_total", "finish=stop", "pack=other")] == 2 * MOST
    assert now[("senmon_generate_seconds_count", "adapter=other", "pack=other")] == 2 * MOST
    assert now[("senmon_first_token_seconds_bucket", "adapter=7", "le=0.05", "pack=pack7")] == 1


def test_runs_taken_over_are_counted() -> None:
    metrics = Metrics(dict)
    for taken in (False, True, True):
        metrics.begin(taken=taken)
    assert figures(metrics.text().decode())[("senmon_takeovers_total",)] == 2


def test_times_of_start_are_not_told() -> None:
    metrics = Metrics(dict)
    metrics.begin().saw(Event("done", {"finish_reason": "stop"}))
    assert "_created" not in metrics.text().decode()


def test_turns_wait_until_something_is_released() -> None:
    metrics = Metrics(dict)
    first, second = metrics.begin(), metrics.begin()
    first.saw(Event("delta", {"text": "so"}))
    assert figures(metrics.text().decode())[("senmon_runs_waiting",)] == 1
    for meter in (first, second):
        meter.end()
    now = figures(metrics.text().decode())
    assert now[("senmon_runs_waiting",)] == now[("senmon_runs_live",)] == 0


def test_what_the_engine_counts_is_a_counter() -> None:
    text = Metrics(lambda: {"requests": 3, "waiting": 2}).text().decode()
    assert "# TYPE senmon_engine_requests_total counter\nsenmon_engine_requests_total 3.0" in text
    assert "# TYPE senmon_engine_waiting gauge\nsenmon_engine_waiting 2.0" in text


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
