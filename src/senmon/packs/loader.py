"""Folder → Pack: everything validated, every problem reported together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from senmon.errors import PackError, PackInvalid, PackNotFound, Problem, ProblemsError
from senmon.packs.article_file import read_article
from senmon.packs.inventory import Inventory, take_inventory
from senmon.packs.jsonl import read_jsonl
from senmon.packs.manifest import PackManifest
from senmon.packs.manifest_file import MANIFEST, manifest_problems, read_manifest
from senmon.packs.pack import Article, Pack
from senmon.packs.text_file import invalid, read_text
from senmon.packs.yaml_text import YamlText

ENTRY_POINTS = "senmon.packs"
#: About 1,500 tokens; the prefix is computed once per pack, but it shares the context with the conversation.
MAX_SYSTEM_CHARS = 6000
MAX_NEGATIVES = 20_000
T = TypeVar("T")


def load_pack(path: Path) -> Pack:
    """The pack in the folder `path`.

    Raises PackNotFound when there is no `pack.yaml`, PackInvalid with every problem of every file.
    """
    folder = Path(path)
    if not (folder / MANIFEST).is_file():
        remedy = "give the folder of a pack, or make one with `senmon new NAME`"
        raise PackNotFound(f"{folder} has no {MANIFEST}", remedy=remedy)
    gathered = _Gathered(folder)
    files = gathered.take(lambda: take_inventory(folder))
    loaded = gathered.take(lambda: read_manifest(folder))
    if files is not None and loaded is not None:
        pack = _assemble(gathered, files, *loaded)
        gathered.raise_any()
        return pack
    raise gathered.error()


class _Gathered:
    """Problems from many readers, so that one failure doesn't hide the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []

    def take(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ProblemsError as error:
            self.problems.extend(error.problems)
        except OSError as error:
            place = str(error.filename or self.folder)
            why = f"can't be read: {error.strerror or error}"
            self.problems.append(Problem(place, 0, "", why, "check the file's permissions, then try again"))
        return None

    def error(self) -> PackInvalid:
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"
        return PackInvalid(f"The pack {self.folder} has {count}", self.problems)

    def raise_any(self) -> None:
        if self.problems:
            raise self.error()


def _assemble(gathered: _Gathered, files: Inventory, manifest: PackManifest, source: YamlText) -> Pack:
    gathered.problems.extend(files.problems)
    gathered.problems.extend(manifest_problems(manifest, source, gathered.folder, files))
    root = gathered.folder
    system = gathered.take(lambda: _system(root, manifest, files)) or ""
    articles = _articles(gathered, files.match(manifest.knowledge))
    negatives = gathered.take(lambda: _negatives(root, manifest, files)) or ()
    home = root.resolve()
    return Pack(
        path=home,
        manifest=manifest,
        system=system,
        articles=articles,
        negatives=negatives,
        data_files=_paths(home, files, manifest.data.train),
        suite_files=_paths(home, files, manifest.evaluation.suites),
        digest=gathered.take(files.digest) or "",
        code_digest=gathered.take(lambda: files.digest(files.code())) or "",
        requests=gathered.take(lambda: _requests(root, manifest, files)) or (),
    )


def _paths(home: Path, files: Inventory, patterns: Iterable[str]) -> tuple[Path, ...]:
    names = {name for pattern in patterns for name in files.match(pattern)}
    return tuple(home / name for name in sorted(names))


def _system(root: Path, manifest: PackManifest, files: Inventory) -> str:
    if manifest.system not in files.files:
        return ""
    path = root / manifest.system
    text = read_text(path).strip()
    if not text:
        raise invalid(Problem(str(path), 0, "", "is empty", "say in a few sentences what the assistant does"))
    if len(text) > MAX_SYSTEM_CHARS:
        why = f"has {len(text):,} characters; at most {MAX_SYSTEM_CHARS:,} fit in the static prompt"
        raise invalid(Problem(str(path), 0, "", why, "move facts into knowledge/ and examples into data/"))
    return text


def _articles(gathered: _Gathered, names: Sequence[str]) -> tuple[Article, ...]:
    found: dict[str, tuple[str, Article]] = {}
    for name in names:
        article = gathered.take(lambda name=name: read_article(gathered.folder / name))  # type: ignore[misc]
        if article is None:
            continue
        if article.id in found:
            why = f"article id `{article.id}` is taken by {found[article.id][0]}"
            gathered.problems.append(
                Problem(str(gathered.folder / name), 0, "", why, "rename one of the files")
            )
        found.setdefault(article.id, (name, article))
    return tuple(article for _, article in found.values())


def _negatives(root: Path, manifest: PackManifest, files: Inventory) -> tuple[str, ...]:
    return tuple(row[0] for row in _rows(root, manifest.routing.negatives, files, ("text",)))


def _requests(root: Path, manifest: PackManifest, files: Inventory) -> tuple[tuple[str, str], ...]:
    rows = _rows(root, manifest.routing.examples, files, ("text", "intent"))
    return tuple((text, intent) for text, intent in rows)


def _rows(root: Path, name: str, files: Inventory, fields: tuple[str, ...]) -> list[list[str]]:
    """The lines of a JSONL file whose objects have exactly these fields, all of them texts."""
    if name not in files.files:
        return []
    path = root / name
    rows: list[list[str]] = []
    problems: list[Problem] = []
    for line in read_jsonl(path):
        values = [(line.record or {}).get(field) for field in fields]
        if line.problem:
            problems.append(line.problem)
        elif set(line.record or {}) != set(fields) or not all(
            isinstance(value, str) and value.strip() for value in values
        ):
            named = " and ".join(f"`{field}`" for field in fields)
            why = f"is not an object with a non-empty {named} alone"
            shape = ", ".join(f'"{field}": "…"' for field in fields)
            problems.append(Problem(str(path), line.number, fields[0], why, f"write {{{shape}}}"))
        else:
            rows.append([str(value) for value in values])
        if len(rows) > MAX_NEGATIVES or len(problems) >= 200:
            break
    if len(rows) > MAX_NEGATIVES:
        why = f"has more than {MAX_NEGATIVES:,} lines"
        problems.append(Problem(str(path), 0, "", why, "keep the most telling ones"))
    if problems:
        raise invalid(*problems)
    return rows


@dataclass(frozen=True, slots=True)
class Discovery:
    """The packs that load, and the errors of those that don't: one broken pack must not stop the others."""

    packs: tuple[Pack, ...]
    errors: tuple[PackError, ...] = ()

    def get(self, name: str) -> Pack:
        """Raises PackNotFound, naming the packs there are."""
        for pack in self.packs:
            if pack.name == name:
                return pack
        known = ", ".join(pack.name for pack in self.packs) or "none"
        broken = f"; {len(self.errors)} could not be loaded (see `senmon packs`)" if self.errors else ""
        raise PackNotFound(f"There is no pack `{name}`", remedy=f"known packs: {known}{broken}")

    def all_or_raise(self) -> tuple[Pack, ...]:
        """Every pack; raises the first error when a pack is broken or a name is taken twice."""
        if self.errors:
            raise self.errors[0]
        return self.packs


def discover(roots: Sequence[Path]) -> Discovery:
    """All packs: each root that is a pack, each pack directly under a root, and the installed ones.

    A root that does not exist holds no packs. Of two packs with one name the first is kept and the second
    is an error. Installed packs (entry-point group `senmon.packs`) are found without importing them.
    """
    packs: dict[str, Pack] = {}
    errors: list[PackError] = []
    for folder in _unique(_candidates(roots)):
        try:
            pack = load_pack(folder)
        except PackError as error:
            errors.append(error)
            continue
        if pack.name in packs:
            errors.append(_taken(packs[pack.name], pack))
        packs.setdefault(pack.name, pack)
    return Discovery(tuple(packs[name] for name in sorted(packs)), tuple(errors))


def _taken(first: Pack, second: Pack) -> PackInvalid:
    why = f"the pack name `{second.name}` is taken by {first.path}"
    place = str(second.path / MANIFEST)
    message = f"Two packs are called `{second.name}`"
    return PackInvalid(message, [Problem(place, 0, "name", why, "rename one, or drop one of the roots")])


def _candidates(roots: Sequence[Path]) -> Iterator[Path]:
    for root in roots:
        if (root / MANIFEST).is_file():
            yield root
        elif root.is_dir():
            children = sorted(child for child in root.iterdir() if not child.name.startswith("."))
            yield from (child for child in children if (child / MANIFEST).is_file())
    for point in entry_points(group=ENTRY_POINTS):
        yield _installed(point)


def _unique(folders: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() not in seen:
            seen.add(folder.resolve())
            yield folder


def _installed(point: EntryPoint) -> Path:
    """The folder of an entry point's module, without running the module."""
    top, *rest = point.module.split(".")
    spec = find_spec(top)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0] if places else top, *rest)
