"""The chat page in a real browser, against a real server: what it shows, what it never runs, keys only."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect, sync_playwright

from senmon.messages import Event
from senmon.packs.loader import load_pack
from senmon.settings import Settings
from server_rig import FakeCatalog, FakeServed, FakeWorkspace, ScriptedAssistant, Site, serving
from tiny import write_pack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

HOSTILE = (
    '<img src=x onerror="window.broken=1"> <script>window.broken=1</script> '
    "[click](javascript:window.broken=1) <a href='javascript:window.broken=1'>here</a> &lt;b&gt; [[x]]"
)
#: Before the page's own scripts: what the browser refused because of the page's policy.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective }) => {
  window.violations.push(violatedDirective);
});
"""


class TalkativeAssistant(ScriptedAssistant):
    """Also slow, and hostile."""

    async def _script(self, word: str) -> AsyncIterator[Event]:
        if word == "slowly":
            yield Event("delta", {"text": "First. "})
            await asyncio.sleep(1.0)
            yield Event("delta", {"text": "Second."})
            yield Event("done", {"finish_reason": "stop"})
        elif word == "hostile":
            bad = {"id": "x", "title": HOSTILE, "url": "javascript:window.broken=1", "score": 0.9}
            yield Event("passages", {"items": [bad]})
            yield Event("action", {"name": "look", "label": HOSTILE, "status": "started"})
            buttons = [{"title": HOSTILE, "payload": "hello"}]
            yield Event("action", {"name": "look", "status": "finished", "buttons": buttons})
            yield Event("delta", {"text": HOSTILE})
            yield Event("done", {"finish_reason": "stop"})
        else:
            async for event in super()._script(word):
                yield event


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("packs") / "shop"
    texts = {"greeting": "Hello from <b>the shop</b>!", "suggestions": ["hello there"]}
    pack = load_pack(write_pack(folder, texts=texts, persona={"name": "Tilly"}))
    settings = Settings(home=tmp_path_factory.mktemp("home"), rate_limit_per_minute=0, demo=True)
    with serving(FakeWorkspace(settings, FakeCatalog({"shop": FakeServed(pack)}))) as running:
        yield running


@pytest.fixture
def site(served: Site) -> Site:
    served.workspace.reset()
    served.workspace.assistant = TalkativeAssistant()
    return served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        why = "Chromium is not here, so the page is not tried: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    # Chromium's sandbox refuses to work for root.
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context()
    opened.add_init_script(WATCH)
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, site: Site) -> Iterator[Page]:
    """The page, loaded. Whatever a test does, nothing may be refused, thrown or fetched from elsewhere."""
    tab = context.new_page()
    faults: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            faults.append(message.text)

    tab.on("console", hear)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda made: None if made.url.startswith(site.url) else faults.append(made.url))
    tab.goto(site.url)
    expect(tab.get_by_role("log")).to_contain_text("Hello from <b>the shop</b>!")
    yield tab
    assert tab.evaluate("window.violations") == []
    # Answers that refuse are reported by the browser; the tests that provoke one look for it themselves.
    assert [fault for fault in faults if "status of 4" not in fault] == []


def say(page: Page, words: str) -> None:
    page.get_by_label("Your message").fill(words)
    page.keyboard.press("Enter")


def heard(page: Page, words: str = "You can send it back within 30 days.") -> None:
    """The last reply says so and has ended."""
    answer = page.locator(".assistant").last
    expect(answer.locator(".bubble")).to_have_text(words)
    expect(answer).to_have_attribute("aria-busy", "false")


def replies(page: Page) -> list[str]:
    return page.locator(".assistant .bubble").all_inner_texts()


def test_the_page_loads(page: Page) -> None:
    expect(page).to_have_title("Chat")
    expect(page.locator("#packs")).to_have_text("Corner shop")
    expect(page.get_by_role("log")).to_have_attribute("aria-label", "Conversation")
    expect(page.get_by_role("button", name="hello there")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_message_streams(page: Page) -> None:
    say(page, "slowly please")
    answer = page.locator(".assistant").last
    expect(answer.locator(".bubble")).to_have_text("First. ")
    expect(answer).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    expect(answer.locator(".bubble")).to_have_text("First. Second.")
    expect(answer).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    expect(answer.locator(".badge")).to_have_text("Tilly · Corner shop")


def test_hostile_markup_stays_text(page: Page) -> None:
    say(page, f"hostile {HOSTILE}")
    answer = page.locator(".assistant").last
    expect(answer.get_by_role("button", name="Helpful", exact=True)).to_be_visible()
    for place in (answer.locator(".bubble"), answer.locator(".sources"), answer.locator(".doing")):
        expect(place).to_contain_text("<script>window.broken=1</script>")
    expect(answer.get_by_role("button", name="<img src=x")).to_be_visible()
    expect(page.locator(".user .bubble").last).to_contain_text("<script>")
    assert page.locator("img, .log script, .log a").count() == 0
    assert page.evaluate("window.broken") is None
    page.reload()
    expect(page.locator(".assistant .bubble").last).to_contain_text("<script>")
    assert page.locator("img, .log script, .log a").count() == 0
    assert page.evaluate("window.broken") is None


def test_stop_ends_the_reply(page: Page, site: Site) -> None:
    say(page, "wait please")
    expect(page.locator(".assistant .bubble").last).to_have_text("One moment. ")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".assistant").last).to_contain_text("Stopped.")
    assert site.workspace.assistant.cancelled == ["wait please"]
    expect(page.get_by_label("Your message")).to_be_focused()
    say(page, "hello")
    heard(page)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.textContent"))


def test_keys_alone_are_enough(page: Page) -> None:
    assert focused(page) == "text"
    reached = []
    for _ in range(9):
        reached.append(focused(page))
        page.keyboard.press("Tab")
    assert {"text", "send", "sign-in", "fresh", "log", "hello there"} <= set(reached)
    for _ in range(12):
        if focused(page) == "hello there":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    heard(page)
    # The suggestion keeps the focus: a reply that ends takes nobody away from where they are.
    assert focused(page) == "hello there"
    page.get_by_label("Your message").focus()
    page.keyboard.type("wait here")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("and there")
    page.keyboard.press("Enter")
    expect(page.locator(".user .bubble").last).to_have_text(re.compile(r"wait here\s+and there"))
    expect(page.locator(".assistant .bubble").last).to_have_text("One moment. ")
    page.keyboard.press("Tab")
    assert focused(page) == "stop"
    page.keyboard.press("Enter")
    expect(page.locator(".assistant").last).to_contain_text("Stopped.")
    assert focused(page) == "text"
    page.keyboard.type("wait again")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_a_reload_keeps_the_conversation(page: Page) -> None:
    say(page, "hello")
    heard(page)
    say(page, "slowly now")
    expect(page.locator(".assistant .bubble").last).to_have_text("First. ")
    page.reload()
    heard(page, "First. Second.")
    expect(page.locator(".user .bubble")).to_have_text(["hello", "slowly now"])
    assert replies(page)[1:] == ["You can send it back within 30 days.", "First. Second."]
    expect(page.locator(".badge").last).to_have_text("Tilly · Corner shop")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".user")).to_have_count(0)
    page.reload()
    expect(page.locator(".user")).to_have_count(0)


def test_what_could_not_be_sent_is_not_lost(page: Page) -> None:
    words = "a" * 4001
    say(page, words)
    expect(page.get_by_role("alert")).to_contain_text("at most 4000 are allowed")
    expect(page.get_by_label("Your message")).to_have_value(words)
    expect(page.locator(".user")).to_have_count(0)


def test_two_quick_messages_do_not_meet(page: Page, site: Site) -> None:
    say(page, "slowly one")
    say(page, "slowly two")
    heard(page, "First. Second.")
    expect(page.locator(".user .bubble")).to_have_text(["slowly one"])
    expect(page.get_by_label("Your message")).to_have_value("slowly two")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert [asked[1] for asked in site.workspace.assistant.asked] == ["slowly one"]


def test_feedback_with_a_correction(page: Page, site: Site) -> None:
    say(page, "hello")
    page.get_by_role("button", name="Not helpful").click()
    page.get_by_label("What should it have said?").fill("Within 31 days.")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Thank you.")).to_be_visible()
    kept = site.call(site.workspace.store.feedback())
    assert [(given.rating, given.correction) for given in kept] == [("down", "Within 31 days.")]


def test_the_demo_customer_signs_in_and_out(page: Page, site: Site) -> None:
    page.get_by_role("button", name="Sign in as demo customer").click()
    expect(page.get_by_role("button", name="Sign out")).to_have_attribute("aria-pressed", "true")
    say(page, "hello")
    heard(page)
    assert site.workspace.assistant.asked[-1][2].customer == "demo"
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator(".user")).to_have_count(0)
    say(page, "hello")
    heard(page)
    assert site.workspace.assistant.asked[-1][2].customer is None


def test_a_narrow_screen_needs_no_sideways_scrolling(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    say(page, "hello " + "long" * 60)
    heard(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_markup_would_not_run_even_if_it_got_in(context: BrowserContext, site: Site) -> None:
    """The page's policy stands behind its care."""
    tab = context.new_page()
    tab.goto(site.url)
    expect(tab.get_by_role("log")).to_contain_text("Hello")
    bad = "<img src=x onerror=window.broken=1><a href='javascript:window.broken=1'>here</a>"
    tab.evaluate("(bad) => document.body.insertAdjacentHTML('beforeend', bad)", bad)
    tab.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'broken=1'}))")
    tab.get_by_role("link", name="here").click()
    tab.wait_for_function("window.violations.length >= 3")
    assert tab.evaluate("window.broken") is None
    with pytest.raises(Error):
        tab.evaluate("fetch('http://127.0.0.2:9/')")
