"""The JSON Schema of `pack.yaml`, for editors."""

from __future__ import annotations

import json

from senmon.packs.manifest import PackManifest


def export_schema() -> str:
    """JSON Schema (draft 2020-12) of the manifest, indented, with a final newline."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **PackManifest.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
