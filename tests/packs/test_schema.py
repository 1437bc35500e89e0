"""The published schema is the manifest's."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from senmon.packs.schema import export_schema

PUBLISHED = Path(__file__).parents[2] / "docs/pack.schema.json"


def test_the_published_schema_is_fresh() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == export_schema()


def test_it_is_a_schema_with_every_field_described() -> None:
    schema = json.loads(export_schema())
    Draft202012Validator.check_schema(schema)
    for name, field in schema["properties"].items():
        owner = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
        assert field.get("description") or owner.get("description"), name
