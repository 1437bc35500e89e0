"""Ids of somebody else in every place that takes one: none leads to their things."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from access_rig import MARK, OPERATOR, OTHER, World, arrive, bearer, customer_token, world_in
from server_rig import client_of

SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("senmon.server.sites.FRESH_SECONDS", 0.0)
        with world_in(tmp_path_factory.mktemp("crossing")) as made:
            yield made


@pytest.fixture(scope="module")
def strangers(world: World) -> dict[str, httpx.Client]:
    """Whoever is somebody, but not the right visitor."""
    return {
        "wrong visitor": client_of(world.site.url, **bearer(world.second)),
        "wrong site": client_of(world.site.url, **bearer(world.others, OTHER)),
        "other desk": client_of(world.site.url, **bearer(world.other_desk, None)),
        "desk": client_of(world.site.url, **bearer(world.desk, None)),
        "operator": client_of(world.site.url, **bearer(OPERATOR, None)),
    }


@pytest.mark.parametrize("last", ["0", "1", "-1", "999999", "x", ""])
def test_no_last_event_id_opens_anothers_run(
    world: World, strangers: dict[str, httpx.Client], last: str
) -> None:
    for who, client in strangers.items():
        for path in (
            f"/v1/runs/{world.places['run']}/events",
            f"/v1/conversations/{world.places['conversation']}/events",
        ):
            answer = client.get(path, headers={"Last-Event-ID": last})
            assert answer.status_code in (404, 422), (who, path)
            assert MARK not in answer.text


def test_a_client_id_is_its_visitors(world: World, strangers: dict[str, httpx.Client]) -> None:
    """The same id by two visitors: two conversations; in a conversation of another: nothing."""
    mine = world.right.post("/v1/conversations", json={"client_id": "same"}).json()["conversation_id"]
    again = world.right.post("/v1/conversations", json={"client_id": "same"}).json()["conversation_id"]
    assert mine == again
    for who, client in strangers.items():
        theirs = client.post("/v1/conversations", json={"client_id": "same"}).json()["conversation_id"]
        assert theirs != mine, who
        body = {"client_id": "m1", "text": f"person please, {MARK}"}
        path = f"/v1/conversations/{world.places['conversation']}/messages"
        answer = client.post(path, json=body)
        assert answer.status_code == 404 and world.places["run"] not in answer.text, who


def test_a_run_of_another_can_not_be_replaced(world: World) -> None:
    second = client_of(world.site.url, **bearer(world.second))
    own = world.site.conversation(second)
    body = {"client_id": "r", "text": "hello", "replaces": world.places["run"]}
    answer = second.post(f"/v1/conversations/{own}/messages", json=body)
    assert answer.status_code in (404, 409, 422) and MARK not in answer.text


def test_a_conversation_of_another_is_not_continued_by_the_openai_api(world: World) -> None:
    asked = {
        "model": "shop",
        "messages": [{"role": "user", "content": "what did I say?"}],
        "metadata": {"conversation_id": world.places["conversation"]},
    }
    for key in (world.other_desk, world.desk, OPERATOR):
        answer = client_of(world.site.url, **bearer(key, None)).post("/v1/chat/completions", json=asked)
        assert answer.status_code == 404 and MARK not in answer.text


def test_an_export_is_of_the_keys_site(world: World) -> None:
    """Of the right visitor: the site's desk has it all, another site's has nothing, and erases nothing."""
    person = {"visitor": world.visitor_id}
    desk, other = (client_of(world.site.url, **bearer(key, None)) for key in (world.desk, world.other_desk))
    assert MARK in desk.post("/v1/people/export", json=person).text
    assert other.post("/v1/people/export", json=person).json() == {"conversations": []}
    assert other.post("/v1/people/erase", json=person).json()["conversations"] == 0
    assert MARK in desk.post("/v1/people/export", json=person).text


def test_handovers_of_another_site_are_not_in_the_inbox(world: World) -> None:
    other = client_of(world.site.url, **bearer(world.other_desk, None))
    for path in ("/v1/handovers", "/v1/handovers?joined=true"):
        assert other.get(path).json() == {"handovers": []}
        assert (
            world.places["handover"] in client_of(world.site.url, **bearer(world.desk, None)).get(path).text
        )


def test_a_token_of_one_site_is_nothing_at_another(world: World) -> None:
    """Signed by this server, but for another site, or sent by another page."""
    path = f"/v1/conversations/{world.places['conversation']}"
    tokens = {
        "the other site's name": bearer(world.forged(site="other"), OTHER),
        "the other site's page": bearer(world.visitor["token"], OTHER),
        "no site": bearer(world.forged(site="local"), None),
    }
    for who, headers in tokens.items():
        answer = client_of(world.site.url, **headers).get(path)
        assert answer.status_code in (401, 403, 404) and MARK not in answer.text, who


def test_a_customers_conversation_is_closed_to_the_next_one(world: World) -> None:
    """At the same browser, with the same visitor: neither signed out nor signed in as somebody else."""
    first = arrive(world.site, world.shop, SHOP, customer=customer_token(world.shop, "C-1"))
    client = client_of(world.site.url, **bearer(first["token"]))
    conversation = world.site.conversation(client)
    refresh = first["refresh_token"]
    for who in ("C-2", None):
        more = {} if who is None else {"customer": customer_token(world.shop, who)}
        came = arrive(world.site, world.shop, SHOP, refresh_token=refresh, **more)
        refresh = came["refresh_token"]
        next_one = client_of(world.site.url, **bearer(came["token"]))
        assert next_one.get(f"/v1/conversations/{conversation}").status_code in (403, 404)
    assert client.get(f"/v1/conversations/{conversation}").status_code == 200
