"""The OpenAPI document against the server, by schemathesis: nothing breaks it, no answer is undocumented."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from access_rig import OPERATOR, World, bearer, begin, world_in
from senmon.server.app import create_app
from senmon.settings import Settings

#: Of each operation. A thorough run takes minutes: SENMON_TRUST_EXAMPLES=200.
EXAMPLES = int(os.environ.get("SENMON_TRUST_EXAMPLES", "8"))
#: It has no end; its answers are tried elsewhere, and here for conversations that don't exist.
ENDLESS = "/v1/conversations/{id}/events"
CHECKS = (
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


def document() -> Any:
    app = create_app(SimpleNamespace(settings=Settings(home=Path("unused"), demo=True)))
    return schemathesis.openapi.from_dict(app.openapi())


OPERATIONS = {each.ok().label: each.ok() for each in document().get_all_operations()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("senmon.server.sites.FRESH_SECONDS", 0.0)
        with world_in(tmp_path_factory.mktemp("schema")) as made:
            yield made


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_makes_the_server_fail(world: World, label: str) -> None:
    operation = OPERATIONS[label]
    begin(world)

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        derandomize=True,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), real=st.booleans(), who=st.sampled_from(("visitor", "operator", "")))
    def attempt(case: Any, real: bool, who: str) -> None:
        _send(world, case, real=real, who=who)

    attempt()


def _send(world: World, case: Any, *, real: bool, who: str) -> None:
    if real and case.operation.path != ENDLESS and "id" in (case.path_parameters or {}):
        kinds = {"/v1/runs": "run", "/v1/handovers": "handover"}
        kind = next(
            (each for start, each in kinds.items() if case.operation.path.startswith(start)), "conversation"
        )
        case.path_parameters["id"] = "returns" if "articles" in case.operation.path else world.places[kind]
    headers = {"visitor": bearer(world.visitor["token"]), "operator": bearer(OPERATOR, None)}.get(who, {})
    answer = case.call(base_url=world.site.url, headers=headers, timeout=30)
    # Of a stream the document describes each event's data; schemathesis takes it for that of the frame.
    stream = "text/event-stream" in str(answer.headers.get("content-type"))
    case.validate_response(answer, checks=CHECKS[:-1] if stream else CHECKS)
