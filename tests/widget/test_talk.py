"""A conversation in a page of another origin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from widget_rig import Widget

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Widget]


def test_a_message_is_answered(visit: Visit) -> None:
    widget = visit().open()
    expect(widget.log).to_contain_text("Hello! How can I help?")
    widget.say("hello")
    widget.heard("You can send it back within 30 days.")
    expect(widget.box).to_be_focused()
