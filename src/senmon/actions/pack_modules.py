"""A pack's Python as modules: `actions.py`, or the package `actions/` with modules beside each other.

Always from source: a bytecode cache could be older than the code that was allowed, and a pack's folder is not
ours to write to. Modules of a package are found only while the package is imported; later imports fail, so
that nothing runs which was not there when the code was compared with what is allowed.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any


class _FromSource(SourceFileLoader):
    def path_stats(self, path: Any) -> Mapping[str, Any]:
        raise OSError("no bytecode")


class _Siblings(MetaPathFinder):
    def __init__(self, package: str, folder: Path) -> None:
        self._package = package
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        file = self._folder / f"{name}.py"
        if package != self._package or not file.is_file():
            return None
        return importlib.util.spec_from_file_location(fullname, file, loader=_FromSource(fullname, str(file)))


def find_source(folder: Path) -> Path | None:
    """The file with a pack's actions, or None when it has none."""
    paths = (folder / "actions.py", folder / "actions" / "__init__.py")
    return next((path for path in paths if path.is_file()), None)


def import_source(name: str, source: Path) -> ModuleType:
    """The module in `source` under `name`. Raises whatever its code raises; then nothing of it stays."""
    package = source.name == "__init__.py"
    loader = _FromSource(name, str(source))
    search: list[str] | None = [] if package else None
    spec = importlib.util.spec_from_file_location(
        name, source, loader=loader, submodule_search_locations=search
    )
    if spec is None:
        raise ImportError(f"{source} can't be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _found(_Siblings(name, source.parent) if package else None):
            loader.exec_module(module)
    except BaseException:
        forget(name)
        raise
    return module


@contextmanager
def _found(finder: MetaPathFinder | None) -> Iterator[None]:
    if finder is None:
        yield
        return
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def forget(name: str) -> None:
    """Drops a module and its submodules."""
    for loaded in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
        sys.modules.pop(loaded, None)
