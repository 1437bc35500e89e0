"""The digest of a recipe."""

from __future__ import annotations

import hashlib

from senmon.adapters.durable import canonical_json
from senmon.packs.manifest import RecipeSpec

#: What fits the machine but does not say what is to be learnt: an adapter isn't stale because of it.
OF_THE_MACHINE = frozenset({"budget", "micro_batch_tokens", "quantise"})


def recipe_digest(recipe: RecipeSpec) -> str:
    """sha256 hex of a recipe, without what only fits it to a machine."""
    data = recipe.model_dump(mode="json", exclude=set(OF_THE_MACHINE))
    if not recipe.preference.epochs:
        del data["preference"]  # adapters are not stale because of what they could have learnt
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()
