"""The review queue, and hostile words in every column of every page."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from console_rig import HOSTILE, Person
from senmon.improvement.lines import Line
from senmon.improvement.outdated import Outdated
from senmon.improvement.screening import Plan, Refused
from senmon.messages import Event, Identity, Message
from senmon.server.console import lifecycle, pages, plots
from senmon.server.console.pages import STATIC, markdown
from senmon.store.exchanges import Review
from senmon.store.reviews import handle
from senmon.store.rows import now
from server_rig import Site

HTMX = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"


class Elements(HTMLParser):
    """Which elements and attributes a page really has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def harmless(self) -> bool:
        for tag, given in self.found:
            if tag in ("iframe", "object", "embed", "base") or any(name.startswith("on") for name in given):
                return False
            if tag == "script" and not str(given.get("src", "")).startswith("/console/static/"):
                return False
            if tag == "img" and not str(given.get("src", "")).startswith("/static/"):
                return False
        return True


async def hostile_turn(site: Site, reply: str = HOSTILE) -> tuple[str, str]:
    """A conversation and its run, hostile wherever people or models write."""
    store = site.workspace.store
    me = Identity("local", "visitor-" + hashlib.sha256(reply.encode()).hexdigest()[:8], f"cus {HOSTILE}")
    record = await store.create_conversation(me, prechat={HOSTILE: HOSTILE})
    opening = Event("run", {}, {"messages": [Message("user", HOSTILE).to_json()]})
    run = await store.start_run(record.id, "1", HOSTILE, customer=me.customer, opening=opening)
    seen = [[HOSTILE, False, 1, HOSTILE]] * 4
    for event in (
        Event("route", {"pack": "shop", "score": 0.5, "margin": 0.01, "intent": HOSTILE, "reason": HOSTILE,
                        "scores": {HOSTILE: 0.4, "shop": 0.5}}),
        Event("passages", {"items": [{"id": HOSTILE, "title": HOSTILE, "url": "javascript:alert(1)"}]}),
        Event("action", {"name": "check", "status": "finished"}, {"slots": {"observed": seen}}),
        Event("verdict", {"check": HOSTILE, "outcome": "block"}, {"reason": HOSTILE}),
        Event("handoff", {"reason": HOSTILE}),
        Event("delta", {"text": reply}),
        Event("done", {"text": reply, "provenance": {"pack": HOSTILE, "adapter": HOSTILE}}),
    ):  # fmt: skip
        await store.append(run.id, event)
    await store.finish_run(run.id, "done")
    await store.add_feedback(run.id, me, "down", reason=HOSTILE, correction=HOSTILE)
    await store.desk.request(record.id, HOSTILE)
    await store.audit.record(HOSTILE, "owner", HOSTILE[:60], HOSTILE, {HOSTILE: HOSTILE})
    return record.id, run.id


def test_hostile_words_are_words_on_every_page(site: Site, signed: Callable[[str], Person]) -> None:
    conversation, run = site.call(hostile_turn(site))
    owner, id = signed("owner"), handle(run)[:12]
    pages = (
        "/console/inbox", f"/console/inbox/{conversation}", f"/console/inbox/{conversation}/thread",
        "/console/review", f"/console/review/{id}", "/console/review?decided=1", "/console/class",
        "/console/audit", "/console/data/shop", "/console/gaps/shop", "/console/sites", "/console/staff",
    )  # fmt: skip
    for path in pages:
        answer = owner.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert Elements(answer.text).harmless(), path
    assert "&lt;script&gt;" in owner.get(f"/console/review/{id}").text


def test_a_turn_is_dropped_re_routed_and_taken_back(site: Site, signed: Callable[[str], Person]) -> None:
    _, run = site.call(hostile_turn(site, "You have **30 days**."))
    reviewer, path = signed("reviewer"), f"/console/review/{handle(run)[:12]}"
    assert path.split("/")[-1][:8] in reviewer.get("/console/review").text
    gone = reviewer.post(f"{path}/dismiss", note="spam")
    assert gone.status_code == 303 and gone.headers["location"].startswith("/console/review")
    assert handle(run)[:8] not in reviewer.get("/console/review").text
    assert "Decided: dismiss" in reviewer.get(path).text
    assert reviewer.post(f"{path}/undo").status_code == 303
    assert reviewer.post(f"{path}/reroute", pack="garden").status_code == 303
    review = site.call(site.workspace.store.reviews.exchange(run)).review
    assert review is not None and (review.kind, review.pack, review.reviewer) == (
        "reroute",
        "garden",
        "Reviewer",
    )
    assert reviewer.post(f"{path}/reroute", pack="shop").status_code == 422
    assert reviewer.post(f"{path}/eval", contains="").status_code == 422
    entries = site.call(site.workspace.store.audit.entries(who="reviewer", most=5))
    assert [one.what for one in entries[:3]] == ["re-routed", "took a decision back", "dropped"]
    assert "30 days" not in json.dumps([dict(one.data) for one in entries])


def test_markdown_of_a_reply_makes_few_elements() -> None:
    text = "**b** [x](javascript:alert(1)) ![i](http://evil/x.png) <b onclick=1>\n\n- a\n- b\n\n`c` http://auto.link"
    made = Elements(markdown(text))
    assert {tag for tag, _ in made.found} == {"p", "strong", "ul", "li", "code"}


def test_curves_and_intervals_survive_broken_files() -> None:
    rows = {
        "train": [{"step": 1, "loss": 2.0}, {"step": 2, "loss": float("nan")}, "x", {"step": 4, "loss": 1.0}]
    }
    drawn = plots.curve(rows)
    assert drawn is not None and drawn.train.count(",") == 2 and drawn.valid == ""
    assert plots.curve({}) is None and plots.curve({"train": "<script>"}) is None
    found = plots.intervals({"candidate": {"loss": {"value": 2.0, "low": 1.0, "high": 4.0}, "n": None}})
    assert [(one.x_low, one.x, one.x_high) for one in found["loss"]] == [(25.0, 50.0, 100.0)]


def test_the_vendored_file_is_the_published_one() -> None:
    assert hashlib.sha256((STATIC / "htmx.min.js").read_bytes()).hexdigest() == HTMX
    assert "Zero-Clause BSD" in (STATIC / "htmx.LICENSE.txt").read_text(encoding="utf-8")


def test_templates_have_no_inline_script_style_or_foreign_address() -> None:
    for path in Path(STATIC.parent / "templates").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"<script(?![^>]+src=)| style=| on[a-z]+=|hx-on|https?://(?!shop\.example)", text
        ), path
        assert "|safe" not in text and "js:" not in text, path


def test_a_long_diff_is_cut_and_says_so_and_outdated_lines_are_grouped() -> None:
    def review(number: int) -> Review:
        return Review(f"run-{number}", "correct", "shop", {}, "Ann", HOSTILE, now())

    gone = [Outdated("data/train.jsonl", number, "returns", HOSTILE, 4) for number in range(90)]
    lines = [Line(review(number), {"id": f"rev-{number}", "messages": []}) for number in range(75)]
    refused = tuple(Refused(review(number), HOSTILE) for number in range(61))
    plan = Plan((), (), added=tuple(lines), refused=refused, outdated=tuple(gone))
    page = (
        pages._environment()
        .get_template("data_part.html")
        .render(
            pack="shop",
            plan=plan,
            before={},
            course=None,
            shown=lifecycle._shown,
            outdated=lifecycle._outdated(plan),
            most=60,
        )
    )
    assert Elements(page).harmless() and "<script>window" not in page
    assert page.count(">added<") == 61 and "15 more added lines" in page, "60, and the tile"
    assert "1 more refused decisions" in page
    assert page.count("90 lines of data/train.jsonl · corrected 4 times") == 1
