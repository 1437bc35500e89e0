"""Who may do what in the console: one table, by method and path. What is not in it, nobody may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from senmon.store.staff import ROLES, Role

PREFIX = "/console"


@dataclass(frozen=True, slots=True)
class Rule:
    """`roles` may; None: anybody, signed in or not. `does` is what the audit log calls a change."""

    roles: frozenset[Role] | None
    does: str = ""


def _for(*roles: Role, does: str = "") -> Rule:
    return Rule(frozenset(roles), does)


ANYBODY = Rule(None)
EVERYONE: tuple[Role, ...] = ROLES
TALKS: tuple[Role, ...] = ("owner", "agent")
READS: tuple[Role, ...] = ("owner", "reviewer", "agent")
REVIEWS: tuple[Role, ...] = ("owner", "reviewer")
TEACHES: tuple[Role, ...] = ("owner", "teacher")

ACCESS: Mapping[tuple[str, str], Rule] = {
    ("GET", "/console/static/{name}"): ANYBODY,
    ("GET", "/console/sign-in"): ANYBODY,
    ("POST", "/console/sign-in"): ANYBODY,
    ("GET", "/console/setup/{token}"): ANYBODY,
    ("POST", "/console/setup/{token}"): ANYBODY,
    ("GET", "/console"): _for(*EVERYONE),
    ("POST", "/console/sign-out"): _for(*EVERYONE, does="signed out"),
    ("GET", "/console/account"): _for(*EVERYONE),
    ("POST", "/console/account"): _for(*EVERYONE, does="changed the own password"),
    ("GET", "/console/inbox"): _for(*READS),
    ("GET", "/console/inbox/list"): _for(*READS),
    ("GET", "/console/inbox/waiting"): _for(*READS),
    ("GET", "/console/inbox/{id}"): _for(*READS),
    ("GET", "/console/inbox/{id}/thread"): _for(*READS),
    ("POST", "/console/inbox/{id}/take"): _for(*TALKS, does="took over"),
    ("POST", "/console/inbox/{id}/say"): _for(*TALKS, does="answered"),
    ("POST", "/console/inbox/{id}/return"): _for(*TALKS, does="gave back"),
    ("POST", "/console/inbox/{id}/close"): _for(*TALKS, does="closed"),
    ("GET", "/console/review"): _for(*REVIEWS),
    ("GET", "/console/review/{id}"): _for(*REVIEWS),
    ("GET", "/console/review/{id}/next"): _for(*REVIEWS),
    ("POST", "/console/review/{id}/correct"): _for(*REVIEWS, does="corrected a reply"),
    ("POST", "/console/review/{id}/good"): _for(*REVIEWS, does="marked good"),
    ("POST", "/console/review/{id}/reroute"): _for(*REVIEWS, does="re-routed"),
    ("POST", "/console/review/{id}/eval"): _for(*REVIEWS, does="made an evaluation case"),
    ("POST", "/console/review/{id}/dismiss"): _for(*REVIEWS, does="dropped"),
    ("POST", "/console/review/{id}/undo"): _for(*REVIEWS, does="took a decision back"),
    ("GET", "/console/data"): _for(*REVIEWS),
    ("GET", "/console/data/{pack}"): _for(*REVIEWS),
    ("GET", "/console/runs"): _for(*REVIEWS),
    ("GET", "/console/runs/{pack}/{run}"): _for(*REVIEWS),
    ("GET", "/console/adapters"): _for(*REVIEWS),
    ("POST", "/console/adapters/{pack}/promote"): _for("owner", does="promoted an adapter"),
    ("POST", "/console/adapters/{pack}/rollback"): _for("owner", does="rolled back"),
    ("GET", "/console/gaps"): _for(*REVIEWS),
    ("GET", "/console/gaps/{pack}"): _for(*REVIEWS),
    ("GET", "/console/class"): _for(*TEACHES),
    ("GET", "/console/sites"): _for("owner"),
    ("POST", "/console/sites/add"): _for("owner", does="added a site"),
    ("POST", "/console/sites/{name}/rotate"): _for("owner", does="made a new site secret"),
    ("POST", "/console/sites/{name}/remove"): _for("owner", does="removed a site"),
    ("POST", "/console/keys/add"): _for("owner", does="made a key"),
    ("POST", "/console/keys/{name}/revoke"): _for("owner", does="revoked a key"),
    ("GET", "/console/staff"): _for("owner"),
    ("POST", "/console/staff/add"): _for("owner", does="let somebody in"),
    ("POST", "/console/staff/{name}/role"): _for("owner", does="changed a role"),
    ("POST", "/console/staff/{name}/disable"): _for("owner", does="disabled an account"),
    ("POST", "/console/staff/{name}/enable"): _for("owner", does="enabled an account"),
    ("POST", "/console/staff/{name}/link"): _for("owner", does="made a link for a password"),
    ("GET", "/console/audit"): _for("owner"),
}


def rule_of(method: str, path: str) -> Rule:
    """Of a route's own path. Nobody may what is not declared."""
    return ACCESS.get((method, path), Rule(frozenset()))


def may(role: Role, method: str, path: str) -> bool:
    roles = rule_of(method, path).roles
    return roles is None or role in roles
