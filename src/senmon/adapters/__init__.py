"""Adapters: LoRA weights in PEFT's layout with a card, and the store of their versions."""

from senmon.adapters.card import Adapter, AdapterCard, read_card, stale
from senmon.adapters.store import AdapterStore

__all__ = ["Adapter", "AdapterCard", "AdapterStore", "read_card", "stale"]
