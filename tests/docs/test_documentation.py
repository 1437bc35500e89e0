"""What the pages promise: commands, fields, settings, paths, codes, links and examples."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import typer
import yaml

from senmon import errors
from senmon.cli import main as cli
from senmon.cli.reference import reference
from senmon.dataset.loading import load_dataset
from senmon.evaluation.suite import load_suites
from senmon.packs.jsonl import parse_object
from senmon.packs.loader import load_pack
from senmon.packs.manifest import PackManifest, RecipeSpec
from senmon.server.app import create_app
from senmon.server.errors import STATUS
from senmon.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
#: Usage lines of the reference have placeholders in brackets; the page is compared as a whole.
USAGE = DOCS / "cli.md"
FENCE = re.compile(r"(?ms)^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=indent)```$")
REGENERATE = "run: python tests/docs/doc_tables.py"


def load_tables() -> ModuleType:
    path = Path(__file__).with_name("doc_tables.py")
    spec = importlib.util.spec_from_file_location("doc_tables", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["doc_tables"] = module
    spec.loader.exec_module(module)
    return module


TABLES = load_tables()


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def fences(path: Path, *languages: str) -> Iterator[tuple[int, str, str]]:
    """(line, language, body) of each fenced block."""
    whole = text(path)
    for found in FENCE.finditer(whole):
        if not languages or found["language"] in languages:
            yield whole.count("\n", 0, found.start()) + 1, found["language"], found["body"]


# --- commands


def command_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(place, arguments) of each `senmon …` line in a shell block."""
    for start, _, body in fences(path, "", "sh", "bash", "shell", "console"):
        joined = re.sub(r"\\\n", "  ", body)
        for offset, line in enumerate(joined.split("\n"), start=1):
            for part in re.split(r"\|\||&&|[|;<>]", line.strip().removeprefix("$ ")):
                words = shlex.split(part, comments=True)
                while words and re.match(r"^[A-Z_]+=", words[0]):
                    words.pop(0)
                if words[:1] == ["senmon"] or words[:1] == [".venv/bin/senmon"]:
                    yield f"{path.name}:{start + offset}", words[1:]


def parse(arguments: list[str]) -> None:
    """Parses as the command would; raises click's UsageError."""
    command: Any = ROOT_COMMAND
    name = "senmon"
    parent: Any = None
    while True:
        context = command.make_context(name, arguments, parent=parent)
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        if not hasattr(command, "resolve_command") or not rest:
            return
        name, command, arguments = command.resolve_command(context, rest)
        parent = context


def root_command() -> Any:
    if not cli.app.registered_commands:
        cli.compose()
    return typer.main.get_command(cli.app)


ROOT_COMMAND = root_command()
LINES = [found for page in PAGES if page != USAGE for found in command_lines(page)]


def test_there_are_commands_to_check() -> None:
    assert len(LINES) >= 15


@pytest.mark.parametrize(("place", "arguments"), LINES, ids=[place for place, _ in LINES])
def test_command_lines_parse(place: str, arguments: list[str]) -> None:
    if {"--help", "--version"} & set(arguments):
        return
    try:
        parse(arguments)
    except Exception as error:  # click's own, which typer may bring along under another name
        raise AssertionError(f"{place}: senmon {shlex.join(arguments)}: {error!r}") from error


@pytest.mark.parametrize("line", ["tun support", "tune", "tune support --budgets 10m", "adapters demote a b"])
def test_a_wrong_command_line_is_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|missing"):
        parse(shlex.split(line))


def test_the_command_reference_is_current() -> None:
    assert text(USAGE) == reference(), "run: python -m senmon.cli.reference > docs/cli.md"


# --- fields, settings, errors


@pytest.mark.parametrize(
    ("page", "name"), [(page, name) for page, parts in TABLES.GENERATED.items() for name in parts]
)
def test_generated_tables_are_current(page: str, name: str) -> None:
    shown = TABLES.between(text(DOCS / page), name)[2].strip()
    assert shown == TABLES.GENERATED[page][name](), REGENERATE


def names(model: type[Any]) -> list[str]:
    return [dotted for dotted, _, _ in TABLES.fields(model)]


def test_every_manifest_field_is_named() -> None:
    page = text(DOCS / "packs.md")
    missing = [name for name in names(PackManifest) if f"`{name.removeprefix('recipe.')}`" not in page]
    assert len(names(PackManifest)) > 60
    assert not missing


def test_every_recipe_field_is_named() -> None:
    page = text(DOCS / "tuning.md")
    assert [name for name in names(RecipeSpec) if f"`{name}`" not in page] == []


def test_every_setting_is_listed_with_its_default() -> None:
    page = text(DOCS / "settings.md")
    for name, info in Settings.model_fields.items():
        row = re.search(rf"(?m)^\| `SENMON_{name.upper()}` \|.*$", page)
        assert row, name
        value = info.default
        if value not in (None, "", ()):
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            assert f"`{shown.lower() if isinstance(value, bool) else shown}`" in row[0], row[0]


def subclasses(kind: type[errors.SenmonError]) -> Iterator[type[errors.SenmonError]]:
    yield kind
    for inner in kind.__subclasses__():
        if inner.__module__ == errors.__name__:
            yield from subclasses(inner)


def test_every_error_is_listed_with_its_status() -> None:
    rows = {
        row[1]: row for row in re.finditer(r"(?m)^\| `(\w+)` \| (\d+) \| (\w+) \|", text(DOCS / "errors.md"))
    }
    kinds = {kind for kind in subclasses(errors.SenmonError) if kind is not errors.ProblemsError}
    assert len(kinds) > 40
    assert set(rows) == {kind.code for kind in kinds}
    for kind in kinds:
        status = next(STATUS[one] for one in kind.__mro__ if one in STATUS)
        assert (rows[kind.code][2], rows[kind.code][3]) == (str(status), kind.__name__)


def test_every_error_code_of_the_server_is_listed() -> None:
    page = text(DOCS / "errors.md")
    sources = "\n".join(text(path) for path in (ROOT / "src/senmon/server").glob("*.py"))
    codes = set(re.findall(r'error_response\(\s*[^,]+,\s*\d+,\s*"(\w+)"', sources))
    codes |= set(re.findall(r'^    \d{3}: \("(\w+)", "', sources, re.M))
    assert len(codes) >= 6
    assert sorted(code for code in codes if f"| `{code}` |" not in page) == []


# --- examples


@pytest.mark.parametrize("page", [DOCS / "packs.md"], ids=lambda page: page.name)
def test_examples_parse(page: Path) -> None:
    found = list(fences(page))
    for line, language, body in found:
        place = f"{page.name}:{line}"
        if language == "jsonl":
            assert all(parse_object(row) for row in body.strip().split("\n")), place
        elif language == "json":
            json.loads(body)
        elif language == "yaml":
            assert yaml.safe_load(body), place
        elif language == "markdown":
            assert yaml.safe_load(body.split("---")[1]), place
        elif language == "python":
            compile(dedent(body), place, "exec")  # a block within a list is indented
    assert {"jsonl", "yaml", "python"} <= {language for _, language, _ in found}


def test_manifest_examples_fit_the_schema() -> None:
    least: dict[str, Any] = {"name": "a", "title": "A", "description": "B", "licence": "CC0-1.0"}
    for _, _, body in fences(DOCS / "packs.md", "yaml"):
        PackManifest.model_validate({**least, **yaml.safe_load(body)})


def test_data_and_suite_examples_load_in_the_support_pack(tmp_path: Path) -> None:
    """Not only JSON: the loaders of data and suites take every example of the page."""
    folder = tmp_path / "support"
    shutil.copytree(
        ROOT / "domains/support", folder, ignore=shutil.ignore_patterns("data", "eval", "adapter")
    )
    kinds: dict[str, list[str]] = {"data": [], "eval": []}
    for _, _, body in fences(DOCS / "packs.md", "jsonl"):
        for row in body.strip().split("\n"):
            record = parse_object(row)
            if "messages" in record:
                kinds["eval" if "kind" in record else "data"].append(row)
    for kind, rows in kinds.items():
        (folder / kind).mkdir()
        (folder / kind / "page.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    pack = load_pack(folder)
    assert len(load_dataset(pack)) == len(kinds["data"]) >= 4
    assert len(load_suites(pack)) == len(kinds["eval"]) >= 4


# --- HTTP and links


def served_paths(app: Any) -> set[str]:
    """Every path of the application, parameters as `{}`."""
    paths = {*app.openapi()["paths"], "/", "/openapi.json"}
    return {re.sub(r"\{[^}]*\}", "{}", path) for path in paths}


def test_http_paths_exist() -> None:
    page = DOCS / "http.md"
    if not page.is_file():
        pytest.skip("there is no docs/http.md")
    app = create_app(SimpleNamespace(settings=Settings(demo=True, _env_file=None)))
    known = served_paths(app)
    named = set(re.findall(r"\b(?:GET|POST|PUT|PATCH|DELETE)\b[ `|]+(/[^\s`|?,)\"']*)", text(page)))
    assert named
    unknown = {path for path in named if not any(_fits(path.rstrip("."), one) for one in known)}
    assert not unknown


def _fits(path: str, template: str) -> bool:
    pattern = re.escape(template).replace(r"\{\}", r"[^/]+")
    return path.startswith("/static") or re.fullmatch(pattern, path) is not None


def slug(heading: str) -> str:
    plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return plain.strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    prose = FENCE.sub("", text(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"^[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor and file.suffix == ".md":
            headings = {slug(found) for found in re.findall(r"(?m)^#+ (.+)$", FENCE.sub("", text(file)))}
            assert anchor in headings, f"{page.name}: {target}"
