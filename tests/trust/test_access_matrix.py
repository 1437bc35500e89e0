"""Every route for everybody: what is answered stands in `access_matrix.txt`, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from access_rig import ACTORS, MARK, OUTSIDERS, World, app_routes, read_table, row, world_in
from senmon.server.console.access import ACCESS, may
from senmon.store.staff import ROLES

TABLE = read_table()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("senmon.server.sites.FRESH_SECONDS", 0.0)
        with world_in(tmp_path_factory.mktemp("trust")) as made:
            yield made


def test_each_route_has_a_row_and_each_row_a_route(tmp_path: Path) -> None:
    assert set(TABLE) == set(app_routes(tmp_path))
    assert all(len(cells) == len(ACTORS) for cells in TABLE.values())


@pytest.mark.parametrize(("method", "path"), TABLE, ids=[" ".join(key) for key in TABLE])
def test_everybody_gets_what_the_table_says(world: World, method: str, path: str) -> None:
    cells = row(world, method, path)
    found = {actor: status for actor, (status, _) in zip(ACTORS, cells, strict=True)}
    assert found == dict(zip(ACTORS, TABLE[method, path], strict=True))
    for actor, (status, body) in zip(ACTORS, cells, strict=True):
        assert status < 500, (actor, body)
        if actor in OUTSIDERS:
            assert MARK not in body, f"{actor} reads what the right visitor said"
            assert world.places["conversation"] not in body or status >= 400, actor


def test_the_table_of_the_console_says_the_same() -> None:
    for (method, path), rule in ACCESS.items():
        cells = dict(zip(ACTORS, TABLE[method, path], strict=True))
        for role in ROLES:
            if rule.roles is not None:
                assert (cells[role] == 403) is not may(role, method, path), (method, path, role)
        if rule.roles is not None:
            outside = {cells[actor] for actor in ACTORS if actor not in ROLES}
            assert outside == {303}, (method, path)


def test_of_the_visitors_own_things_nobody_else_gets_one() -> None:
    """Read off the table, so that a cell can't be changed to be wrong without this being changed too."""
    own = [key for key in TABLE if key[1].startswith(("/v1/conversations/{id}", "/v1/runs/"))]
    assert len(own) >= 9
    for key in own:
        cells = dict(zip(ACTORS, TABLE[key], strict=True))
        assert 200 <= cells.pop("right visitor") < 300, key
        assert set(cells.values()) <= {401, 404}, key


def test_of_handovers_and_people_only_the_desk_and_the_operator_get_any() -> None:
    desks = [key for key in TABLE if key[1].startswith(("/v1/handovers/", "/v1/people/"))]
    assert len(desks) >= 6
    for key in desks:
        cells = dict(zip(ACTORS, TABLE[key], strict=True))
        assert cells["desk"] < 300 and cells["operator"] < 300, key
        known = {"desk", "operator", "other desk"}
        assert {status for actor, status in cells.items() if actor not in known} == {401}, key
        assert cells["other desk"] == (200 if "/people/" in key[1] else 404), key
