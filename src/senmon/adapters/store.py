"""Adapter versions on disk: immutable folders, which one is promoted, how it came to that.

home/adapters/<pack>/<version>/            PEFT folder + senmon.json + README.md, never changed
home/adapters/<pack>/<version>.verdicts.jsonl   gate verdicts, append-only
home/adapters/<pack>/promoted.json         current version and the ones before it
home/adapters/<pack>/canary.json           a version on trial (see `canary.py`)
home/adapters/<pack>/history.jsonl         promotions and rollbacks, append-only
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from senmon.adapters import durable, folder
from senmon.adapters.card import CARD_FILE, Adapter, AdapterCard, read_card
from senmon.adapters.model_card import model_card
from senmon.errors import AdapterCorrupt, AdapterError, AdapterMismatch, AdapterNotFound
from senmon.packs.manifest import NAME_PATTERN
from senmon.packs.pack import Pack

VERSION = re.compile(r"^[0-9a-f]{64}$")
PREFIX = re.compile(r"^[0-9a-f]{4,64}$")
README = "README.md"
#: How many promotions a rollback can go back.
DEPTH = 50
RELEASE_REASON = "imported with the pack's release"


class Promotion(BaseModel):
    """`promoted.json`: the version being served (None: the bare base) and those it replaced, oldest first."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str | None = None
    before: tuple[str | None, ...] = ()
    time: str = ""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class AdapterStore:
    """The adapters of a home folder. Safe to use from several processes and threads at once."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "adapters"

    # --- reading

    def list(self, pack: str) -> tuple[Adapter, ...]:
        """Every readable version of a pack, oldest first."""
        root = self._root(pack)
        paths = (path for path in root.iterdir() if VERSION.match(path.name)) if root.is_dir() else ()
        adapters = (self._open(pack, path.name) for path in paths)
        readable = [adapter for adapter in adapters if adapter is not None]
        return tuple(sorted(readable, key=lambda adapter: (adapter.card.created, adapter.version)))

    def get(self, pack: str, version_prefix: str) -> Adapter:
        """The version that starts with `version_prefix` (4 hex digits or more). Raises AdapterNotFound."""
        root = self._root(pack)
        names = [path.name for path in root.iterdir()] if root.is_dir() else []
        known = [name for name in names if VERSION.match(name)]
        wanted = version_prefix.lower()
        found = [name for name in known if PREFIX.match(wanted) and name.startswith(wanted)]
        if len(found) != 1:
            why = f"{len(found)} versions start" if found else "no version starts"
            shown = ", ".join(sorted(name[:12] for name in found or known)) or "there is none"
            raise AdapterNotFound(
                f"{pack}: {why} with {version_prefix[:64]!r}",
                remedy=f"give one of: {shown}" if known else f"tune it first: senmon tune {pack}",
            )
        return Adapter(pack, found[0], root / found[0], read_card(root / found[0]))

    def promoted(self, pack: str) -> Adapter | None:
        """The adapter being served; None is the bare base. Raises AdapterCorrupt when it can't be read."""
        version = self._promotion(pack).version
        if version is None:
            return None
        path = self._root(pack) / version
        if not path.is_dir():
            raise AdapterCorrupt(
                f"{path}: the promoted version is gone", remedy=f"senmon adapters rollback {pack}"
            )
        return Adapter(pack, version, path, read_card(path))

    def history(self, pack: str) -> tuple[dict[str, Any], ...]:
        """Promotions and rollbacks, oldest first: `event`, `version`, `before`, `reason`, `time`."""
        return durable.read_lines(self._root(pack) / "history.jsonl")

    def stamp(self) -> tuple[tuple[str, int, int, int], ...]:
        """A value that changes with any promotion, rollback or trial of any pack; two stats per pack."""
        marks = []
        names = ("promoted.json", "canary.json")
        for path in sorted(each for name in names for each in self.folder.glob(f"*/{name}")):
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            marks.append((f"{path.parent.name}/{path.name}", state.st_mtime_ns, state.st_size, state.st_ino))
        return tuple(marks)

    def verify(self, adapter: Adapter) -> None:
        """Recomputes every digest. Raises AdapterCorrupt naming the file, AdapterError for unsafe content."""
        config = folder.check_folder(adapter.path)
        remedy = f"don't repair it by hand: tune again, or senmon adapters rollback {adapter.pack}"
        changed = [
            name
            for name, digest in read_card(adapter.path).files.items()
            if _changed(adapter.path, name, digest)
        ]
        if folder.version_of(adapter.path) != adapter.version:
            changed = changed or [folder.WEIGHTS, folder.CONFIG]
        if changed:
            raise AdapterCorrupt(
                f"{adapter.label}: {', '.join(changed)} changed since publishing", remedy=remedy
            )
        card = adapter.card
        if (config["r"], bool(config.get("use_rslora"))) != (card.rank, card.rslora):
            raise AdapterCorrupt(f"{adapter.path / CARD_FILE}: differs from {folder.CONFIG}", remedy=remedy)

    # --- writing

    def publish(self, source: Path, card: AdapterCard, *, tokenizer: Path | None = None) -> Adapter:
        """Copies a PEFT folder into the store; the same content twice is one version.

        `tokenizer` is a folder whose tokenizer files and chat template are put beside the weights. Raises
        AdapterError when the folder is unsafe or the disk is full; nothing half-written can be loaded.
        """
        config = folder.check_folder(source)
        card = _portable(card).model_copy(update=_from_config(config))
        root = self._root(card.pack)
        try:
            with durable.locked(root):
                durable.sweep(root)
                return self._publish(root, source, config, card, tokenizer)
        except OSError as error:
            raise AdapterError(
                f"{root}: the adapter could not be written ({error.strerror or error})",
                remedy="free disk space or check permissions, then publish again",
            ) from error

    def promote(self, pack: str, version: str, *, reason: str, base_digest: str = "") -> Adapter:
        """Makes a version the one being served, after verifying it.

        Raises AdapterNotFound, AdapterCorrupt, and AdapterMismatch when `base_digest` is another base's.
        """
        adapter = self.get(pack, version)
        self.verify(adapter)
        if base_digest and adapter.card.base_digest != base_digest:
            raise AdapterMismatch(
                f"{adapter.label} was tuned for base {adapter.card.base} ({adapter.card.base_digest[:12]}), "
                f"this base is {base_digest[:12]}",
                remedy=f"use that base, or tune for this one: senmon tune {pack}",
            )
        with durable.locked(self._root(pack)):
            current = self._promotion(pack)
            if current.version != adapter.version:
                before = (*current.before, current.version)[-DEPTH:]
                self._record(
                    pack, "promote", Promotion(version=adapter.version, before=before, time=now()), reason
                )
        return adapter

    def rollback(self, pack: str, *, reason: str = "asked for") -> Adapter | None:
        """Back to the version promoted before; None is the bare base. Damaged versions are passed over.

        Raises AdapterNotFound when nothing is promoted.
        """
        with durable.locked(self._root(pack)):
            current = self._promotion(pack)
            if current.version is None:
                raise AdapterNotFound(f"{pack}: nothing is promoted, there is nothing to go back from")
            before = list(current.before)
            while before:
                version = before.pop()
                adapter, fault = self._usable(pack, version)
                if not fault:
                    break
                reason += f"; passed over {fault}"
            else:
                version, adapter = None, None
            self._record(
                pack, "rollback", Promotion(version=version, before=tuple(before), time=now()), reason
            )
            return adapter

    def add_verdict(self, adapter: Adapter, verdict: Mapping[str, Any]) -> None:
        """Appends a gate verdict beside the adapter."""
        with durable.locked(self._root(adapter.pack)):
            durable.append_line(self._verdicts(adapter), {"time": now(), **verdict})

    def verdicts(self, adapter: Adapter) -> tuple[dict[str, Any], ...]:
        """The gate verdicts of an adapter, oldest first."""
        return durable.read_lines(self._verdicts(adapter))

    # --- releases

    def release_obstacle(self, pack: Pack, base_digest: str) -> str:
        """Why the adapter that comes with a pack can't be used with this base; empty when it can."""
        path = pack.released_adapter
        if not (path / folder.CONFIG).is_file():
            return f"{pack.name} has no released adapter"
        try:
            folder.check_folder(path)
            card = read_card(path)
            changed = [name for name, digest in card.files.items() if _changed(path, name, digest)]
        except AdapterError as error:
            return str(error)
        if changed:
            return f"{path}: {', '.join(changed)} changed since the release"
        if card.pack != pack.name:
            return f"{path}: released for pack {card.pack}, not {pack.name}"
        if card.base_digest != base_digest:
            tuned_for = f"{card.base} ({card.base_digest[:12]})"
            return f"{path}: tuned for base {tuned_for}, this base is {base_digest[:12]}"
        return ""

    def import_release(self, pack: Pack, base_digest: str) -> Adapter | None:
        """Publishes the adapter that comes with a pack, and promotes it unless a local promotion wins.

        It is promoted when nothing is, when the promoted one came from an earlier release, or when the
        promoted one was tuned for another base; a release that was rolled back is not promoted again. None:
        there is no release that fits (`release_obstacle` says why).
        """
        if self.release_obstacle(pack, base_digest):
            return None
        card = read_card(pack.released_adapter).model_copy(update={"origin": "release"})
        adapter = self.publish(pack.released_adapter, card)
        if self._release_wins(adapter, base_digest):
            self.promote(pack.name, adapter.version, reason=RELEASE_REASON, base_digest=base_digest)
        return adapter

    def _release_wins(self, release: Adapter, base_digest: str) -> bool:
        try:
            promoted = self.promoted(release.pack)
        except AdapterCorrupt:
            return True
        if promoted is not None and promoted.card.base_digest != base_digest:
            return True
        known = any(record.get("version") == release.version for record in self.history(release.pack))
        return not known and (promoted is None or promoted.card.origin == "release")

    # --- inside

    def _root(self, pack: str) -> Path:
        if not re.match(NAME_PATTERN, pack):
            raise AdapterNotFound(f"{pack[:64]!r} is not a pack's name")
        return self.folder / pack

    def _open(self, pack: str, version: str) -> Adapter | None:
        path = self._root(pack) / version
        try:
            return Adapter(pack, version, path, read_card(path))
        except AdapterCorrupt:
            return None

    def _usable(self, pack: str, version: str | None) -> tuple[Adapter | None, str]:
        if version is None:
            return None, ""
        try:
            adapter = self.get(pack, version)
            self.verify(adapter)
        except AdapterError as error:
            return None, error.message
        return adapter, ""

    def _verdicts(self, adapter: Adapter) -> Path:
        return self._root(adapter.pack) / f"{adapter.version}.verdicts.jsonl"

    def _promotion(self, pack: str) -> Promotion:
        path = self._root(pack) / "promoted.json"
        try:
            promotion = Promotion.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Promotion()
        except (OSError, ValueError, ValidationError) as error:
            raise AdapterCorrupt(
                f"{path}: can't be read ({error})", remedy="remove it, then promote a version again"
            ) from error
        if promotion.version is not None and not VERSION.match(promotion.version):
            raise AdapterCorrupt(f"{path}: no version", remedy="remove it, then promote a version again")
        return promotion

    def _record(self, pack: str, event: str, promotion: Promotion, reason: str) -> None:
        """History first: a kill between the two leaves a line too many, never a change without a line."""
        root = self._root(pack)
        line = {
            "event": event,
            "version": promotion.version,
            "before": self._promotion(pack).version,
            "reason": reason,
            "time": promotion.time,
        }
        durable.append_line(root / "history.jsonl", line)
        durable.write_json(root / "promoted.json", promotion.model_dump(mode="json"))

    def _publish(
        self, root: Path, source: Path, config: Mapping[str, Any], card: AdapterCard, tokenizer: Path | None
    ) -> Adapter:
        config = folder.canonical_config(config, base=card.base, revision=card.base_revision)
        version = folder.version_of(source, config)
        final = root / version
        existing, fault = self._usable(card.pack, version) if final.is_dir() else (None, "")
        if existing is not None and not fault:
            return existing
        with durable.temporary_folder(root) as temporary:
            write_folder(temporary, source, config, card, tokenizer=tokenizer)
            if folder.version_of(temporary) != version:
                raise AdapterError(f"{source}: changed while it was copied", remedy="publish it again")
            durable.install_folder(temporary, final)
        return Adapter(card.pack, version, final, read_card(final))


def write_folder(
    target: Path,
    source: Path,
    config: Mapping[str, Any],
    card: AdapterCard,
    *,
    tokenizer: Path | None = None,
    readme: str = "",
    companions: bool = True,
) -> None:
    """Fills `target` with a complete PEFT folder: `config` is canonical, `readme` "" is made of the card."""
    beside = folder.COMPANIONS if companions else ()
    origins = {name: source / name for name in (folder.WEIGHTS, folder.POLICY, *beside)}
    for name in beside:
        if tokenizer is not None and not origins[name].is_file():
            origins[name] = tokenizer / name
    for name, origin in origins.items():
        if origin.is_file() and not origin.is_symlink():
            shutil.copyfile(origin, target / name)
    durable.write_json(target / folder.CONFIG, dict(config))
    curve = folder.CURVE if (target / folder.CURVE).is_file() else ""
    durable.write_text(target / README, readme or model_card(card, curve=curve))
    files = {path.name: folder.file_digest(path) for path in sorted(target.iterdir())}
    durable.write_json(target / CARD_FILE, card.model_copy(update={"files": files}).model_dump(mode="json"))


def portable(base: object) -> str:
    """A base's name that says nothing of this machine: a folder by its last part."""
    name = str(base)
    return Path(name).name if Path(name).is_absolute() else name


def _portable(card: AdapterCard) -> AdapterCard:
    recipe = {**card.recipe, "base": portable(card.recipe["base"])} if "base" in card.recipe else card.recipe
    return card.model_copy(update={"base": portable(card.base), "recipe": recipe})


def _from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """PEFT's config is what loads: the card repeats it."""
    modules = config.get("target_modules") or ()
    return {
        "rank": config["r"],
        "alpha": float(config.get("lora_alpha") or config["r"]),
        "rslora": bool(config.get("use_rslora")),
        "target_modules": (modules,) if isinstance(modules, str) else tuple(sorted(modules)),
    }


def _changed(path: Path, name: str, digest: str) -> bool:
    if Path(name).name != name:
        return True
    try:
        return folder.file_digest(path / name) != digest
    except AdapterCorrupt:
        return True
