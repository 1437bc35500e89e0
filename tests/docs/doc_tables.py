"""The tables in the pages that are generated from the code.

`python tests/docs/doc_tables.py` writes them between their markers; a test compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeGuard, get_args

sys.path.insert(0, str(Path(__file__).parents[1]))

from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from access_rig import ACTORS, read_table
from senmon.packs.manifest import PackManifest, RecipeSpec
from senmon.server.gauges import COUNTED, HAS, STATE
from senmon.server.metrics import Metrics
from senmon.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "maxLength": "at most {} characters",
}
#: Shown in a page of its own.
ELSEWHERE = {"recipe": "[its own table](tuning.md#the-recipe)"}


def fields(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, type[BaseModel], str]]:
    """(dotted name, the model that has the field, its name there), depth first; `[]` marks lists."""
    for name, info in model.model_fields.items():
        yield f"{before}{name}", model, name
        inner, many = _inner(info.annotation)
        if inner is not None:
            yield from fields(inner, f"{before}{name}{'[]' if many else ''}.")


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part, True
    return None, False


def default(model: type[BaseModel], name: str) -> str:
    """As it would be written in YAML or in the environment."""
    info = model.model_fields[name]
    value = info.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`" if value else "–"
    if isinstance(value, dict):
        return "no arguments" if value else "–"
    return "–" if value in ("", None) else f"`{value}`"


def kind(model: type[BaseModel], name: str) -> str:
    return _kind(model.model_json_schema()["properties"][name])


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return _kind(next(one for one in schema["anyOf"] if one.get("type") != "null"))
    if schema.get("type") == "array":
        return "list"
    if "$ref" in schema or schema.get("type") == "object":
        return "mapping"
    bounds = [text.format(f"{schema[key]:g}") for key, text in BOUNDS.items() if key in schema]
    return ", ".join([TYPES[schema["type"]], *bounds])


def manifest_table() -> str:
    rows = []
    for dotted, model, name in fields(PackManifest):
        top = dotted.partition(".")[0]
        if top in ELSEWHERE and dotted != top:
            continue
        meaning = model.model_fields[name].description or ""
        if top in ELSEWHERE:
            inside = ", ".join(f"`{inner}`" for inner, _, _ in fields(RecipeSpec))
            meaning = f"{meaning} {ELSEWHERE[top]}: {inside}."
        rows.append((f"`{dotted}`", kind(model, name), default(model, name), meaning))
    return table(("field", "type", "default", "meaning"), rows)


def recipe_table() -> str:
    rows = [
        (f"`{dotted}`", kind(model, name), default(model, name), model.model_fields[name].description or "")
        for dotted, model, name in fields(RecipeSpec)
    ]
    return table(("field", "type", "default", "meaning"), rows)


def settings_table() -> str:
    rows = [
        (
            f"`SENMON_{name.upper()}`",
            kind(Settings, name),
            default(Settings, name),
            info.description or "",
        )
        for name, info in Settings.model_fields.items()
    ]
    return table(("variable", "type", "default", "meaning"), rows)


def figures_table() -> str:
    metrics = Metrics(lambda: dict.fromkeys((*COUNTED, *HAS), 0))
    made = [each for each in vars(metrics).values() if _is_figure(each)]
    labels = {next(iter(each.describe())).name: each._labelnames for each in made}
    labels |= {name: (label,) for name, (_, label) in STATE.items() if label}
    rows = []
    for family in sorted(metrics.registry.collect(), key=lambda each: each.name):
        name = family.name + ("_total" if family.type == "counter" else "")
        names = ", ".join(labels.get(family.name, ()))
        if family.name.startswith("senmon_"):
            rows.append((f"`{name}`", family.type, names, family.documentation))
    return table(("figure", "kind", "labels", "what it says"), rows)


def _is_figure(value: object) -> TypeGuard[MetricWrapperBase]:
    return isinstance(value, MetricWrapperBase)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def access_table() -> str:
    """The table that the server is asked about, cell by cell."""
    rows = read_table().items()
    head = ("route", *ACTORS)
    return table(head, [(f"`{method} {path}`", *map(str, cells)) for (method, path), cells in rows])


#: Page → what is generated in it.
GENERATED = {
    "packs.md": {"manifest": manifest_table},
    "tuning.md": {"recipe": recipe_table},
    "settings.md": {"settings": settings_table},
    "observability.md": {"figures": figures_table},
    "security.md": {"access": access_table},
}


def between(page: str, name: str) -> re.Match[str]:
    found = re.search(rf"(?s)(<!-- generated: {name} -->\n)(.*?)(<!-- end -->)", page)
    assert found, f"no marker for {name}"
    return found


def main() -> None:
    for page, parts in GENERATED.items():
        path = DOCS / page
        text = path.read_text(encoding="utf-8")
        for name, make in parts.items():
            found = between(text, name)
            text = text[: found.start(2)] + make() + "\n" + text[found.end(2) :]
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
