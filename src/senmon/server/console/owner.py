"""For owners: the sites and their keys, the people of the console, and who changed what."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from senmon.errors import ConfigError, SiteNotFound
from senmon.server.console.library import packs_of
from senmon.server.console.naming import account_name, shown_name
from senmon.server.console.pages import render
from senmon.server.console.route import ConsoleRoute, form_of, go, note, staff_of
from senmon.server.console.session import door_of, server_of
from senmon.server.registering import new_site, rotate
from senmon.store.rows import now
from senmon.store.staff import ROLES, Role

router = APIRouter(prefix="/console", route_class=ConsoleRoute, include_in_schema=False)
Name = Annotated[str, Path(pattern=r"^[\w.@+-]{1,100}$")]
PAGE = 100


@router.get("/sites")
async def sites(request: Request) -> Response:
    return await _sites(request)


@router.post("/sites/add")
async def add_site(request: Request) -> Response:
    """Its secret is shown on this page, and never again."""
    form = form_of(request)
    packs = form.all("pack")
    made = new_site(
        door_of(request).secret,
        form.text("name"),
        title=form.text("title", 100) or None,
        origins=form.lines("origins"),
        packs=[pack for pack in packs if pack in packs_of(request)] or None,
    )
    await server_of(request).workspace.store.sites.add(made.site)
    note(request, made.site.id, origins=list(made.site.origins))
    return await _sites(request, secret=made.secret, of=made.site.id)


@router.post("/sites/{name}/rotate")
async def rotate_site(name: Name, request: Request) -> Response:
    """The old secret is good for a day more."""
    store = server_of(request).workspace.store
    made = await rotate(store.sites, door_of(request).secret, name, timedelta(hours=24))
    note(request, name)
    return await _sites(request, secret=made.secret, of=name)


@router.post("/sites/{name}/remove")
async def remove_site(name: Name, request: Request) -> Response:
    """Its conversations stay."""
    await server_of(request).workspace.store.sites.remove(name)
    note(request, name)
    return go(request, "/console/sites")


@router.post("/keys/add")
async def add_key(request: Request) -> Response:
    form, store = form_of(request), server_of(request).workspace.store
    site = await store.sites.get(form.text("site"))
    secret, record = await store.add_key(form.text("title", 100) or "desk", site=site.id)
    note(request, record.id, site=site.id, title=record.name)
    return await _sites(request, secret=secret, of=f"the key {record.name}")


@router.post("/keys/{name}/revoke")
async def revoke_key(name: Name, request: Request) -> Response:
    if not await server_of(request).workspace.store.revoke_key(name):
        raise SiteNotFound("there is no such key, or it was revoked", remedy="load the page again")
    note(request, name)
    return go(request, "/console/sites")


async def _sites(request: Request, *, secret: str = "", of: str = "") -> Response:
    store = server_of(request).workspace.store
    keys = [key for key in await store.keys() if key.revoked is None]
    address = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return render(
        request,
        "sites.html",
        sites=await store.sites.all(),
        keys=keys,
        packs=sorted(packs_of(request)),
        secret=secret,
        of=of,
        address=address,
    )


@router.get("/staff")
async def people(request: Request) -> Response:
    return await _people(request)


@router.post("/staff/add")
async def add_person(request: Request) -> Response:
    form, store = form_of(request), server_of(request).workspace.store
    name = account_name(form.text("name"))
    made = await store.staff.add(name, shown_name(form.text("display") or name), _role(form.text("role")))
    note(request, made.name, role=made.role)
    return await _people(request, link=await store.staff.make_link(made.id), of=made.name)


@router.post("/staff/{name}/role")
async def change_role(name: Name, request: Request) -> Response:
    role = _role(form_of(request).text("role"))
    await server_of(request).workspace.store.staff.change(name, role=role)
    note(request, name, role=role)
    return go(request, "/console/staff")


@router.post("/staff/{name}/disable")
async def disable(name: Name, request: Request) -> Response:
    if name == staff_of(request).name:
        raise ConfigError("this is your own account", remedy="another owner can disable it")
    await server_of(request).workspace.store.staff.change(name, disabled=now())
    note(request, name)
    return go(request, "/console/staff")


@router.post("/staff/{name}/enable")
async def enable(name: Name, request: Request) -> Response:
    await server_of(request).workspace.store.staff.change(name, disabled=None)
    note(request, name)
    return go(request, "/console/staff")


@router.post("/staff/{name}/link")
async def new_link(name: Name, request: Request) -> Response:
    """To choose a password. The old one is good until then."""
    store = server_of(request).workspace.store
    found = await store.staff.get(name)
    note(request, name)
    return await _people(request, link=await store.staff.make_link(found.id), of=name)


async def _people(request: Request, *, link: str = "", of: str = "") -> Response:
    address = f"{request.url.scheme}://{request.headers.get('host', '')}/console/setup/{link}" if link else ""
    people = await server_of(request).workspace.store.staff.all()
    return render(request, "staff.html", people=people, roles=ROLES, link=address, of=of)


@router.get("/audit")
async def audit(request: Request) -> Response:
    given = request.query_params
    text = given.get("before", "")
    before = int(text) if text.isdigit() and len(text) < 12 else None
    who, what = given.get("who", "")[:100], given.get("what", "")[:64]
    store = server_of(request).workspace.store
    found = await store.audit.entries(before=before, who=who, what=what, most=PAGE + 1)
    names = [person.name for person in await store.staff.all()]
    more = found[PAGE - 1].id if len(found) > PAGE else None
    return render(request, "audit.html", entries=found[:PAGE], names=names, who=who, what=what, more=more)


def _role(text: str) -> Role:
    if text not in ROLES:
        raise ConfigError("there is no such role", remedy=f"one of {', '.join(ROLES)}")
    return text
