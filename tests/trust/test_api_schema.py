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
from hypothesis.stateful import run_state_machine_as_test
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
#: Walks from what one request made to the next one, by the links that schemathesis finds in the document, and
#: their steps.
WALKS, STEPS = max(3, EXAMPLES // 2), 6
#: What a request gets that came as far as the handler.
HEARD = frozenset({200, 201, 202, 204, 303, 404, 409, 422})
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


DOCUMENT = document()
OPERATIONS = {each.ok().label: each.ok() for each in DOCUMENT.get_all_operations()}
#: Statuses that each operation was answered with.
REACHED: dict[str, set[int]] = {}


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


def test_every_documented_operation_is_tried_and_reached(world: World) -> None:
    """By somebody who may: what is refused at the door alone was not tried."""
    documented = {
        f"{method.upper()} {path}" for path, each in DOCUMENT.raw_schema["paths"].items() for method in each
    }
    assert set(OPERATIONS) == documented and len(documented) >= 30
    if len(REACHED) == len(OPERATIONS):
        # OpenAI's API says 400 of a body that it read and does not take.
        heard = {label: HEARD | {400} if "chat" in label else HEARD for label in REACHED}
        assert not {label for label, statuses in REACHED.items() if not statuses & heard[label]}


def test_walks_from_one_request_to_the_next_break_nothing(world: World) -> None:
    """Stateful: ids that came out of one answer go into the next request."""
    walked: list[str] = []

    class Walk(DOCUMENT.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            operator = case.operation.path.startswith(
                ("/v1/handovers", "/v1/people", "/v1/chat", "/webhooks")
            )
            case.headers.update(bearer(OPERATOR, None) if operator else bearer(world.visitor["token"]))

        def call(self, case: Any, **more: Any) -> Any:
            if case.operation.path == ENDLESS:
                case.path_parameters["id"] = "nobody"
            return case.call(base_url=world.site.url, timeout=30)

        def validate_response(self, response: Any, case: Any, **more: Any) -> None:
            walked.append(case.operation.label)
            _check(case, response)

    walk = settings(
        max_examples=WALKS, stateful_step_count=STEPS, database=None, deadline=None, derandomize=True,
        phases=(Phase.generate,), verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(Walk, settings=walk)
    assert len(walked) >= WALKS * 2 and len(set(walked)) >= 4


def _send(world: World, case: Any, *, real: bool, who: str) -> None:
    if real and case.operation.path != ENDLESS and "id" in (case.path_parameters or {}):
        kinds = {"/v1/runs": "run", "/v1/handovers": "handover"}
        kind = next(
            (each for start, each in kinds.items() if case.operation.path.startswith(start)), "conversation"
        )
        case.path_parameters["id"] = "returns" if "articles" in case.operation.path else world.places[kind]
    headers = {"visitor": bearer(world.visitor["token"]), "operator": bearer(OPERATOR, None)}.get(who, {})
    answer = case.call(base_url=world.site.url, headers=headers, timeout=30)
    REACHED.setdefault(case.operation.label, set()).add(answer.status_code)
    _check(case, answer)


def _check(case: Any, answer: Any) -> None:
    # Of a stream the document describes each event's data; schemathesis takes it for that of the frame.
    stream = "text/event-stream" in str(answer.headers.get("content-type"))
    case.validate_response(answer, checks=CHECKS[:-1] if stream else CHECKS)
