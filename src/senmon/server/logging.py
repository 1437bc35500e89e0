"""One JSON line per log record, one record per request. Neither holds a message, a token or a query.

What gets into a record all the same is masked.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from senmon import tracing
from senmon.server.masking import MaskingFilter

access = logging.getLogger("senmon.access")


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "event", …}`, in a run its id and its trace's.

    Of an exception: its type and place, never its words.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
            **tracing.ids(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-5:]
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line)


def configure_logging(level: str = "INFO") -> None:
    """Everything to standard error, as JSON, masked."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    # On the handler: a logger's own filter does not see the records of the loggers below it.
    handler.addFilter(MaskingFilter())
    # Libraries write out at DEBUG what they carry: a database driver, the parameters of its statements.
    least = max(logging.getLevelNamesMapping()[level], logging.INFO)
    logging.basicConfig(level=least, handlers=[handler], force=True)
    # uvicorn's own handlers, where somebody configured them, would write unmasked, and its level hide faults.
    for name in ("uvicorn", "uvicorn.error"):
        server = logging.getLogger(name)
        server.handlers.clear()
        server.setLevel(logging.NOTSET)
        server.propagate, server.disabled = True, False
    logging.getLogger("senmon").setLevel(level)
    logging.getLogger("uvicorn.error").addFilter(_without_tracebacks)
    for chatty in ("aiosqlite", "alembic", "httpcore", "httpx", "sqlalchemy"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _event(record: logging.LogRecord) -> str:
    """asyncio writes out the tasks and callbacks of a fault, with arguments that somebody may have said."""
    return "a fault in the event loop" if record.name == "asyncio" else record.getMessage()


def _without_tracebacks(record: logging.LogRecord) -> bool:
    """A failed start-up is told by whoever called `serve`."""
    return not str(record.msg).startswith("Traceback")


class RequestLog:
    """Logs method, path template, status, duration, and the facts that a handler noted."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, start = 0, time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            milliseconds = (time.perf_counter() - start) * 1000
            facts = {
                "method": scope["method"] if scope["method"].isalpha() else "?",
                "path": getattr(scope.get("route"), "path", "-"),
                "status": status,
                "ms": round(milliseconds, 1),
                **{name: value for name, value in scope.get("senmon.log", {}).items() if value},
            }
            access.info("request", extra={"facts": facts})
