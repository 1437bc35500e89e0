"""A new site: its key, its secret, and wishes that are worth keeping."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from senmon.errors import ConfigError
from senmon.server.auth import SITE
from senmon.server.origins import exact_origin
from senmon.server.prechat import check_schema
from senmon.server.site_secrets import fingerprint, new_public_key, new_salt, site_secret
from senmon.store.records import Site
from senmon.store.sites import Sites

MAX_ORIGINS = 50
MAX_SCHEMA_BYTES = 64 * 1024
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_PHONE = re.compile(r"\+?[\d ()/.-]{5,30}")


@dataclass(frozen=True, slots=True)
class Registered:
    """A site and the secret that it is told once."""

    site: Site
    secret: str


def new_site(master: bytes, name: str, **wishes: Any) -> Registered:
    """`wishes` as `check_wishes` takes them. Raises ConfigError."""
    if not _NAME.fullmatch(name) or name == SITE:
        raise ConfigError(
            f"{name!r} can't be the name of a site",
            remedy=f"small letters, digits and -, beginning with a letter, at most 40; not {SITE}",
        )
    values = {"name": name, **check_wishes(**wishes)}
    if not values.get("origins"):
        raise ConfigError("a site needs an origin", remedy="--origin https://shop.example")
    key, salt = new_public_key(), new_salt()
    secret = site_secret(master, key, salt)
    made = Site(
        id=name,
        public_key=key,
        created=datetime.now(UTC),
        salt=salt,
        fingerprint=fingerprint(secret),
        **values,
    )
    return Registered(made, secret)


async def rotate(sites: Sites, master: bytes, name: str, overlap: timedelta) -> Registered:
    """A new secret; the old one is good for `overlap` more. Raises SiteNotFound."""
    site = await sites.get(name)
    salt = new_salt()
    secret = site_secret(master, str(site.public_key), salt)
    until = datetime.now(UTC) + overlap
    return Registered(await sites.rotate(name, salt, fingerprint(secret), old_until=until), secret)


def is_current(site: Site, master: bytes) -> bool:
    """Whether the secret that the site was told still holds: not after `home/secret` was made anew."""
    return fingerprint(site_secret(master, str(site.public_key), str(site.salt))) == site.fingerprint


def check_wishes(
    *,
    title: str | None = None,
    origins: Sequence[str] | None = None,
    packs: Sequence[str] | None = None,
    require_identity: bool | None = None,
    prechat: Path | None = None,
    csat: bool | None = None,
    email: str | None = None,
    phone: str | None = None,
    language: str | None = None,
) -> dict[str, Any]:
    """The columns of what was given; None was not. Raises ConfigError."""
    values: dict[str, Any] = {}
    if title is not None:
        values["name"] = _title(title)
    if origins:
        if len(origins) > MAX_ORIGINS:
            raise ConfigError(f"a site has at most {MAX_ORIGINS} origins", remedy="add another site")
        values["origins"] = tuple(dict.fromkeys(exact_origin(each, "--origin") for each in origins))
    if packs:
        values["packs"] = tuple(dict.fromkeys(packs))
    if require_identity is not None:
        values["require_identity"] = require_identity
    if prechat is not None:
        values["prechat"] = read_schema(prechat)
    if csat is not None:
        values["csat"] = csat
    contact = _contact(email, phone)
    if contact:
        values["contact"] = contact
    if language is not None:
        if not _LANGUAGE.fullmatch(language):
            raise ConfigError(f"{language!r} is no language tag", remedy="--language en, ja, pt-BR")
        values["language"] = language
    return values


def read_schema(path: Path) -> dict[str, Any]:
    """Raises ConfigError, naming the file and what is wrong."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SCHEMA_BYTES + 1)
        if len(text) > MAX_SCHEMA_BYTES:
            raise ConfigError(f"{path}: is larger than {MAX_SCHEMA_BYTES // 1024} KiB", remedy="ask for less")
        schema = json.loads(text.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", remedy="--prechat names a JSON file") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON in UTF-8 ({error})", remedy="see docs/sites.md") from error
    try:
        return check_schema(schema)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", remedy=error.remedy) from error


def _title(title: str) -> str:
    if not title.strip() or len(title) > 100 or not title.isprintable():
        raise ConfigError("a title has 1 to 100 printable letters", remedy='--title "Corner shop"')
    return title.strip()


def _contact(email: str | None, phone: str | None) -> dict[str, str]:
    if email is not None and not _EMAIL.fullmatch(email):
        raise ConfigError(f"{email!r} is no e-mail address", remedy="--email help@shop.example")
    if phone is not None and not _PHONE.fullmatch(phone):
        raise ConfigError(f"{phone!r} is no telephone number", remedy="--phone '+44 20 7946 0000'")
    return {name: value for name, value in (("email", email), ("phone", phone)) if value}
