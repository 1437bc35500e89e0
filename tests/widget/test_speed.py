"""What a stream costs a slow machine: measured and printed. A busy machine makes it worse, so nothing is asserted
but that it was measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import CDPSession

from widget_rig import Widget, WidgetAssistant, thorough

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), thorough]
TOKENS = 300
SLOWER = 4


def busy(session: CDPSession) -> float:
    """Milliseconds that the page's main thread had the processor; a busy machine does not count."""
    found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"]) * 1000


def test_blocking_time_of_a_stream(visit: Callable[..., Widget], assistant: WidgetAssistant) -> None:
    """Sum of what long tasks take beyond 50 ms, with the processor slowed down four times."""
    widget = visit().open()
    widget.page.evaluate("""() => {
      window.tasks = [];
      new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration))).observe({ type: "longtask" });
    }""")
    words = "The parcel takes two to three days **within** the country, see [delivery](https://shop.example).\n\n- item "
    parts = (words * 40).split(" ")[:TOKENS]
    assistant.lines = [f"{part} " for part in parts]
    assistant.pause = 0.01
    session = widget.page.context.new_cdp_session(widget.page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    widget.page.evaluate("window.tasks.length = 0")
    before = busy(session)
    widget.say("say it")
    widget.page.wait_for_function(
        "document.querySelector('senmon-chat').shadowRoot.querySelectorAll('.message.assistant[aria-busy=false]').length === 1",
        timeout=60_000,
    )
    after = busy(session)
    tasks = widget.page.evaluate("window.tasks")
    blocking = sum(task - 50 for task in tasks)
    print(
        f"\n{TOKENS} tokens, processor {SLOWER} times slower: {blocking:.0f} ms blocked in {len(tasks)} long tasks; "
        f"{after - before:.0f} ms of the processor's own time"
    )
    assert after > before
