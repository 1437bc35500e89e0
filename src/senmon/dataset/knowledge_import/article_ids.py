"""Ids of imported articles: readable, valid as file names, the same from import to import."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping

from senmon.dataset.knowledge_import.page import Draft

MOST = 64


def slug(text: str) -> str:
    """Lower-case letters, digits and single hyphens; empty when nothing of `text` can be written so."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o").replace("Ø", "O"))
    return re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode().lower()).strip("-")


def article_ids(
    drafts: Iterable[Draft], *, taken: Iterable[str] = (), known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Key → id. `known` are the ids of an earlier import, which are kept; `taken` belong to others.

    Of two drafts that want one id, the later gets a suffix of its own key's hash.
    """
    keys = [(draft.key, _wanted(draft)) for draft in drafts]
    before = known or {}
    ids = {key: before[key] for key, _ in keys if key in before}
    used = {*taken, *before.values()}
    for key, wanted in keys:
        if key not in ids:
            ids[key] = wanted if wanted and wanted not in used else _suffixed(wanted, key, used)
            used.add(ids[key])
    return ids


def _wanted(draft: Draft) -> str:
    path = re.sub(r"(^|/)(index|readme|_index)$", "", draft.page.rsplit(".", 1)[0], flags=re.I)
    name = slug(path) or slug(draft.title)
    section = slug(draft.section)
    if not name or (draft.section and not section):
        return ""
    return _short("-".join(part for part in (name, section) if part))


def _short(name: str) -> str:
    return name if len(name) <= MOST else f"{name[: MOST - 7].rstrip('-')}-{_hash(name)}"


def _suffixed(wanted: str, key: str, used: set[str]) -> str:
    stem = wanted[: MOST - 7].rstrip("-") or "page"
    name = f"{stem}-{_hash(key)}"
    count = 1
    while name in used:
        count += 1
        name = f"{stem}-{_hash(f'{key} {count}')}"
    return name


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:6]
