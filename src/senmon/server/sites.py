"""The sites as requests need them: by key and by id, read again every second, and what they may ask."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from senmon.errors import IdentityRequired, OriginRefused, SenmonError, SiteNotFound, Unauthenticated
from senmon.messages import Identity
from senmon.server.origins import is_own
from senmon.server.site_secrets import site_secret
from senmon.store.records import Site
from senmon.store.sites import Sites

#: So soon a site that was added, changed or removed by command is served so.
FRESH_SECONDS = 1.0

log = logging.getLogger(__name__)


class SiteRegistry:
    """A copy of the sites in memory: most requests ask no database for them."""

    def __init__(self, sites: Sites, master: bytes) -> None:
        self._sites = sites
        self._master = master
        self._by_id: Mapping[str, Site] = {}
        self._by_key: Mapping[str, Site] = {}
        self._origins: frozenset[str] = frozenset()
        self._read = float("-inf")
        self._reading = asyncio.Lock()

    async def refresh(self) -> None:
        """Raises StoreError only when the sites were never read."""
        if time.monotonic() - self._read < FRESH_SECONDS:
            return
        async with self._reading:
            if time.monotonic() - self._read < FRESH_SECONDS:
                return
            try:
                found = await self._sites.all()
            except SenmonError as error:
                if self._read == float("-inf"):
                    raise
                log.error("the sites could not be read again: %s", error.code)
                return
            self._by_id = {site.id: site for site in found}
            self._by_key = {str(site.public_key): site for site in found}
            self._origins = frozenset(origin for site in found for origin in site.origins)
            self._read = time.monotonic()

    async def allows(self, origin: str) -> bool:
        """Whether it is an origin of any site."""
        try:
            await self.refresh()
        except SenmonError:
            return False
        return origin in self._origins

    async def any(self) -> bool:
        await self.refresh()
        return bool(self._by_id)

    async def by_key(self, key: str) -> Site:
        """Raises SiteNotFound."""
        await self.refresh()
        if key not in self._by_key:
            raise SiteNotFound(
                "no site has this key", remedy="check data-site-key; `senmon sites` lists them"
            )
        return self._by_key[key]

    async def find(self, id: str) -> Site | None:
        await self.refresh()
        return self._by_id.get(id)

    def secrets(self, site: Site) -> tuple[bytes, ...]:
        """What the site signs with now and, for a while after a rotation, what it signed with before."""
        salts = [site.salt]
        if site.previous_until is not None and site.previous_until > datetime.now(UTC):
            salts.append(site.previous_salt)
        key = str(site.public_key)
        return tuple(site_secret(self._master, key, salt).encode() for salt in salts if salt)

    async def check(self, identity: Identity, headers: Mapping[str, str]) -> None:
        """Whether a visitor of a site may ask so: from a page of the site, signed in if it demands that.

        A request without Origin comes from a page of this server's own (the iframe), or from no browser.
        Raises Unauthenticated, IdentityRequired, OriginRefused.
        """
        site = await self.find(identity.site)
        if site is None:
            raise Unauthenticated("this site is served no longer", remedy="`senmon sites` lists the sites")
        if origin := headers.get("origin", ""):
            check_origin(site, origin, headers)
        if site.require_identity and identity.customer is None:
            raise identity_required()


def check_origin(site: Site, origin: str, headers: Mapping[str, str]) -> None:
    """Raises OriginRefused unless the page is the site's, or this server's own (the iframe)."""
    if origin not in site.origins and not is_own(origin, headers):
        raise OriginRefused(
            "this page's origin is not one of the site's",
            remedy=f"`senmon sites change {site.id} --origin …` names the origins",
        )


def identity_required() -> IdentityRequired:
    return IdentityRequired(
        "this site answers signed-in customers only", remedy="give a customer token signed with its secret"
    )
