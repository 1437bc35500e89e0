"""For everybody: keys only, screen readers, small and large, light and dark, other languages, reading on."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from server_rig import Site
from widget_rig import HERE, PLAIN_PAGE, HostSite, Widget, WidgetAssistant, embed, thorough

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Widget]
LOCALES = HERE.parents[1] / "src" / "senmon" / "widget" / "locales"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LINES = [
    "Here is **bold**, a [link](https://ok.example) and maths \\(\\frac{1}{2}\\).\n\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n\n1. one\n2. two",
]


def findings(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate((HERE / "vendor" / "axe.min.js").read_text(encoding="utf-8"))
    run = "(tags) => axe.run({ include: [['senmon-chat']] }, { runOnly: tags, resultTypes: ['violations'] })"
    found = page.evaluate(run, RULES)["violations"]
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]


#: name: (theme, language, width, height)
LOOKS = {
    "light": ("light", "en", 1000, 760),
    "dark": ("dark", "en", 1000, 760),
    "mobile": ("light", "ja", 320, 640),
    "rtl": ("dark", "ar", 375, 700),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in ("light", "rtl") else [thorough]) for name in LOOKS]
)
def test_axe_finds_nothing(
    name: str, browser: Browser, host: HostSite, bot: Site, assistant: WidgetAssistant
) -> None:
    theme, language, width, height = LOOKS[name]
    words = json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(
        host.put(
            "/axe", PLAIN_PAGE.format(tag=embed(bot.url, theme=theme, lang=language), body="<h1>Shop</h1>")
        )
    )
    page.get_by_role("button", name=words["open"]).click()
    box = page.get_by_label(words["message"], exact=True)
    expect(page.get_by_role("group", name=words["suggestions"])).to_be_visible()
    found = findings(page)
    assistant.lines = LINES
    box.fill("say it")
    box.press("Enter")
    answer = page.locator(".message.assistant[aria-busy=false]").last
    expect(answer).to_contain_text("one")
    expect(answer.locator(".katex")).to_be_visible()
    box.fill("cited")
    box.press("Enter")
    expect(answer.locator(".sources")).to_be_visible()
    answer.get_by_role("button", name=words["unhelpful"]).click()
    found += findings(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name=words["more"], exact=True).click()
    found += findings(page)
    page.get_by_role("button", name=words["rate"]).click()
    found += findings(page)
    page.get_by_role("button", name=words["back"]).click()
    answer.locator(".sources button").first.click()
    expect(page.get_by_role("article", name="Returns")).to_be_visible()
    found += findings(page)
    assert found == []
    # Nothing of it is wider than the screen.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("senmon-chat .window").evaluate(
        "(w) => w.getBoundingClientRect().width <= innerWidth && w.scrollWidth <= w.clientWidth + 1"
    )
    context.close()


#: name: the browser's context. At 200 % and 400 % a window of 1000 × 760 and 1280 × 1024 has so few pixels of CSS.
SIGHT: dict[str, dict[str, Any]] = {
    "forced colours": {"forced_colors": "active", "viewport": {"width": 1000, "height": 760}},
    "zoom 200 %": {"viewport": {"width": 500, "height": 380}, "device_scale_factor": 2},
    "zoom 400 %": {"viewport": {"width": 320, "height": 256}, "device_scale_factor": 4},
}
IN_SIGHT = """() => {
  const root = document.querySelector("senmon-chat").shadowRoot;
  const faults = [];
  for (const each of root.querySelectorAll(".head button, .composer button, .composer textarea")) {
    const { left, top, right, bottom } = each.getBoundingClientRect();
    if (left < 0 || top < 0 || right > innerWidth + 1 || bottom > innerHeight + 1) faults.push(`out of sight: ${each.outerHTML}`);
    const over = root.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    if (!each.contains(over)) faults.push(`covered: ${each.outerHTML}`);
  }
  if (root.querySelector(".log").clientHeight < 60) faults.push(`${root.querySelector(".log").clientHeight} px for the conversation`);
  return faults;
}"""
#: Without its own colours each thing has an edge, and the ladder can be told from its ground.
EDGES = """() => {
  const root = document.querySelector("senmon-chat").shadowRoot;
  const bare = (each) => { const s = getComputedStyle(each); return s.borderTopStyle === "none" || s.borderTopColor === s.backgroundColor; };
  const faults = [...root.querySelectorAll(".window, .bubble, .launcher, .send, .box")].filter(bare).map((each) => each.className);
  return faults;
}"""


def halves_differ(png: bytes) -> bool:
    """Whether a bar that is half full shows it."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    middle = picture.height // 2
    return picture.getpixel((picture.width // 4, middle)) != picture.getpixel(
        (picture.width * 3 // 4, middle)
    )


@thorough
@pytest.mark.parametrize("name", SIGHT)
def test_forced_colours_and_zoom(
    name: str, browser: Browser, host: HostSite, bot: Site, tmp_path: Path
) -> None:
    context = browser.new_context(locale="en-GB", reduced_motion="reduce", **SIGHT[name])
    page = context.new_page()
    page.goto(host.put("/sight", PLAIN_PAGE.format(tag=embed(bot.url), body="<h1>Shop</h1>")))
    widget = Widget(page).open().say("cited")
    widget.heard("30 days")
    widget.say("hint")
    widget.heard("from both sides")
    expect(widget.answers.last.locator(".katex").first).to_be_visible()
    assert page.evaluate(IN_SIGHT) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if "forced_colors" in SIGHT[name]:
        assert page.evaluate("matchMedia('(forced-colors: active)').matches")
        assert page.evaluate(EDGES) == []
        assert halves_differ(page.locator("progress").last.screenshot())
    folder = Path(os.environ.get("SENMON_WIDGET_SHOTS", tmp_path))
    page.screenshot(path=folder / f"{name.replace(' ', '-').replace('%', 'percent')}.png")
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="End and rate").click()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    context.close()


def test_keys_alone_are_enough(visit: Visit) -> None:
    widget = visit(body="<button id=before>Before</button>")
    page = widget.page
    page.get_by_role("button", name="Before").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Open the chat")).to_be_focused()
    page.keyboard.press("Enter")
    expect(widget.box).to_be_focused()
    page.keyboard.type("hello")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("you")
    expect(widget.box).to_have_value("hello\nyou")
    page.keyboard.press("Enter")
    answer = widget.heard("within 30 days")
    names: list[str] = []
    for _ in range(14):
        page.keyboard.press("Shift+Tab")
        names.append(
            page.evaluate(
                "() => { const a = document.querySelector('senmon-chat').shadowRoot.activeElement; return a ? a.getAttribute('aria-label') || a.textContent.trim() : ''; }"
            )
        )
    for wanted in (
        "Answer again",
        "Copy the answer",
        "Not helpful",
        "Helpful",
        "Read the article: Returns",
        "Change my message",
        "Conversation",
        "Close the chat",
        "More",
    ):
        assert wanted in names, names
    page.get_by_role("button", name="More").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="New conversation")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="More")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Open the chat")).to_be_focused()
    expect(answer).to_have_count(0)


@thorough
def test_enter_of_an_input_method_does_not_send(visit: Visit, assistant: WidgetAssistant) -> None:
    widget = visit(lang="ja")
    widget.page.get_by_role("button", name="チャットを開く").click()
    box = widget.page.get_by_label("メッセージ", exact=True)
    session = widget.page.context.new_cdp_session(widget.page)
    box.focus()
    session.send("Input.imeSetComposition", {"text": "へんぴん", "selectionStart": 4, "selectionEnd": 4})
    fire = "(box, given) => box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...given }))"
    box.evaluate(fire, {"isComposing": True})
    box.evaluate(fire, {"keyCode": 229})
    session.send("Input.insertText", {"text": "返品"})
    assert assistant.asked == []
    expect(box).to_have_value("返品")
    box.press("Enter")
    widget.heard("within 30 days")
    assert [said for _, said, *_ in assistant.asked] == ["返品"]


def test_an_answer_is_announced_once(visit: Visit, assistant: WidgetAssistant) -> None:
    widget = visit().open()
    widget.page.evaluate("""() => {
      const status = document.querySelector("senmon-chat").shadowRoot.querySelector(".root > [role=status]");
      window.spoken = [];
      new MutationObserver(() => window.spoken.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
    }""")
    assistant.lines = ["One **bold** ", "sentence. ", "Two."]
    widget.say("say it")
    widget.heard("Two.")
    expect(widget.log).to_have_attribute("aria-live", "off")
    widget.page.wait_for_function("window.spoken.at(-1) === '' && window.spoken.length > 1")
    assert [said for said in widget.page.evaluate("window.spoken") if said] == ["One bold sentence. Two."]


def test_selection_and_place_survive_streaming(visit: Visit, assistant: WidgetAssistant) -> None:
    widget = visit().open()
    assistant.lines = [f"Line {number} of a long text that fills the window.\n\n" for number in range(30)]
    widget.say("say it")
    widget.heard("Line 29")
    assistant.lines = [f"Word{number} " for number in range(40)]
    assistant.pause = 0.05
    widget.say("say more")
    expect(widget.answers.last).to_contain_text("Word5")
    chosen = widget.page.evaluate("""() => {
      const root = document.querySelector("senmon-chat").shadowRoot;
      const log = root.querySelector(".log");
      const text = [...root.querySelectorAll(".message.assistant .bubble p")].at(-1).firstChild;
      const node = text.nodeType === 3 ? text : [...text.parentNode.childNodes].find((each) => each.nodeType === 3 && each.data);
      const range = document.createRange();
      range.setStart(node, 0);
      range.setEnd(node, 5);
      window.kept = range;
      log.scrollTop = 40;
      return range.toString();
    }""")
    assert chosen == "Word0"
    expect(widget.page.get_by_role("button", name="New messages")).to_be_visible()
    widget.heard("Word39")
    assert widget.page.evaluate("[window.kept.toString(), window.kept.startContainer.isConnected]") == [
        "Word0",
        True,
    ]
    assert widget.log.evaluate("(log) => log.scrollTop") == 40
    widget.page.get_by_role("button", name="New messages").click()
    widget.page.wait_for_function("""() => {
      const log = document.querySelector("senmon-chat").shadowRoot.querySelector(".log");
      return log.scrollHeight - log.scrollTop - log.clientHeight < 4;
    }""")


@thorough
def test_everything_to_press_is_large_enough(visit: Visit) -> None:
    widget = visit().open().say("cited")
    widget.heard("30 days")
    widget.page.get_by_role("button", name="Not helpful").click()
    small = widget.page.evaluate("""() => [...document.querySelector("senmon-chat").shadowRoot.querySelectorAll("button, textarea, select, label.choice")]
      .filter((each) => each.checkVisibility() && !each.closest(".who"))
      .map((each) => [each.getAttribute("aria-label") || each.textContent.trim(), each.getBoundingClientRect()])
      .filter(([, { width, height }]) => width < 44 || height < 44).map(([name, { width, height }]) => `${name} ${width}×${height}`)""")
    assert small == []


@thorough
def test_the_site_brings_its_brand(visit: Visit) -> None:
    style = "<style>senmon-chat { --senmon-accent: rgb(120, 20, 90); --senmon-radius: 4px; } senmon-chat::part(launcher) { border-radius: 8px; }</style>"
    widget = visit(body=style).open().say("hello")
    widget.heard("30 days")
    look = (
        "(node) => { const s = getComputedStyle(node); return [s.backgroundColor, s.borderTopLeftRadius]; }"
    )
    assert widget.page.locator(".user .bubble").evaluate(look) == ["rgb(120, 20, 90)", "4px"]
    assert widget.page.locator(".launcher").evaluate(look)[1] == "8px"


@thorough
def test_words_of_the_site(visit: Visit) -> None:
    widget = visit(lang="fr")
    widget.page.evaluate("customElements.get('senmon-chat').words('fr', { open: 'Ouvrir' })")
    expect(widget.page.get_by_role("button", name="Ouvrir")).to_be_visible()


@pytest.mark.parametrize("language", ["ja", "ar"])
def test_translations_are_complete(language: str) -> None:
    def read(name: str) -> dict[str, Any]:
        words = json.loads((LOCALES / f"{name}.json").read_text(encoding="utf-8"))
        assert isinstance(words, dict)
        return words

    english, other = read("en"), read(language)
    assert list(english) == list(other)
    for key, phrase in english.items():
        gaps = sorted(part.partition("}")[0] for part in phrase.split("{")[1:])
        assert gaps == sorted(part.partition("}")[0] for part in other[key].split("{")[1:]), key
        assert other[key].strip() and other[key] != phrase, key
