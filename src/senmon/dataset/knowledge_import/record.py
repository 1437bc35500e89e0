"""What an import wrote: so that the next one replaces exactly that, and nobody else's work.

The record lies in `knowledge/.imports/<name>.json`, which is no part of the pack's content.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from senmon.errors import DataInvalid, Problem

FOLDER = ".imports"


class ImportedArticle(BaseModel):
    """`key` is page and section; `digest` the sha256 of the file as the import wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    digest: str


class ImportRecord(BaseModel):
    """The articles of one import, by id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    format: Literal["markdown", "html", "faq"]
    source: str = Field(description="Name of the folder or file.")
    articles: dict[str, ImportedArticle]

    @property
    def ids(self) -> dict[str, str]:
        """Key → id."""
        return {article.key: id for id, article in self.articles.items()}

    def text(self) -> str:
        return json.dumps(self.model_dump(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def record_path(knowledge: Path, name: str) -> Path:
    return knowledge / FOLDER / f"{name}.json"


def read_record_file(knowledge: Path, name: str) -> ImportRecord | None:
    """The record of the import `name`; None when there was none. Raises DataInvalid when it is damaged."""
    path = record_path(knowledge, name)
    if not path.exists():
        return None
    try:
        record = ImportRecord.model_validate_json(path.read_bytes())
        if any("/" in id or "\\" in id or id.startswith(".") for id in record.articles):
            raise ValueError
    except (ValueError, ValidationError, OSError) as error:
        problem = Problem(str(path), 0, "", "is damaged", "remove it; the articles are then your own")
        raise DataInvalid("The record of the last import can't be read", [problem]) from error
    return record


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
