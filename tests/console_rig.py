"""The console as its people use it: accounts, a client that keeps cookies and sends what forms send."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from typing import Any

import httpx
from argon2 import PasswordHasher

from senmon.store.staff import Role, Staff
from server_rig import Site, client_of

PASSWORD = "correct horse battery"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
#: Whatever is written into a field: none of it may become an element or a script.
HOSTILE = (
    "<script>window.hacked=1</script><img src=x onerror=window.hacked=2>"
    "\"'><svg/onload=window.hacked=3>{{7*7}}"
)


@cache
def cheap_hash() -> str:
    """Of PASSWORD; the check of it takes a millisecond."""
    return PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)


def make_staff(site: Site, name: str, role: Role, display: str = "") -> Staff:
    made: Staff = site.call(
        site.workspace.store.staff.add(name, display or name.capitalize(), role, cheap_hash())
    )
    return made


class Person:
    """Somebody with a browser, so to speak."""

    def __init__(self, site: Site) -> None:
        self.client: httpx.Client = client_of(site.url)
        self.url = site.url

    def sign_in(self, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        return self.post("/console/sign-in", page="/console/sign-in", name=name, password=password, **more)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def csrf(self, page: str) -> str:
        found = _CSRF.search(self.get(page).text)
        assert found is not None, f"{page} has no form"
        return unescape(found.group(1))

    def post(self, path: str, *, page: str = "/console/account", **fields: Any) -> httpx.Response:
        """As a form of `page` sends it."""
        data = {"csrf": self.csrf(page), **fields}
        return self.client.post(path, data=data, headers={"Origin": self.url})


def person(site: Site, name: str) -> Person:
    made = Person(site)
    answer = made.sign_in(name)
    assert answer.status_code == 303, answer.text
    return made
