"""The shape of the house, read from the source with `ast`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import senmon

ROOT = Path(senmon.__file__).parent
LAYERS = (
    ("errors", "mastery", "messages", "pii", "tracing", "wilson"),
    ("bases", "embedding", "checks", "packs"),
    ("rendering", "policy"),
    ("dataset", "adapters", "engines", "routing", "knowledge", "actions", "store"),
    ("tuning", "pretraining", "assistant"),
    ("evaluation",),
    ("lifecycle", "readiness", "bench"),
    ("improvement",),
    ("settings",),
    ("shelf",),
    ("workspace",),
    ("tuner", "diagnosis"),
    ("server",),
    ("cli",),
)
#: engines carry adapters with each request; the shelf's type of its owner is for the type checker only.
EXCEPTIONS = {("engines", "adapters"), ("shelf", "workspace")}
CONFINED = {
    "torch": ("bases", "embedding", "engines/local", "tuning", "pretraining", "bench"),
    "transformers": ("bases", "embedding", "engines/local", "tuning", "pretraining", "bench"),
    "peft": ("bases", "embedding", "engines/local", "tuning", "pretraining", "bench"),
    "rasa_sdk": ("actions",),
    "fastapi": ("server",),
    "starlette": ("server",),
    "uvicorn": ("server",),
    "prometheus_client": ("server",),
    "opentelemetry": ("tracing", "server"),
    "sqlalchemy": ("store",),
    "alembic": ("store",),
    "typer": ("cli",),
    "rich": ("cli",),
}
#: What npm installs for the widget is not ours.
FILES = sorted(path for path in ROOT.rglob("*.py") if "node_modules" not in path.parts)
MOST_LINES = 500
MOST_FUNCTION_LINES = 60
VAGUE = {"utils", "util", "common", "helpers", "helper", "misc"}


def room(name: str) -> str:
    return name.split(".")[1] if name.count(".") else ""


def level(name: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if name in rooms)


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import, those inside functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place(path)}:{node.lineno}: relative import"
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def own_room(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


def test_every_room_has_a_level() -> None:
    rooms = {own_room(path) for path in FILES} - {"__init__", "__main__"}
    assert rooms <= {name for names in LAYERS for name in names}


def test_imports_go_down_only() -> None:
    wrong = []
    for path in FILES:
        here = own_room(path)
        if here == "__init__":
            continue
        for line, name in imports(path):
            there = room(name) if name.startswith("senmon.") else ""
            if not there or there in (here, "__version__") or (here, there) in EXCEPTIONS:
                continue
            if level(there) >= level(here):
                wrong.append(f"{place(path)}:{line}: {here} imports {there}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_heavy_packages_stay_in_their_rooms() -> None:
    wrong = []
    for path in FILES:
        for line, name in imports(path):
            allowed = CONFINED.get(name.split(".")[0])
            if allowed is not None and not place(path).startswith(allowed):
                wrong.append(f"{place(path)}:{line}: {name}")
    assert not wrong, "\n".join(wrong)


def test_only_the_edges_print_exit_or_read_the_environment() -> None:
    """`print`, `sys.exit`, `os.environ` belong to cli and server (and the settings)."""
    wrong = []
    for path in FILES:
        if own_room(path) in ("cli", "server", "settings", "tuner"):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print",
                "sys.exit",
                "exit",
                "os.getenv",
            ):
                wrong.append(f"{place(path)}:{node.lineno}: {ast.unparse(node.func)}")
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ":
                wrong.append(f"{place(path)}:{node.lineno}: os.environ")
    assert not wrong, "\n".join(wrong)


def test_files_and_functions_are_small() -> None:
    wrong = []
    for path in FILES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES:
            wrong.append(f"{place(path)}: {lines} lines")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MOST_FUNCTION_LINES:
                    wrong.append(f"{place(path)}:{node.lineno}: {node.name} has {length} lines")
    assert not wrong, "\n".join(wrong)


def test_the_median_function_is_short() -> None:
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[len(lengths) // 2] <= 10


def test_no_module_is_named_vaguely() -> None:
    assert not [place(path) for path in FILES if path.stem in VAGUE]


def test_nothing_is_unpickled_or_evaluated() -> None:
    """No pickle, eval, exec, parse_expr, sympify or yaml.load on anything."""
    banned = ("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib")
    calls = ("eval", "exec", "parse_expr", "sympify", "yaml.load", "torch.load", "os.system")
    wrong = []
    for path in FILES:
        wrong += [
            f"{place(path)}:{line}: {name}" for line, name in imports(path) if name.split(".")[0] in banned
        ]
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in calls or called.endswith((".parse_expr", ".sympify")):
                    wrong.append(f"{place(path)}:{node.lineno}: {called}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("command", [["-c", "import senmon"], ["-m", "senmon.cli.main", "--help"]])
def test_start_up_loads_no_torch(command: list[str]) -> None:
    tell = "sys.stderr.write('LOADED' if 'torch' in sys.modules else '')"
    probe = f"import sys, atexit; atexit.register(lambda: {tell})"
    if command[0] == "-c":
        arguments = ["-c", f"{probe}; {command[1]}"]
    else:
        code = f"{probe}; sys.argv = ['senmon', '--help']; from senmon.cli.main import run; run()"
        arguments = ["-c", code]
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "LOADED" not in result.stderr
