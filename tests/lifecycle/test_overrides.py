"""`--set` reaches every field of a recipe and explains what it can't do."""

from __future__ import annotations

import pytest

from senmon.errors import ConfigError
from senmon.lifecycle.overrides import overridden
from senmon.packs.manifest import RecipeSpec


def test_replaces_nested_fields() -> None:
    recipe = overridden(
        RecipeSpec(),
        [
            "recipe.lora.rank=32",
            "learning_rate=1e-3",
            "recipe.lora.target_modules=q_proj,v_proj",
            "quantise=true",
            "revision=1234567",
            "budget=10m",
        ],
    )
    assert recipe.lora.rank == 32
    assert recipe.learning_rate == 1e-3
    assert recipe.lora.target_modules == ("q_proj", "v_proj")
    assert recipe.quantise
    assert recipe.revision == "1234567"
    assert overridden(recipe, ["revision=null"]).revision is None
    assert overridden(recipe, []) == recipe


def test_names_every_fault_and_the_nearest_field() -> None:
    with pytest.raises(ConfigError) as caught:
        overridden(RecipeSpec(), ["lora.ranc=3", "epochs", "lora=3"])
    text = str(caught.value)
    assert "did you mean lora.rank" in text
    assert "'epochs' is not NAME=VALUE" in text
    assert "'lora'" in text
    with pytest.raises(ConfigError, match=r"recipe\.lora\.rank = 'many'"):
        overridden(RecipeSpec(), ["lora.rank=many"])
    with pytest.raises(ConfigError, match=r"recipe\.budget"):
        overridden(RecipeSpec(), ["budget=soon"])
