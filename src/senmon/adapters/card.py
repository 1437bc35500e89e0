"""What is known of an adapter: the card that lies beside its weights, and the adapter as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from senmon.errors import AdapterCorrupt
from senmon.packs.manifest import NAME_PATTERN

CARD_FILE = "senmon.json"
#: A card is a few kilobytes; more than this is not a card.
CARD_BYTES = 1_000_000

Digest = Annotated[str, Field(max_length=128)]
Short = Annotated[str, Field(max_length=500)]


class AdapterCard(BaseModel):
    """Where an adapter comes from. Saved as `senmon.json`; unknown fields of a newer version are ignored.

    `metrics` are the figures of tuning (`valid_loss`, `base_valid_loss`, …). `files` maps each file of the
    published folder to its sha256; the store fills it in. `parent` is the version that was promoted when
    this one was tuned. `reviewed` are the ids of the lines of reviewers that it learnt.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    pack: str = Field(pattern=NAME_PATTERN)
    pack_version: Short = ""
    base: Short = "embedded"
    base_revision: Short | None = None
    base_digest: Digest
    dataset_digest: Digest = ""
    prefix_digest: Digest = ""
    recipe_digest: Digest = ""
    recipe: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    device: Short = "cpu"
    created: Short = ""
    parent: Digest | None = None
    reviewed: tuple[Short, ...] = ()
    origin: Literal["local", "release"] = "local"
    rank: int = Field(ge=1, le=4096)
    alpha: float = Field(gt=0)
    rslora: bool = False
    target_modules: tuple[Short, ...]
    title: Short = ""
    description: Annotated[str, Field(max_length=2000)] = ""
    licence: Short = ""
    language: tuple[Short, ...] = ()
    files: dict[str, Digest] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An immutable adapter: `path` holds PEFT's files; `version` is the sha256 of weights and config."""

    pack: str
    version: str
    path: Path
    card: AdapterCard

    @property
    def label(self) -> str:
        """`pack@version` with a short version, for people."""
        return f"{self.pack}@{self.version[:12]}"


def read_card(folder: Path) -> AdapterCard:
    """The card of a published or released folder. Raises AdapterCorrupt."""
    path = folder / CARD_FILE
    remedy = "publish or tune the adapter again"
    try:
        if path.is_symlink() or path.stat().st_size > CARD_BYTES:
            raise AdapterCorrupt(f"{path}: not an adapter card", remedy=remedy)
        return AdapterCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise AdapterCorrupt(f"{path}: can't be read ({error})", remedy=remedy) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise AdapterCorrupt(f"{path}: {faults}", remedy=remedy) from error


def stale(
    adapter: Adapter, dataset_digest: str = "", prefix_digest: str = "", recipe_digest: str = ""
) -> tuple[str, ...]:
    """Why `adapter` is behind its pack, in words; empty when it is fresh. An empty digest is not compared."""
    card = adapter.card
    compared = (
        ("the dataset changed since it was tuned", dataset_digest, card.dataset_digest),
        ("the static prompt changed since it was tuned", prefix_digest, card.prefix_digest),
        ("the recipe changed since it was tuned", recipe_digest, card.recipe_digest),
    )
    return tuple(reason for reason, now, then in compared if now and now != then)
