"""The sites whose visitors may ask, each with its public key, its exact origins and its wishes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from senmon.errors import ConfigError, SiteNotFound
from senmon.store.database import Database
from senmon.store.records import Site
from senmon.store.rows import columns_of, now, one, values_of
from senmon.store.tables import api_keys, sites


class Sites:
    """What a site's secret is, the store does not know: it keeps what the secret is derived from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, site: Site) -> None:
        """Raises ConfigError when there is one of this id that embeds the widget, or did."""
        async with self._database.writing() as connection:
            known = await one(connection, select(sites).where(sites.c.id == site.id))
            if known is not None and known["public_key"] is not None:
                state = "was removed" if known["removed"] else "is there already"
                raise ConfigError(
                    f"the site {site.id} {state}", remedy="choose another name; `senmon sites` lists them"
                )
            if known is None:
                await connection.execute(insert(sites).values(_values(site)))
            else:  # it had API keys or visitors only
                await connection.execute(update(sites).where(sites.c.id == site.id).values(_values(site)))

    async def get(self, id: str) -> Site:
        """Raises SiteNotFound."""
        found = [site for site in await self.all() if site.id == id]
        if not found:
            raise SiteNotFound(
                "no such site", remedy="`senmon sites` lists them, `senmon sites add` adds one"
            )
        return found[0]

    async def all(self) -> tuple[Site, ...]:
        """Those that embed the widget, oldest first."""
        query = select(*columns_of(sites, Site)).where(
            sites.c.public_key.is_not(None), sites.c.removed.is_(None)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(sites.c.created, sites.c.id))).mappings().all()
        return tuple(_site(dict(row)) for row in rows)

    async def change(self, id: str, **values: Any) -> Site:
        """Raises SiteNotFound."""
        await self.get(id)
        async with self._database.writing() as connection:
            await connection.execute(update(sites).where(sites.c.id == id).values(_listed(values)))
        return await self.get(id)

    async def rotate(self, id: str, salt: str, fingerprint: str, *, old_until: datetime) -> Site:
        """A new secret; the old one is good until `old_until`. Raises SiteNotFound."""
        site = await self.get(id)
        return await self.change(
            id, salt=salt, fingerprint=fingerprint, previous_salt=site.salt, previous_until=old_until
        )

    async def remove(self, id: str) -> None:
        """Its keys are worth nothing any more; its conversations stay. Raises SiteNotFound."""
        await self.get(id)
        async with self._database.writing() as connection:
            valid = api_keys.c.site == id, api_keys.c.revoked.is_(None)
            await connection.execute(update(api_keys).where(*valid).values(revoked=now()))
            await connection.execute(update(sites).where(sites.c.id == id).values(removed=now()))


def _values(site: Site) -> dict[str, Any]:
    return _listed(values_of(site))


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _site(row: dict[str, Any]) -> Site:
    packs = row["packs"]
    return Site(**{**row, "origins": tuple(row["origins"]), "packs": None if packs is None else tuple(packs)})
