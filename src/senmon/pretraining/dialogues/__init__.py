"""Conversations in the product's own shape about invented businesses, to teach a base to read and to copy.

Nothing here comes from a pack: trades, ids, records, articles and actions are made up from a seed.
"""

from senmon.pretraining.dialogues.generate import KINDS, generate, write

__all__ = ["KINDS", "generate", "write"]
