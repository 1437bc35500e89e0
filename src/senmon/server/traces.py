"""Traces to an OTLP collector, as long as the server runs. OTEL_* variables say the rest (sampling, headers).

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from senmon import __version__, tracing
from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

#: Of OTLP over HTTP; the collector's address is given without it.
_PATH = "/v1/traces"
_FLUSH_SECONDS = 5.0


class Traces:
    """On from `begin` to `stop`, where SENMON_TRACE_URL is set."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.trace_url
        self._provider: TracerProvider | None = None

    def begin(self) -> None:
        """ConfigError without the library, or for something that is no address."""
        if not self._url:
            return
        endpoint = _endpoint(self._url)
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise ConfigError(
                "SENMON_TRACE_URL needs OpenTelemetry", remedy="pip install 'senmon[otel]'"
            ) from error
        own = {"service.version": __version__}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            own["service.name"] = "senmon"
        self._provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        tracing.use(self._provider.get_tracer("senmon", __version__))

    async def stop(self) -> None:
        """Sends what is left, for a moment: a collector that is away must not keep the server."""
        if self._provider is None:
            return
        tracing.use(None)
        flushing = threading.Thread(target=self._provider.shutdown, name="senmon-traces", daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, _FLUSH_SECONDS)
        self._provider = None


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "SENMON_TRACE_URL is no address of a collector", remedy="write it like http://127.0.0.1:4318"
        )
    return url if parts.path.rstrip("/").endswith(_PATH) else url.rstrip("/") + _PATH
