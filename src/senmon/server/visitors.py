"""Visitors' tokens, and the demo customer of a local server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request

from senmon.errors import Unauthenticated
from senmon.server.auth import SITE
from senmon.server.responses import BODY, errors
from senmon.server.schemas import CustomerToken, DemoCustomerRequest, VisitorRequest, VisitorToken
from senmon.server.services import Server

router = APIRouter(tags=["visitors"])
demo_router = APIRouter(tags=["demo"])


@router.post(
    "/v1/visitors",
    status_code=201,
    response_model=VisitorToken,
    responses=errors(*BODY, 401, 429),
    summary="Get a visitor token",
)
async def create_visitor(
    request: Request, server: Server, body: Annotated[VisitorRequest, Body()] = VisitorRequest(customer=None)
) -> VisitorToken:
    """A short-lived token for a new visitor; with a visitor token as Bearer, a new one for the same visitor.

    With a customer token in the body, the visitor acts as that customer until it expires.
    """
    server.limiter.check(f"address/{request.client.host if request.client else ''}")
    visitor, customer, seconds = _known_visitor(request, server), None, None
    if body.customer is not None:
        customer, seconds = server.auth.read_customer(body.customer, SITE, request.headers)
    token = server.auth.issue_visitor(visitor, customer=customer, seconds=seconds)
    return VisitorToken(
        token=token.value,
        expires_in=token.expires_in,
        customer=customer,
        demo=server.auth.demo(request.headers),
        max_message_chars=server.workspace.settings.max_message_chars,
    )


def _known_visitor(request: Request, server: Server) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    try:
        return server.auth.read_visitor(token.strip(), renewing=True).visitor
    except Unauthenticated:
        # Too old or not ours: whoever it is starts afresh.
        return None


@demo_router.post(
    "/v1/demo/customer",
    status_code=201,
    response_model=CustomerToken,
    responses=errors(*BODY, 403, 429),
    summary="Sign in as a demo customer",
)
async def create_demo_customer(
    request: Request,
    server: Server,
    body: Annotated[DemoCustomerRequest, Body()] = DemoCustomerRequest(customer="demo"),
) -> CustomerToken:
    """A customer token such as the host's site would sign. Only with SENMON_DEMO, and only on loopback."""
    server.limiter.check(f"address/{request.client.host if request.client else ''}")
    token = server.auth.issue_demo_customer(body.customer, request.headers)
    return CustomerToken(customer_token=token.value, expires_in=token.expires_in)
