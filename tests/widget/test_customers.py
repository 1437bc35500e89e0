"""Customers whom a site signed in with its own secret: the right one is served, everybody else is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from playwright.sync_api import BrowserContext, Route, expect

from senmon.messages import Event
from senmon.server.registering import Registered, new_site
from senmon.server.secret import load_secret
from server_rig import Site
from widget_rig import HostSite, Widget, WidgetAssistant

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Widget]
IDENTIFY = """(token) => {
  window.token = token;
  return document.querySelector("senmon-chat").identify(() => window.token);
}"""


@pytest.fixture(scope="module")
def sites(served: Site, host: HostSite) -> Iterator[dict[str, Registered]]:
    """Two sites with secrets of their own; `members` answers nobody else."""
    with pytest.MonkeyPatch.context() as patch:
        # A running server looks for new sites once a second.
        patch.setattr("senmon.server.sites.FRESH_SECONDS", 0.0)
        made = {}
        for name, strict in (("store", False), ("guild", True)):
            master = load_secret(served.workspace.settings.home)
            made[name] = new_site(master, name, origins=[host.url], require_identity=strict)
            served.call(served.workspace.store.sites.add(made[name].site))
        yield made


def token(
    made: Registered, customer: str = "C-1", seconds: int = 600, secret: str = "", **claims: Any
) -> str:
    payload = {"sub": customer, "aud": made.site.public_key, "exp": int(time.time()) + seconds, **claims}
    return jwt.encode(payload, secret or made.secret, algorithm="HS256")


def test_the_right_customer_is_served_and_no_other(
    visit: Visit, sites: dict[str, Registered], assistant: WidgetAssistant
) -> None:
    store = sites["store"]
    widget = visit(**{"site-key": str(store.site.public_key)})
    page = widget.page
    page.evaluate(IDENTIFY, token(store))
    widget.open().say("mine")
    widget.heard("Orders of C-1.")
    good = token(store)
    bad = {
        "expired": token(store, seconds=-90),
        "tampered": good[:-6] + ("AAAAAA" if not good.endswith("AAAAAA") else "BBBBBB"),
        "of another site": token(sites["guild"]),
        "for another site": token(store, aud=str(sites["guild"].site.public_key)),
        "too long": token(store, seconds=2 * 3600),
        "unsigned": jwt.encode(
            {"sub": "C-1", "aud": store.site.public_key, "exp": 9e9}, "", algorithm="none"
        ),
        "a page to log in": "<!doctype html><h1>Please log in</h1>",
    }
    for name, refused in bad.items():
        page.evaluate(IDENTIFY, refused)
        expect(page.get_by_role("alert"), name).to_contain_text("Please sign in on this page first.")
        expect(page.locator(".message")).to_have_count(0)
    page.evaluate(IDENTIFY, good)
    widget.heard("Orders of C-1.")
    conversation = page.evaluate("document.querySelector('senmon-chat').chat.conversation")
    page.evaluate(IDENTIFY, token(store, "C-2"))
    expect(page.locator(".message.user")).to_have_count(0)
    stolen = page.evaluate(
        """(id) => document.querySelector("senmon-chat").chat.api.fetch(`v1/conversations/${id}`)
        .then(() => "read", (refused) => refused.status)""",
        conversation,
    )
    assert stolen in (403, 404)
    widget.say("mine")
    widget.heard("Orders of C-2.")
    # Signed out: the page has no token any more.
    page.evaluate(IDENTIFY, "")
    expect(page.locator(".message.user")).to_have_count(0)
    widget.say("mine")
    widget.heard("Orders of nobody.")
    assert [who.customer for _, _, who, _, _ in assistant.asked] == ["C-1", "C-2", None]


def test_who_signs_in_while_a_token_is_on_its_way_is_that_one(
    visit: Visit, context: BrowserContext, sites: dict[str, Registered]
) -> None:
    """The widget begins by itself as the page loads; the page learns a moment later who is signed in."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    context.route("**/v1/visitors", hold)
    members = sites["guild"]
    widget = visit(open="", **{"site-key": str(members.site.public_key)})
    expect(widget.page.get_by_text("Loading…")).to_be_visible()
    assert held
    widget.page.evaluate(f"(token) => {{ void ({IDENTIFY})(token); }}", token(members))
    held[0].continue_()
    expect(widget.box).to_be_visible()
    widget.say("mine")
    widget.heard("Orders of C-1.")


def test_signing_in_during_an_answer_does_not_lose_it(
    visit: Visit, sites: dict[str, Registered], bot: Site, assistant: WidgetAssistant
) -> None:
    store = sites["store"]
    widget = visit(**{"site-key": str(store.site.public_key)}).open().say("half please")
    expect(widget.answers.last.locator(".bubble")).to_have_text("The first half. ")
    widget.page.evaluate(IDENTIFY, token(store))

    async def ring() -> None:
        assert assistant.go_on is not None
        assistant.go_on.set()

    expect(widget.box).to_be_visible()
    bot.call(ring())
    widget.heard("The first half. The second half.")
    expect(widget.page.locator(".message.user")).to_have_count(1)


def test_of_a_long_conversation_the_end_is_shown_first(visit: Visit, bot: Site) -> None:
    widget = visit().open().say("hello")
    widget.heard("within 30 days")
    conversation = widget.page.evaluate("document.querySelector('senmon-chat').chat.conversation")

    async def talk() -> None:
        store = bot.workspace.store
        for number in range(60):
            opening = Event("run", {}, {"messages": [{"role": "user", "content": f"Question {number}"}]})
            run = await store.start_run(conversation, f"n{number}", f"Question {number}", opening=opening)
            await store.append(run.id, Event("delta", {"text": f"Answer {number}."}))
            await store.append(run.id, Event("done", {"finish_reason": "stop"}))
            await store.finish_run(run.id, "done")

    bot.call(talk())
    widget.page.reload()
    widget.open().heard("Answer 59.")
    asked = widget.page.locator(".message.user")
    expect(asked).to_have_count(50)
    widget.page.get_by_role("button", name="Earlier messages").click()
    expect(asked).to_have_count(61)
    expect(asked.first).to_contain_text("hello")
    expect(widget.page.get_by_role("button", name="Earlier messages")).to_have_count(0)
    assert widget.log.evaluate("(log) => log.scrollTop") > 200
