"""The console and the widget in a real browser, at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from console_rig import HOSTILE, PASSWORD
from server_rig import Site
from widget_rig import WATCH, Widget

AXE = Path(__file__).parents[1] / "widget" / "vendor" / "axe.min.js"
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def accessible(page: Page) -> None:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
    assert found == [], page.url
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0, f"{page.url} is wider than its window"


def test_from_sign_in_to_a_reviewed_turn(site: Site, browser: Browser) -> None:
    faults: list[str] = []
    visitors, staff = browser.new_context(), browser.new_context(viewport={"width": 1200, "height": 800})
    for context in (visitors, staff):
        context.add_init_script(WATCH)
        context.set_default_timeout(30_000)
    visitor, agent = visitors.new_page(), staff.new_page()
    for page in (visitor, agent):
        page.on("pageerror", lambda error: faults.append(str(error)))
    agent.on("request", lambda made: None if made.url.startswith(site.url) else faults.append(made.url))
    visitor.goto(f"{site.url}/chat")
    widget = Widget(visitor)
    widget.say("person please")
    widget.heard("passing this on")

    agent.goto(f"{site.url}/console")
    agent.get_by_label("Name").fill("owner")
    agent.get_by_label("Password").fill(PASSWORD)
    accessible(agent)
    agent.get_by_role("button", name="Sign in").click()
    # Who has waited longest comes first; other tests' visitors may still wait.
    agent.locator(".conversations a", has_text="waits for a person").last.click()
    accessible(agent)
    agent.get_by_role("button", name="Take over").click()
    expect(visitor.get_by_text("Owner").first).to_be_visible()
    agent.get_by_label("Your answer to the visitor").fill("Hello from <b>Owner</b>")
    agent.keyboard.press("Enter")
    expect(visitor.get_by_text("Hello from <b>Owner</b>").first).to_be_visible()
    widget.say(HOSTILE)
    expect(agent.locator("#thread")).to_contain_text("<script>window.hacked=1")
    accessible(agent)
    agent.get_by_role("button", name="Close").click()
    expect(agent.get_by_role("button", name="Take over")).to_be_visible()

    agent.set_viewport_size({"width": 375, "height": 740})
    agent.goto(f"{site.url}/console/review?kind=handed+over")
    accessible(agent)
    agent.get_by_role("link", name="person please").first.click()
    expect(agent.get_by_role("heading", name="Review a turn")).to_be_visible()
    accessible(agent)
    with agent.expect_navigation():
        agent.keyboard.press("d")
    agent.goto(f"{site.url}/console/review?decided=1")
    expect(agent.get_by_text("dismiss").first).to_be_visible()
    assert agent.evaluate("[window.hacked ?? null, window.violations]") == [None, []]
    assert faults == []
    visitors.close()
    staff.close()
