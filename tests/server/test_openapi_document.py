from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from server_rig import Site

OPENAI = ("/v1/chat/completions", "/v1/models")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_is_documented(site: Site) -> None:
    document = site.anonymous.get("/openapi.json").json()
    found = list(operations(document))
    assert len(found) >= 15
    for path, method, operation in found:
        place = f"{method} {path}"
        assert operation["summary"] and operation["description"] and operation["tags"], place
        good = [code for code in operation["responses"] if code.startswith("2")]
        assert good, place
        for code in good:
            for media in operation["responses"][code]["content"].values():
                assert media["schema"], place
        expected = "OpenAIErrorBody" if path in OPENAI else "ErrorBody"
        for code, response in operation["responses"].items():
            if code.startswith(("4", "5")) and (path, code) != ("/readyz", "503"):
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": f"#/components/schemas/{expected}"}, f"{place} {code}"
        assert any(code.startswith(("4", "5")) for code in operation["responses"]), place


def test_no_route_promises_fastapis_own_error(site: Site) -> None:
    assert "HTTPValidationError" not in site.anonymous.get("/openapi.json").text


def test_every_reference_resolves(site: Site) -> None:
    document = site.anonymous.get("/openapi.json").json()

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"], reference
