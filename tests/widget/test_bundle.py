"""The bundle is what its sources give, small enough, and goes with the package."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "senmon" / "widget"
STATIC = ROOT / "src" / "senmon" / "server" / "static" / "widget"
OUTPUT = STATIC / "v1"
REBUILD = "rebuild it: cd src/senmon/widget && npm ci --ignore-scripts && npm run build"
FIRST_LOAD = 35_000
#: gzip of the largest lazy parts: reading Markdown comes with the first opening, maths with the first formula.
LAZY = {"lexer-*.js": 18_000, "katex-chunk-*.js": 85_000, "ja-*.json": 3_000, "ar-*.json": 3_000}


def digests(paths: list[Path], base: Path) -> dict[str, str]:
    return {
        path.relative_to(base).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
    }


def test_bundle_is_fresh() -> None:
    """Without node: the digests of all sources and outputs are those that the last build wrote down."""
    manifest = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))
    named = ["package.json", "package-lock.json", "build.mjs", "tsconfig.json"]
    sources = [SOURCE / name for name in named]
    sources += [
        path for folder in ("src", "locales") for path in (SOURCE / folder).rglob("*") if path.is_file()
    ]
    assert manifest["sources"] == digests(sources, SOURCE), f"the widget's sources changed; {REBUILD}"
    outputs = [path for path in OUTPUT.rglob("*") if path.is_file()]
    assert manifest["outputs"] == digests(outputs, OUTPUT), (
        f"the widget's bundle was changed by hand; {REBUILD}"
    )


def test_first_load_is_small_and_the_rest_is_lazy() -> None:
    entry = OUTPUT / "senmon-chat.js"
    code = entry.read_text(encoding="utf-8")
    at_once = {entry.name, *re.findall(r'(?:^|[;}])import(?:[^"();]*from)?"\./([^"]+)"', code)}
    sizes = {name: len(gzip.compress((OUTPUT / name).read_bytes(), 9)) for name in at_once}
    assert sum(sizes.values()) <= FIRST_LOAD, sizes
    for pattern, limit in LAZY.items():
        [chunk] = OUTPUT.glob(pattern)
        assert chunk.name not in at_once and chunk.name in code
        assert len(gzip.compress(chunk.read_bytes(), 9)) <= limit, chunk.name


def test_bundle_has_its_notices_and_nothing_superfluous() -> None:
    notices = (OUTPUT / "THIRD_PARTY_NOTICES.txt").read_text(encoding="utf-8")
    for work in ("lit 3", "lit-html 3", "lit-element 4", "@lit/reactive-element 2", "marked 18", "katex 0"):
        assert re.search(rf"^{re.escape(work)}[.\d]+ \((MIT|BSD-3-Clause)\)$", notices, re.MULTILINE), work
    kinds = {path.suffix for path in OUTPUT.iterdir()}
    assert kinds == {".js", ".json", ".woff2", ".txt"}
    lock = json.loads((SOURCE / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: about for name, about in lock["packages"].items() if name}
    assert all("integrity" in about for about in packages.values())


def test_bundle_goes_with_the_wheel(tmp_path: Path) -> None:
    wheels = pytest.importorskip(
        "hatchling.builders.wheel", reason="hatchling is not here: pip install hatchling"
    )
    folder = tmp_path / "project"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        folder.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    shutil.copytree(ROOT / "src" / "senmon" / "server", folder / "src" / "senmon" / "server", ignore=ignored)
    shutil.copytree(SOURCE, folder / "src" / "senmon" / "widget", ignore=ignored)
    built = next(iter(wheels.WheelBuilder(str(folder)).build(directory=str(tmp_path), versions=["standard"])))
    with zipfile.ZipFile(built) as wheel:
        names = set(wheel.namelist())
    for path in [*OUTPUT.iterdir(), *(STATIC.parent / "demo").iterdir()]:
        assert path.relative_to(ROOT / "src").as_posix() in names
    assert not [name for name in names if name.startswith("senmon/widget/") or name.endswith((".map", ".ts"))]


def test_a_new_build_gives_the_same_bytes(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not here, so the widget is not rebuilt: apt-get install npm")
    folder = tmp_path / "widget"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = SOURCE / "node_modules"
    if installed.is_dir():
        (folder / "node_modules").symlink_to(installed)
    else:
        ready = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if ready.returncode:
            pytest.skip(f"npm can't fetch the widget's parts here: {ready.stderr[-200:]}")
    out = tmp_path / "out"
    subprocess.run(["node", "build.mjs", str(out)], cwd=folder, check=True, capture_output=True, timeout=120)
    for found in (out / "v1").iterdir():
        assert found.read_bytes() == (OUTPUT / found.name).read_bytes(), found.name
    assert {path.name for path in (out / "v1").iterdir()} == {path.name for path in OUTPUT.iterdir()}
    checked = subprocess.run(
        ["npm", "run", "-s", "types"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
