"""Visitors' tokens, and the demo customer of a local server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request

from senmon.errors import OriginRefused, Unauthenticated
from senmon.server.auth import SITE
from senmon.server.responses import BODY, errors
from senmon.server.schemas import (
    CustomerToken,
    DemoCustomerRequest,
    SiteInfo,
    VisitorRequest,
    VisitorToken,
)
from senmon.server.services import Server, Services, address_of
from senmon.server.sites import check_origin, identity_required
from senmon.store.keys import key_digest
from senmon.store.records import Site

router = APIRouter(tags=["visitors"])
demo_router = APIRouter(tags=["demo"])


@router.post(
    "/v1/visitors",
    status_code=201,
    response_model=VisitorToken,
    responses=errors(*BODY, 401, 403, 404, 429),
    summary="Get a visitor token",
)
async def create_visitor(
    request: Request,
    server: Server,
    body: Annotated[VisitorRequest, Body()] = VisitorRequest(
        site_key=None, refresh_token=None, attempt="", customer=None, class_code=None, nickname=""
    ),
) -> VisitorToken:
    """A short-lived token, and a refresh token that buys the next one for the same visitor.

    With a site key, the page must be one of the site's. With a customer token, the visitor acts as that
    customer until it expires; with a class code and a nickname, as that pupil. Without a site key, a visitor
    token as Bearer also stays the same visitor.
    """
    await server.limits.arrive(address_of(request, server))
    site = await _site(body, request, server)
    id = site.id if site else SITE
    await server.limits.enter(id)
    customer, seconds = None, None
    if body.customer is not None:
        customer, seconds = await server.auth.read_customer(body.customer, id, request.headers)
    elif body.class_code is not None:
        address = address_of(request, server)
        customer = await server.auth.classes.pupil(body.class_code, body.nickname, address)
    elif site is not None and site.require_identity:
        raise identity_required()
    visitor, refresh = await _same_visitor(id, body, request, server)
    token = server.auth.issue_visitor(visitor, customer=customer, seconds=seconds, site=id)
    return VisitorToken(
        token=token.value,
        expires_in=token.expires_in,
        refresh_token=refresh,
        customer=customer,
        site=_info(site) if site else None,
        demo=server.auth.demo(request.headers),
        max_message_chars=server.workspace.settings.max_message_chars,
    )


async def _site(body: VisitorRequest, request: Request, server: Services) -> Site | None:
    """The site that the page is of. Raises SiteNotFound, OriginRefused, Unauthenticated."""
    if body.site_key is None:
        if not await server.auth.may_come_without_site(request.headers):
            raise Unauthenticated("which site is this?", remedy="send its site_key (data-site-key)")
        return None
    site = await server.sites.by_key(body.site_key)
    origin = request.headers.get("origin", "")
    if not origin:
        raise OriginRefused("a page's Origin is needed here", remedy="browsers send it by themselves")
    check_origin(site, origin, request.headers)
    return site


async def _same_visitor(
    site: str, body: VisitorRequest, request: Request, server: Services
) -> tuple[str, str]:
    """Who comes back, or somebody new, with a refresh token. Raises RefreshRefused."""
    store = server.workspace.store
    if body.refresh_token is not None:
        new = server.auth.new_refresh(body.refresh_token, body.attempt)
        return await store.refresh.rotate(site, key_digest(body.refresh_token), key_digest(new)), new
    visitor = (_known(request, server) if site == SITE else None) or server.auth.new_visitor()
    new = server.auth.new_refresh()
    await store.refresh.begin(site, visitor, key_digest(new))
    return visitor, new


def _known(request: Request, server: Services) -> str | None:
    """The visitor of a token of this server's own pages, even one that expired lately."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    try:
        found = server.auth.read_visitor(token.strip(), renewing=True)
    except Unauthenticated:
        # Too old or not ours: whoever it is starts afresh.
        return None
    return found.visitor if found.site == SITE else None


def _info(site: Site) -> SiteInfo:
    return SiteInfo(
        name=site.name,
        language=site.language,
        packs=None if site.packs is None else list(site.packs),
        require_identity=site.require_identity,
        prechat=None if site.prechat is None else dict(site.prechat),
        csat=site.csat,
        contact=None if site.contact is None else dict(site.contact),
    )


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
    await server.limits.arrive(address_of(request, server))
    token = server.auth.issue_demo_customer(body.customer, request.headers)
    return CustomerToken(customer_token=token.value, expires_in=token.expires_in)
