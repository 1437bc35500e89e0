"""A browser, a server with a scripted assistant, and a site of another origin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from senmon.packs.loader import load_pack
from senmon.settings import Settings
from senmon.store.records import Site as SiteRecord
from server_rig import FakeCatalog, FakeServed, FakeWorkspace, Site, serving
from tiny import write_pack
from widget_rig import KEY, PLAIN_PAGE, WATCH, HostSite, Line, Widget, WidgetAssistant, embed, hosting

ARTICLE = '---\ntitle: Returns\nurl: /help/returns\nquestions: ["How do I return something?"]\n---\nYou have **30 days**.\n'

expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def host() -> Iterator[HostSite]:
    with hosting() as site:
        yield site


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, host: HostSite) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("packs")
    shop = write_pack(
        folder / "shop",
        texts={"greeting": "Hello from <b>the shop</b>!", "suggestions": ["hello there"]},
        persona={"name": "Tilly"},
    )
    (shop / "knowledge").mkdir(exist_ok=True)
    (shop / "knowledge" / "returns.md").write_text(ARTICLE, encoding="utf-8")
    garden = write_pack(folder / "garden", title="Garden", texts={"suggestions": ["When to sow?"]})
    packs = {"shop": FakeServed(load_pack(shop)), "garden": FakeServed(load_pack(garden))}
    settings = Settings(home=tmp_path_factory.mktemp("home"), rate_limit_per_minute=0, demo=True)
    workspace = FakeWorkspace(settings, FakeCatalog(packs))
    with serving(workspace) as running:
        record = SiteRecord("shop", "The shop", KEY, datetime.now(UTC), origins=(host.url,))
        running.call(workspace.store.sites.add(record))
        yield running


@pytest.fixture
def bot(served: Site) -> Site:
    served.workspace.reset()
    served.workspace.assistant = WidgetAssistant()
    return served


@pytest.fixture
def assistant(bot: Site) -> WidgetAssistant:
    found = bot.workspace.assistant
    assert isinstance(found, WidgetAssistant)
    return found


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(locale="en-GB")
    opened.add_init_script(WATCH)
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


@pytest.fixture
def line(bot: Site) -> Iterator[Line]:
    opened = Line(int(bot.url.rpartition(":")[2]))
    yield opened
    opened.end()


@pytest.fixture
def visit(context: BrowserContext, bot: Site, host: HostSite) -> Iterator[Callable[..., Widget]]:
    """Opens a page of the host that embeds the widget. Whatever a test does there, nothing is refused by a
    policy, nothing throws, and nothing is fetched from anywhere but these two."""
    faults: list[str] = []
    pages: list[Page] = []
    homes = [bot.url, host.url]

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            faults.append(message.text)

    def go(
        path: str = "/",
        body: str = "<h1>A shop</h1>",
        policy: str = "",
        nonce: str = "",
        via: Line | None = None,
        **attributes: Any,
    ) -> Widget:
        if via:
            homes.append(via.url)
        tag = embed(via.url if via else bot.url, nonce, **attributes)
        address = host.put(path, PLAIN_PAGE.format(tag=tag, body=body), policy=policy)
        tab = context.new_page()
        tab.on("console", hear)
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("request", lambda made: allowed(made.url))
        tab.goto(address)
        pages.append(tab)
        return Widget(tab)

    def allowed(url: str) -> None:
        if not url.startswith((*homes, "blob:", "data:")):
            faults.append(f"fetched {url}")

    yield go
    for tab in pages:
        if not tab.is_closed():
            assert tab.evaluate("window.violations") == []
    assert faults == []
