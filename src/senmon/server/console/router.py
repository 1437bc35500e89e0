"""The console's routes, page by page."""

from __future__ import annotations

from senmon.server.console import entry, inbox, review

routers = (entry.router, inbox.router, review.router)
