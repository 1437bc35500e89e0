"""One turn, from text to events: the only place that knows the order of the steps."""

from senmon.assistant.catalog import Catalog, ServedPack
from senmon.assistant.turn import Assistant

__all__ = ["Assistant", "Catalog", "ServedPack"]
