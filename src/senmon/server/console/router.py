"""The console's routes, page by page."""

from __future__ import annotations

from senmon.server.console import classroom, entry, gaps, inbox, lifecycle, owner, review

routers = tuple(room.router for room in (entry, inbox, review, lifecycle, gaps, classroom, owner))
