"""A source of the Hugging Face `datasets` library: a folder of data files, a saved dataset, or a hub id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from senmon.dataset.imports.chat_rows import Reader, alpaca_row, conversations, openai_row, sharegpt_row
from senmon.dataset.imports.columns_format import TableColumns, pair_row
from senmon.dataset.imports.dialogue import Dialogue
from senmon.dataset.imports.hf_folder import check_folder, first_fault
from senmon.dataset.imports.imported import Imported
from senmon.dataset.imports.labels import Labels, split_of
from senmon.dataset.imports.target import refusal
from senmon.errors import DataInvalid, Problem
from senmon.packs.jsonl import JsonLine


@dataclass(frozen=True, slots=True)
class HfSource:
    """`split` None: every split, each kept as it is named. `columns` empty: found by the usual names."""

    source: str
    split: str | None
    columns: TableColumns
    subset: str | None = None

    @property
    def origin(self) -> str:
        path = Path(self.source)
        return path.resolve().name if path.exists() else self.source

    def stream(self, dialogue: Dialogue, labels: Labels) -> Iterator[Imported | Problem]:
        """Raises DataInvalid when the source can't be opened, or has neither usual nor named columns."""
        with self._faults():
            splits = self._splits()
        for name, rows in splits.items():
            reader = self._reader(name, rows)
            place = f"{self.source}[{name}]"
            split = "" if self.split or not _is_split(name, splits) else split_of(name)
            for item in conversations(self._rows(rows, labels), place, reader, dialogue, labels):
                if isinstance(item, Imported) and split and not item.split:
                    yield replace(item, split=split)
                else:
                    yield item

    def _splits(self) -> Mapping[str, Any]:
        import datasets

        datasets.disable_progress_bars()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it would say, `_faults` says
        path = Path(self.source)
        if path.exists():
            check_folder(path, self.origin)
        if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            found = datasets.load_from_disk(str(path))
        else:
            found = datasets.load_dataset(self.source, self.subset, streaming=True)
        whole = found if isinstance(found, Mapping) else {"train": found}
        if self.split is None:
            return whole
        if self.split not in whole:
            known = ", ".join(whole)
            raise self._refused("split", f"there is no split `{self.split}`", f"available: {known}")
        return {self.split: whole[self.split]}

    def _rows(self, rows: Any, labels: Labels) -> Iterator[JsonLine]:
        names = _class_names(rows, self.columns.intent or labels.field)
        with self._faults():
            for number, row in enumerate(rows, 1):
                yield JsonLine(number, _named(dict(row), self.columns.intent or labels.field, names))

    def _reader(self, split: str, rows: Any) -> Reader:
        names = tuple(rows.column_names or ())
        if not names:
            with self._faults():
                names = tuple(next(iter(rows), {}))
        if self.columns.names and (fault := self.columns.fault(names)):
            raise self._refused(*fault)
        return self._named_reader() or _usual(names) or self._unknown(split, names)

    def _named_reader(self) -> Reader | None:
        if self.columns.messages:
            return chat_reader(self.columns.messages)
        reader: Reader | None = pair_row(self.columns) if self.columns.user else None
        return reader

    def _unknown(self, split: str, names: tuple[str, ...]) -> Reader:
        remedy = "give --messages, or --user and --assistant"
        raise self._refused("columns", f"of {split} are unknown: {', '.join(names[:40])}", remedy)

    def _refused(self, field: str, why: str, remedy: str) -> DataInvalid:
        return refusal(self.origin, Problem(self.source, 0, field, why, remedy))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Whatever the library raises, told as ours: it has no common root."""
        try:
            yield
        except DataInvalid:
            raise
        except Exception as error:
            said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            local = Path(self.source).is_dir()
            if local and (fault := first_fault(Path(self.source))):
                raise refusal(self.origin, fault) from error
            remedy = "check its files" if local else "check the name and the network, or name a local folder"
            raise self._refused("", f"can't be read: {said[:300]}", remedy) from error


def chat_reader(field: str) -> Reader:
    """A reader of a column that holds turns in OpenAI's or ShareGPT's shape."""

    def read(row: Mapping[str, Any]) -> tuple[Any, Any]:
        turns = row.get(field)
        shared = isinstance(turns, list) and turns and isinstance(turns[0], dict) and "from" in turns[0]
        return sharegpt_row(row, field) if shared else openai_row(row, field)

    return read


def _usual(names: tuple[str, ...]) -> Reader | None:
    for field in ("messages", "conversations", "conversation"):
        if field in names:
            return chat_reader(field)
    return alpaca_row if {"instruction", "output"} <= set(names) else None


def _is_split(name: str, splits: Mapping[str, Any]) -> bool:
    """A lone `train` is divided by hash as any data is; beside others it stays as it is."""
    return len(splits) > 1 or name != "train"


def _class_names(rows: Any, column: str) -> tuple[str, ...]:
    feature = (rows.features or {}).get(column)
    return tuple(getattr(feature, "names", None) or ())


def _named(row: dict[str, Any], column: str, names: tuple[str, ...]) -> dict[str, Any]:
    number = row.get(column)
    if isinstance(number, int) and 0 <= number < len(names):
        row[column] = names[number]
    return row
