"""A loaded pack: validated, frozen, with the digests that identify what it says and does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from senmon.messages import Passage
from senmon.packs.manifest import ActionSpec, PackManifest


@dataclass(frozen=True, slots=True)
class Article:
    """A knowledge article: Markdown with YAML front matter (`title`, `url`, `facts`, `answer`). `asked` are
    messages of visitors that it answers; no file has them."""

    id: str
    title: str
    text: str
    url: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    answer: str = ""
    asked: tuple[str, ...] = ()

    def passage(self, score: float = 1.0) -> Passage:
        return Passage(self.id, self.title, self.text, self.url, score, self.facts, self.answer)


@dataclass(frozen=True, slots=True)
class Pack:
    """One domain. Made by `packs.loader.load_pack` only.

    `digest` covers every file except `adapter/`; `code_digest` covers the pack's Python (empty string:
    no Python); `data_files` and `suite_files` are resolved, sorted, inside `path`. `requests` are
    (text, intent) for the router alone.
    """

    path: Path
    manifest: PackManifest
    system: str
    articles: tuple[Article, ...]
    negatives: tuple[str, ...]
    data_files: tuple[Path, ...]
    suite_files: tuple[Path, ...]
    digest: str
    code_digest: str
    requests: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def label(self) -> str:
        """`name@version`, as in provenance."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def actions(self) -> Mapping[str, ActionSpec]:
        return {spec.name: spec for spec in self.manifest.actions.specs}

    @property
    def reader(self) -> ActionSpec | None:
        """What the server runs on every message, before the model."""
        name = self.manifest.actions.reader
        return ActionSpec(name=name, description="reads the message", timeout_seconds=5) if name else None

    @property
    def released_adapter(self) -> Path:
        return self.path / "adapter"
