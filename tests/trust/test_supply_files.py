"""Folders of others: links, devices, pipes, names that lead elsewhere, more than fits.

Nothing is followed, nothing hangs, nothing outside is read; what is wrong is said with its place.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from senmon.cli.plain_text import safe
from senmon.errors import PackInvalid, SenmonError
from senmon.packs.inventory import take_inventory
from senmon.packs.loader import discover, load_pack
from senmon.packs.pack import Pack

Make = Callable[..., Path]
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="links and devices of Linux")
SECRET = "outside: hunter2"
#: Where a pack's parts are looked for.
PLACES = ("actions.py", "system.md", "pack.yaml", "data/x.jsonl", "knowledge/x.md", "signature.json")
TARGETS = ("file", "/etc/passwd", "/proc/self/environ", "/dev/zero", "../../outside", ".")


def put(folder: Path, place: str) -> Path:
    """A free place."""
    path = folder / place
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    return path


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_link_that_leads_elsewhere_is_not_followed(
    pack_folder: Make, tmp_path: Path, place: str, target: str
) -> None:
    folder = pack_folder("shop")
    (tmp_path / "outside").write_text(SECRET, encoding="utf-8")
    put(folder, place).symlink_to(tmp_path / "outside" if target == "file" else target)
    says_so(folder, place)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_file_hangs_nobody(
    pack_folder: Make, place: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe without a writer waits for ever; /dev/zero has no end."""
    folder = pack_folder("shop")
    path = put(folder, place)
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            monkeypatch.chdir(path.parent)  # a socket's path is short
            listener.bind(path.name)
        else:
            try:
                os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
            except PermissionError:
                pytest.skip("only root makes devices")
        says_so(folder, place)


def says_so(folder: Path, place: str) -> None:
    """The pack is refused with the place, or loaded without it; nothing of elsewhere is in it or said."""
    try:
        pack = load_pack(folder)
    except SenmonError as error:
        assert Path(place).name in str(error) and "hunter2" not in str(error) and "root:" not in str(error)
    else:
        assert place == "signature.json", "it was loaded as if nothing were wrong"
        assert "hunter2" not in repr(pack)


NAMES = {
    "a line break": "a\nb.md",
    "an escape sequence": "a\x1b[2J\x1b]0;owned\x07.md",
    "turned round": "a\u202edm.exe.md",
    "no text": os.fsdecode(b"a\xff\xfe.md"),
    "a backslash": "..\\..\\a.md",
    "dots": "...md",
    "long": "a" * 250 + ".md",
    "a drive": "C:a.md",
    "a home": "~root.md",
    "markup": "<script>alert(1)<.md",
    "rich markup": "[red]a[bold].md",
}


@pytest.mark.parametrize("kind", NAMES)
def test_odd_names_stay_inside_and_steer_nothing(pack_folder: Make, kind: str) -> None:
    folder = pack_folder("shop")
    (folder / "knowledge" / NAMES[kind]).write_text("---\ntitle: T\n---\nText.\n", encoding="utf-8")
    try:
        found: Pack | None = load_pack(folder)
    except SenmonError as error:
        found, said = None, str(error)
        assert not any(ord(letter) < 32 and letter != "\n" for letter in safe(said))
    if found is not None:
        assert len(found.digest) == 64 and len(found.articles) in (2, 3)  # hidden ones are none
    inventory = take_inventory(folder)
    assert all((folder / name).resolve().is_relative_to(folder.resolve()) for name in inventory.files)


def test_digests_tell_names_and_contents_apart(tmp_path: Path) -> None:
    """What moves from a name into a content is another pack."""
    digests: set[str] = set()
    for name, content in (("ab", "c"), ("a", "bc"), ("abc", ""), ("a", "b\0c")):
        folder = tmp_path / str(len(digests))
        folder.mkdir()
        (folder / name).write_text(content, encoding="utf-8")
        digests.add(take_inventory(folder).digest())
    assert len(digests) == 4


def test_a_folder_that_holds_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    many, big = tmp_path / "many", tmp_path / "big"
    many.mkdir()
    for number in range(30):
        (many / str(number)).touch()
    with pytest.raises(PackInvalid, match="holds more than"):
        take_inventory(many, max_files=20)
    big.mkdir()
    with (big / "sparse").open("wb") as file:
        file.truncate(10**12)  # takes no room, reading it would take for ever
    with pytest.raises(PackInvalid, match="holds more than"):
        take_inventory(big)


def test_folders_in_folders_without_end_are_refused(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    here = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(600):
            os.mkdir("deeper", dir_fd=here)
            below = os.open("deeper", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    with pytest.raises(PackInvalid, match="name too long"):
        load_pack(folder)


def test_a_link_to_its_own_folder_is_no_loop(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "data" / "again").symlink_to(folder)
    with pytest.raises(PackInvalid, match="not a regular file"):
        load_pack(folder)


def test_one_hostile_folder_does_not_hide_the_others(pack_folder: Make) -> None:
    pack_folder("good")
    hostile = pack_folder("hostile")
    os.mkfifo(put(hostile, "pack.yaml"))
    found = discover([hostile.parent])
    assert [pack.name for pack in found.packs] == ["good"]
