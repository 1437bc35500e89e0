"""JSON lists and JSON Lines, one object at a time: what is broken costs only itself."""

from __future__ import annotations

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senmon.dataset.imports.json_items import MAX_ITEM, json_items
from senmon.errors import DataInvalid, SenmonError

Found = list[tuple[int, Any]]


def read(folder: Path, text: str | bytes) -> Found:
    """Line and object, or line and what is wrong."""
    path = folder / "items.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [
        (item.number, item.problem.why if item.problem else item.record)
        for item in json_items(path)
        if item.problem is None or item.problem.remedy
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", []),
        ("\ufeff [ ]\n", []),
        ('[{"a":1},\n{"b":"]}"}]\n', [(1, {"a": 1}), (2, {"b": "]}"})]),
        ('{"a":1}\n\n{"b":2}\n', [(1, {"a": 1}), (3, {"b": 2})]),
        (
            '[{"a":1},\n{"b":},\n{"c":3}]',
            [(1, {"a": 1}), (2, "broken JSON: Expecting value (column 6)"), (3, {"c": 3})],
        ),
        (
            '[{"a":1,"a":2},{"c":NaN},12,{"d":4}]',
            [
                (1, "key `a` is given twice"),
                (1, "NaN is not JSON"),
                (1, "is a JSON int, not an object"),
                (1, {"d": 4}),
            ],
        ),
        (
            '[{"a":"\\ud800"},{"b":2}]',
            [(1, "holds half of a surrogate pair (\\ud…), which is not text"), (1, {"b": 2})],
        ),
        (b'[{"a":"\xff"},{"b":2}]', [(1, "is not UTF-8 text"), (1, {"b": 2})]),
        ('[{"a":1},', [(1, {"a": 1}), (1, "the file ends within the list")]),
        ('[{"a":1}', [(1, {"a": 1}), (1, "ends within the list")]),
        ('[{"a":1}] x', [(1, {"a": 1}), (1, "there is text behind the list")]),
        ('[{"a":1} {"b":2}]', [(1, {"a": 1}), (1, "broken JSON: after an item a comma or ] is missing")]),
    ],
)
def test_what_is_found(tmp_path: Path, text: str | bytes, expected: Found) -> None:
    assert read(tmp_path, text) == expected


def test_deep_and_gigantic_items_cost_only_themselves(tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    giant = '{"a": "' + 'xxxxxxxxx\\"' * (MAX_ITEM // 8) + '"}'
    found = read(tmp_path, f'[{deep},\n{giant},\n{{"c": 3}}]')
    assert found == [
        (1, "broken JSON: nested too deep"),
        (2, "is larger than 1 MB"),
        (3, {"c": 3}),
    ]


def test_a_gigantic_item_is_never_held(tmp_path: Path) -> None:
    path = tmp_path / "giant.json"
    with path.open("w", encoding="utf-8") as file:
        file.write('[{"a": "')
        for _ in range(300):
            file.write("y" * 100_000)
        file.write('"}, {"b": 1}]')
    tracemalloc.start()
    found = list(json_items(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[1].record == {"b": 1} and peak < 12_000_000 < path.stat().st_size


def test_lists_that_cross_every_piece(tmp_path: Path) -> None:
    random.seed(1)
    items = [{"i": i, "t": 'é\n"\\[]{},' * random.randrange(60)} for i in range(4000)]
    path = tmp_path / "many.json"
    path.write_text(json.dumps(items, indent=1, ensure_ascii=False), encoding="utf-8")
    found = list(json_items(path))
    lines = path.read_text(encoding="utf-8").split("\n")
    assert [item.record for item in found] == items
    assert all(lines[item.number - 1].strip() == "{" for item in found)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04abc", "a ZIP archive"),
        (b"\x80\x04\x95abc", "a Python pickle, which is never read"),
        (b"\x1f\x8babc", "a gzip file"),
        (b"PAR1abc", "a Parquet file"),
        ('[{"a":1}]'.encode("utf-16"), "UTF-16"),
        (b"\0" * 500, "is not text"),
        (b"", "is empty"),
    ],
)
def test_files_under_a_wrong_name(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(DataInvalid, match=why):
        read(tmp_path, content)


def test_what_is_no_file(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for name, why in (("pipe", "not a regular file"), (".", "is a folder"), ("none", "can't be read")):
        with pytest.raises(DataInvalid, match=why):
            list(json_items(tmp_path / name))


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(alphabet='[]{},:"\\ \n1aé', max_size=60).map(lambda text: ("[" + text).encode()),
    )
)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    try:
        found = read(tmp_path_factory.mktemp("items"), body)
    except SenmonError as error:
        assert str(error)
    else:
        assert all(number >= 0 for number, _ in found)
