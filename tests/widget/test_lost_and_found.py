"""Nothing is lost: dropped lines, reloads, tabs, a busy server, an expired token."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from server_rig import Site
from widget_rig import Line, Widget, WidgetAssistant, thorough

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Widget]
WHOLE = "The first half. The second half."


def go_on(bot: Site, assistant: WidgetAssistant) -> None:
    async def ring() -> None:
        assert assistant.go_on is not None
        assistant.go_on.set()

    bot.call(ring())


def test_a_cut_line_resumes_where_it_broke(
    visit: Visit, bot: Site, assistant: WidgetAssistant, line: Line
) -> None:
    widget = visit(via=line)
    resumed: list[str] = []
    widget.page.on("request", lambda made: resumed.append(made.headers.get("last-event-id", "")))
    widget.open().say("half please")
    expect(widget.answers.last.locator(".bubble")).to_have_text("The first half. ")
    line.cut()
    go_on(bot, assistant)
    assert widget.heard(WHOLE).locator(".bubble").inner_text().strip() == WHOLE
    assert "3" in resumed
    assert len(assistant.asked) == 1


@thorough
def test_a_closed_line_is_told_and_waited_for(
    visit: Visit, bot: Site, assistant: WidgetAssistant, line: Line
) -> None:
    widget = visit(via=line).open().say("half please")
    expect(widget.answers.last.locator(".bubble")).to_have_text("The first half. ")
    line.closed = True
    line.cut()
    expect(widget.page.get_by_role("alert")).to_contain_text("connection broke")
    go_on(bot, assistant)
    line.closed = False
    widget.heard(WHOLE)
    expect(widget.page.locator(".notice")).to_be_hidden()


def test_a_reload_in_mid_answer_rejoins(visit: Visit, bot: Site, assistant: WidgetAssistant) -> None:
    widget = visit().open().say("half please")
    expect(widget.answers.last.locator(".bubble")).to_have_text("The first half. ")
    widget.page.reload()
    widget.open()
    expect(widget.answers.last.locator(".bubble")).to_have_text("The first half. ")
    expect(widget.answers.last).to_have_attribute("aria-busy", "true")
    go_on(bot, assistant)
    widget.heard(WHOLE)
    assert len(assistant.asked) == 1
    widget.page.reload()
    widget.open().heard(WHOLE)
    expect(widget.page.locator(".message.user")).to_have_count(1)


def test_offline_is_told_and_the_message_goes_out_later(visit: Visit, context: BrowserContext) -> None:
    widget = visit().open()
    context.set_offline(True)
    widget.say("hello")
    expect(widget.page.get_by_role("alert")).to_contain_text("You are offline")
    context.set_offline(False)
    widget.heard("within 30 days")
    expect(widget.page.locator(".message.user")).to_have_count(1)


def test_a_lost_answer_to_a_message_does_not_double_it(visit: Visit, assistant: WidgetAssistant) -> None:
    widget = visit().open()
    lost: list[str] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch().text())
            route.abort()
        else:
            route.continue_()

    widget.page.route("**/messages", lose)
    widget.say("hello")
    widget.heard("within 30 days")
    assert lost and len(assistant.asked) == 1


@thorough
def test_a_busy_server_is_told_and_waited_for(visit: Visit, host: object) -> None:
    widget = visit().open()
    origin = widget.page.evaluate("location.origin")
    refused: list[int] = []

    def refuse(route: Route) -> None:
        if route.request.method == "POST" and not refused:
            refused.append(429)
            headers = {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Expose-Headers": "Retry-After",
                "Retry-After": "2",
            }
            route.fulfill(
                status=429, headers=headers, json={"error": {"code": "rate_limited", "message": "too many"}}
            )
        else:
            route.continue_()

    widget.page.route("**/messages", refuse)
    widget.say("hello")
    expect(widget.page.get_by_role("alert")).to_contain_text("Going on in 2 s")
    widget.heard("within 30 days")
    expect(widget.page.locator(".notice")).to_be_hidden()


@thorough
def test_an_answer_that_fails_can_be_asked_for_again(visit: Visit, assistant: WidgetAssistant) -> None:
    widget = visit().open().say("fails please")
    expect(widget.log).to_contain_text("Something went wrong on our side")
    expect(widget.box).to_be_focused()
    with widget.page.expect_response("**/events"):
        widget.page.get_by_role("button", name="Answer again").click()
    expect(widget.log).to_contain_text("Something went wrong on our side")
    expect(widget.page.locator(".message.user")).to_have_count(1)
    assert [said for _, said, *_ in assistant.asked] == ["fails please"] * 2


@thorough
def test_tokens_are_renewed_by_rotation(visit: Visit) -> None:
    widget = visit().open().say("hello")
    widget.heard("within 30 days")
    shelf = "() => Object.entries(localStorage).filter(([k]) => k.endsWith(':refresh')).map(([, v]) => v)[0]"
    before = widget.page.evaluate(shelf)
    widget.page.evaluate("document.querySelector('senmon-chat').chat.api.expires = 0")
    widget.say("hello again")
    expect(widget.answers).to_have_count(2)
    widget.heard("within 30 days")
    after = widget.page.evaluate(shelf)
    assert before and after and before != after


def test_the_browser_keeps_ids_only(visit: Visit, context: BrowserContext) -> None:
    widget = visit().open().say("hello my secret words")
    widget.heard("within 30 days")
    kept = widget.page.evaluate("({...localStorage, ...sessionStorage})")
    assert {name.rpartition(":")[2] for name in kept} <= {"refresh", "conversation", "seen"}
    assert not re.search("secret words|30 days", str(kept))
    assert context.cookies() == []


def test_two_tabs_agree(visit: Visit, context: BrowserContext, bot: Site, assistant: WidgetAssistant) -> None:
    first = visit()
    first.open().say("hello")
    first.heard("within 30 days")
    second = visit().open()
    second.heard("within 30 days")
    second.say("half please")
    expect(first.answers.last.locator(".bubble")).to_have_text("The first half. ")
    go_on(bot, assistant)
    for widget in (first, second):
        widget.heard(WHOLE)
        expect(widget.page.locator(".message.user")).to_have_count(2)
    first.page.get_by_role("button", name="More").click()
    first.page.get_by_role("button", name="New conversation").click()
    expect(second.page.locator(".message.user")).to_have_count(0)
    assert len(assistant.asked) == 2


@thorough
def test_unread_answers_are_counted_and_reading_clears_them_everywhere(
    visit: Visit, bot: Site, assistant: WidgetAssistant
) -> None:
    first = visit()
    first.open().say("half please")
    expect(first.answers.last.locator(".bubble")).to_have_text("The first half. ")
    first.page.keyboard.press("Escape")
    expect(first.page.get_by_role("button", name="Open the chat")).to_be_focused()
    go_on(bot, assistant)
    expect(first.page.get_by_role("button", name="Open the chat, 1 unread")).to_be_visible()
    second = visit()
    expect(second.page.get_by_role("button", name="Open the chat, 1 unread")).to_be_visible()
    second.open()
    expect(first.page.get_by_role("button", name="Open the chat", exact=True)).to_be_visible()
