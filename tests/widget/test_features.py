"""What visitors can do beside asking."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from senmon.store.records import Site as SiteRecord
from server_rig import Site
from widget_rig import PLAIN_PAGE, HostSite, Widget, WidgetAssistant, thorough

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Widget]


def test_answers_show_their_pack_their_steps_and_their_sources(visit: Visit, host: HostSite) -> None:
    widget = visit().open()
    expect(widget.log.get_by_role("button", name="hello there")).to_be_visible()
    widget.say("order please")
    answer = widget.heard("It comes on Tuesday.")
    expect(answer.locator(".who")).to_contain_text("Tilly · Corner shop")
    expect(answer.locator(".step.finished")).to_contain_text("looking up your order")
    answer.get_by_role("button", name="Track it").click()
    answer = widget.heard("within 30 days")
    expect(widget.page.locator(".message.user .bubble").last).to_have_text("/track")
    answer.get_by_role("button", name="Read the article: Returns").click()
    expect(widget.page.get_by_role("button", name="Back to the conversation")).to_be_focused()
    article = widget.page.get_by_role("article", name="Returns")
    expect(article.locator("strong")).to_have_text("30 days")
    expect(article.get_by_role("link", name="Open on the website")).to_have_attribute(
        "href", f"{host.url}/help/returns"
    )
    widget.page.keyboard.press("Escape")
    expect(widget.box).to_be_focused()


def test_the_wrong_topic_is_told_and_asked_there(visit: Visit, bot: Site, assistant: WidgetAssistant) -> None:
    widget = visit().open().say("hello")
    answer = widget.heard("within 30 days")
    answer.get_by_role("button", name="Wrong topic?").click()
    with widget.page.expect_request("**/feedback") as told:
        answer.get_by_role("group", name="What is your question about?").get_by_role(
            "button", name="Garden"
        ).click()
    assert (told.value.post_data_json or {})["topic"] == "garden"
    expect(widget.answers.last.locator(".who")).to_contain_text("Garden")
    expect(widget.page.locator(".message.user")).to_have_count(1)
    assert [(said, pinned) for _, said, _, pinned, _ in assistant.asked] == [
        ("hello", None),
        ("hello", "garden"),
    ]
    widget.page.reload()
    widget.open()
    expect(widget.page.locator(".message.user")).to_have_count(1)


@thorough
def test_stop_then_edit(visit: Visit, assistant: WidgetAssistant) -> None:
    widget = visit().open().say("wait please")
    expect(widget.answers.last.locator(".bubble")).to_have_text("One moment. ")
    widget.page.get_by_role("button", name="Stop the answer").click()
    expect(widget.answers.last).to_contain_text("Stopped.")
    widget.page.get_by_role("button", name="Change my message").click()
    expect(widget.box).to_have_value("wait please")
    widget.say("hello instead")
    widget.heard("within 30 days")
    expect(widget.page.locator(".message.user .bubble")).to_have_text(["hello instead"])
    assert [said for _, said, *_ in assistant.asked] == ["wait please", "hello instead"]
    assert not assistant.asked[1][0].messages


@thorough
def test_thumbs_with_a_reason_and_a_correction(visit: Visit, bot: Site) -> None:
    widget = visit().open().say("hello")
    answer = widget.heard("within 30 days")
    answer.get_by_role("button", name="Not helpful").click()
    expect(answer.get_by_label("It is not true")).to_be_focused()
    answer.get_by_label("Something is missing").check()
    answer.get_by_label("What should the answer have been?").fill("Within 60 days.")
    with widget.page.expect_request("**/feedback") as told:
        answer.get_by_role("button", name="Send").click()
    assert told.value.post_data_json == {
        "rating": "down",
        "reason": "Something is missing",
        "correction": "Within 60 days.",
    }
    expect(answer).to_contain_text("Thank you for telling us.")
    expect(answer.get_by_role("button", name="Not helpful")).to_have_attribute("aria-pressed", "true")
    widget.page.reload()
    widget.open()
    expect(widget.answers.last.get_by_role("button", name="Not helpful")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_person_takes_over(visit: Visit, bot: Site, assistant: WidgetAssistant) -> None:
    widget = visit().open().say("hello")
    widget.heard("within 30 days")
    menu(widget, "Talk to a person")
    widget.page.get_by_label("What is it about?").fill("A broken zip")
    widget.page.get_by_role("button", name="Ask for a person").click()
    expect(widget.page.locator(".bar").get_by_text("Place in the queue: 1.")).to_be_visible()
    desk = bot.anonymous
    [waiting] = desk.get("/v1/handovers", params={"site": "shop"}).json()["handovers"]
    at = f"/v1/handovers/{waiting['id']}"
    assert desk.post(f"{at}/accept", json={"agent": "Ruth"}).status_code == 200
    expect(widget.page.locator(".bar").get_by_text("Ruth is with you.")).to_be_visible()
    assert desk.post(f"{at}/messages", json={"text": "Send me a **picture**, please."}).status_code in (
        200,
        201,
    )
    said = widget.page.locator(".message.agent")
    expect(said.locator("strong")).to_have_text("picture")
    expect(said).to_contain_text("Ruth")
    with widget.page.expect_response("**/messages") as given:
        widget.say("Here it is")
    assert given.value.json() == {"run_id": None, "delivered": True}
    expect(widget.page.locator(".message.user").last).to_contain_text("Here it is")
    assert desk.post(f"{at}/close").status_code == 200
    expect(
        widget.page.locator(".bar").get_by_text("The conversation with a person has ended.")
    ).to_be_visible()
    assert len(assistant.asked) == 1
    widget.page.reload()
    widget.open()
    expect(widget.page.locator(".message.agent")).to_contain_text("picture")
    expect(widget.page.locator(".message.user .bubble")).to_have_text(["hello", "Here it is"])


def menu(widget: Widget, entry: str) -> None:
    widget.page.get_by_role("button", name="More").click()
    widget.page.locator(".menu").get_by_role("button", name=entry).click()


@thorough
def test_the_rating_counts_once(visit: Visit) -> None:
    widget = visit().open().say("hello")
    widget.heard("within 30 days")
    menu(widget, "End and rate")
    widget.page.get_by_label("4 of 5").check(force=True)
    widget.page.get_by_label("Anything else?").fill("Quick.")
    with widget.page.expect_response("**/rating") as rated:
        widget.page.get_by_role("button", name="Send", exact=True).click()
    assert rated.value.ok and rated.value.request.post_data_json == {"score": 4, "comment": "Quick."}
    expect(widget.page.get_by_role("alert")).to_contain_text("Thank you for your rating.")
    widget.page.get_by_role("button", name="More").click()
    expect(widget.page.get_by_role("button", name="End and rate")).to_have_count(0)


@thorough
def test_the_transcript_is_a_file(visit: Visit, tmp_path: Path) -> None:
    widget = visit().open().say("hello")
    widget.heard("within 30 days")
    with widget.page.expect_download() as loading:
        menu(widget, "Download the conversation")
    loading.value.save_as(tmp_path / "conversation.md")
    text = (tmp_path / "conversation.md").read_text(encoding="utf-8")
    assert loading.value.suggested_filename == "conversation.md"
    assert "hello" in text and "within 30 days" in text


# Sites of other kinds

FORM = {
    "type": "object",
    "title": "Before we start",
    "properties": {
        "name": {"type": "string", "title": "Your name", "minLength": 2, "maxLength": 80},
        "email": {"type": "string", "format": "email", "title": "E-mail"},
        "topic": {"type": "string", "title": "Topic", "enum": ["Order", "Product"]},
        "agree": {"type": "boolean", "title": "I have read the privacy notice"},
    },
    "required": ["name", "agree"],
    "additionalProperties": False,
}
SALT = "a salt of this site"


@pytest.fixture(scope="module")
def add_site(served: Site, host: HostSite) -> Iterator[Callable[..., str]]:
    def add(name: str, **fields: Any) -> str:
        record = SiteRecord(name, name, f"pk_{name}", datetime.now(UTC), origins=(host.url,))
        served.call(served.workspace.store.sites.add(replace(record, **fields)))
        deadline = time.monotonic() + 10

        def known() -> bool:
            asked = {"site_key": f"pk_{name}"}
            answer = served.anonymous.post("/v1/visitors", json=asked, headers={"Origin": host.url})
            return answer.status_code != 404

        # A running server hears of a new site within a second.
        while not known():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return f"pk_{name}"

    yield add


def test_the_form_before_the_chat(visit: Visit, add_site: Callable[..., str]) -> None:
    key = add_site("formal", prechat=FORM)
    widget = visit(**{"site-key": key})
    widget.page.get_by_role("button", name="Open the chat").click()
    name = widget.page.get_by_label("Your name")
    expect(name).to_be_focused()
    widget.page.get_by_label("E-mail").fill("no address")
    widget.page.get_by_role("button", name="Start the chat").click()
    expect(widget.page.get_by_text("Please fill this in.")).to_have_count(2)
    expect(widget.page.get_by_text("Please check this.")).to_have_count(1)
    expect(name).to_be_focused()
    name.fill("Robin")
    widget.page.get_by_label("E-mail").fill("robin@shop.example")
    widget.page.get_by_label("Topic").select_option("Product")
    widget.page.get_by_label("I have read").check()
    with widget.page.expect_request(
        lambda made: made.method == "POST" and made.url.endswith("/v1/conversations")
    ) as begun:
        widget.page.get_by_role("button", name="Start the chat").click()
    assert (begun.value.post_data_json or {})["prechat"] == {
        "name": "Robin",
        "email": "robin@shop.example",
        "topic": "Product",
        "agree": True,
    }
    expect(widget.box).to_be_focused()
    widget.say("hello")
    widget.heard("within 30 days")


@thorough
def test_a_site_that_wants_to_know_who_asks(
    visit: Visit, add_site: Callable[..., str], bot: Site, assistant: WidgetAssistant
) -> None:
    key = add_site("members", require_identity=True)
    widget = visit(**{"site-key": key})
    widget.page.get_by_role("button", name="Open the chat").click()
    expect(widget.page.get_by_role("alert")).to_contain_text("Please sign in")


@thorough
def test_a_demo_customer_is_known_and_forgotten(
    context: BrowserContext, bot: Site, assistant: WidgetAssistant
) -> None:
    page = context.new_page()
    page.goto(f"{bot.url}/demo/shop")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.get_by_role("button", name="Where is it?").click()
    widget = Widget(page)
    widget.heard("within 30 days")
    assert assistant.asked[-1][2].customer == "demo"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sign out").click()
    widget.open()
    expect(page.locator(".message.user")).to_have_count(0)
    widget.say("hello")
    widget.heard("within 30 days")
    assert assistant.asked[-1][2].customer is None
    assert page.evaluate("window.violations") == []


# The tutor


def test_maths_ladder_and_keys(visit: Visit, bot: Site) -> None:
    widget = visit().open().say("hint please")
    answer = widget.heard("from both sides")
    expect(answer.locator(".ladder")).to_contain_text("Hint 2 of 4")
    expect(answer.locator(".katex")).to_have_count(2)
    expect(answer.locator(".katex-display annotation")).to_have_text("3x = 18")
    # The tests' packs are no tutors; a tutor's tells that it leads with hints.
    widget.page.evaluate(
        "document.querySelector('senmon-chat').chat.packs.forEach((pack) => { pack.progress = 'hints'; })"
    )
    widget.box.fill("3x^2 + 1/2 = sqrt(9)")
    widget.page.get_by_role("button", name="Write maths").click()
    preview = widget.page.get_by_role("group", name="Preview")
    expect(preview.locator("annotation")).to_have_text(r"3x^{2}+\frac{1}{2}=\sqrt{9}")
    widget.box.fill("")
    widget.page.get_by_role("button", name="square root").click()
    widget.page.keyboard.type("16")
    expect(widget.box).to_have_value("sqrt(16)")
    expect(preview.locator("annotation")).to_have_text(r"\sqrt{16}")


@thorough
def test_money_is_no_maths_and_japanese_is_bold(visit: Visit, assistant: WidgetAssistant) -> None:
    widget = visit().open()
    assistant.lines = [
        "It costs $5 and $10. So $x^2$ and $y$ are maths, $5, or 10$ is not. これは**「語」**です。"
    ]
    widget.say("say it")
    answer = widget.heard("It costs $5 and $10.")
    expect(answer.locator(".katex")).to_have_count(2)
    expect(answer.locator("strong")).to_have_text("「語」")
    expect(answer).to_contain_text("$5, or 10$ is not")


@thorough
def test_the_page_for_iframes(context: BrowserContext, host: HostSite, bot: Site) -> None:
    frame = f'<iframe src="{bot.url}/chat?site_key=pk_widgettest&amp;lang=en" title="Chat" width="400" height="500"></iframe>'
    body = frame + "<p id=heard></p>"
    address = host.put("/frame", PLAIN_PAGE.format(tag="", body=body))
    page = context.new_page()
    page.goto(address)
    page.evaluate(
        "addEventListener('message', ({ data, origin }) => { document.getElementById('heard').textContent += `${data.type} ${origin};`; })"
    )
    inside = page.frame_locator("iframe")
    inside.get_by_label("Your message").fill("hello")
    inside.get_by_label("Your message").press("Enter")
    expect(inside.locator(".message.assistant").last).to_contain_text("within 30 days")
    expect(page.locator("#heard")).to_contain_text(f"senmon:answer {bot.url}")
    stranger = context.new_page()
    other = host.url.replace("localhost", "127.0.0.1")
    stranger.goto(f"{other}/frame")
    expect(stranger.frame_locator("iframe").get_by_label("Your message")).to_have_count(0)


@thorough
def test_nothing_is_asked_before_consent(visit: Visit, bot: Site) -> None:
    widget = visit(consent="ask")
    asked: list[str] = []
    widget.page.on("request", lambda made: asked.append(made.url))
    widget.page.get_by_role("button", name="Open the chat").click()
    expect(widget.page.get_by_text("When you start, your messages are sent to")).to_be_visible()
    assert asked == [] and widget.page.evaluate("localStorage.length") == 0
    widget.page.get_by_role("button", name="Start the chat").click()
    widget.say("hello")
    widget.heard("within 30 days")


@thorough
def test_the_page_can_drive_it(visit: Visit, assistant: WidgetAssistant) -> None:
    widget = visit(theme="dark", pack="garden")
    widget.page.evaluate("""() => {
      window.told = [];
      for (const name of ["open", "message", "answer", "close"]) document.addEventListener(`senmon:${name}`, () => told.push(name));
      document.querySelector("senmon-chat").send("hello from the page");
    }""")
    answer = widget.heard("within 30 days")
    expect(answer.locator(".who")).to_have_count(0)
    assert assistant.asked[0][3] == "garden"
    expect(widget.page.locator(".root.dark")).to_have_count(1)
    widget.page.evaluate("document.querySelector('senmon-chat').hide()")
    assert widget.page.evaluate("window.told") == ["open", "message", "answer", "close"]
    assert re.search(
        "hello from the page",
        widget.page.evaluate("document.querySelector('senmon-chat').chat.messages[0].text"),
    )
