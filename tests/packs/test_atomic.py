"""What appears whole: and what a dead process left beside it goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from senmon.packs.atomic import new_folder, replaced_file

LONG_AGO = 1_000_000


def _dies_inside(writing: object, target: Path) -> None:
    """A child that ends inside the block, as kill -9 would."""
    if (child := os.fork()) == 0:
        with writing(target):  # type: ignore[operator]
            os._exit(0)
    os.waitpid(child, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("writing", [new_folder, replaced_file])
def test_what_a_killed_process_left_goes_with_the_next_writing(tmp_path: Path, writing: object) -> None:
    target = tmp_path / "shop"
    _dies_inside(writing, target)
    (left,) = tmp_path.iterdir()
    os.utime(left, (LONG_AGO, LONG_AGO))
    with writing(target):  # type: ignore[operator]
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


@pytest.mark.parametrize("name", [".shop.original", ".shop.part", ".shop.abcdefgh.part.bak"])
def test_files_of_others_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    with replaced_file(tmp_path / "shop") as file:
        file.write("x")
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_what_is_being_written_is_left_alone(tmp_path: Path) -> None:
    with replaced_file(tmp_path / "shop") as first:
        (part,) = tmp_path.iterdir()
        os.utime(part, (LONG_AGO, LONG_AGO))
        with replaced_file(tmp_path / "shop") as second:
            second.write("second")
        assert part.exists() or os.name == "nt"
        first.write("first")
    assert (tmp_path / "shop").read_text(encoding="utf-8") == "first"
