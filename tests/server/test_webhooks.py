"""What other systems are told: signed, until it arrived, never into a private network; and Chatwoot."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from fake_chatwoot import TOKEN, FakeChatwoot, chatwoot, eventually
from senmon.actions.http_client import HttpClient
from senmon.errors import ConfigError
from senmon.packs.pack import Pack
from senmon.server.webhooks import courier as courier_module
from senmon.server.webhooks.courier import TRIES, Courier, pause
from senmon.server.webhooks.signing import signed_headers, webhook_secret
from senmon.server.webhooks.targets import check_url
from senmon.settings import Settings
from senmon.store import webhooks
from senmon.store.store import Store
from server_rig import FakeCatalog, FakeServed, FakeWorkspace, Site, serving

MASTER = b"m" * 32
URL = "https://hooks.example/in"


class Receiver:
    """What arrived, and what is answered in turn (then 204)."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.addresses: tuple[str, ...] = ("93.184.216.34",)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        code = self.answers.pop(0) if self.answers else 204
        headers = {"Location": "http://169.254.169.254/"} if 300 <= code < 400 else {}
        return httpx.Response(code, headers=headers, content=_nothing())

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return self.addresses

    def courier(self, store: Store, **settings: Any) -> Courier:
        client = HttpClient(resolve=self.resolve, transport=httpx.MockTransport(self))
        return Courier(store, Settings(**settings), MASTER, client)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "senmon.db")
    yield opened
    await opened.close()


def verified(request: httpx.Request, secret: str) -> dict[str, Any]:
    """As a receiver does it, by the words of Standard Webhooks."""
    id, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    signed = f"{id}.{timestamp}.".encode() + request.content
    key = base64.b64decode(secret.split("_", 1)[1])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    found: dict[str, Any] = json.loads(request.content)
    assert found["id"] == id
    return found


def test_the_signature_of_the_standards_own_example() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = signed_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def test_an_event_arrives_signed_and_once(store: Store) -> None:
    receiver = Receiver()
    hook = await store.webhooks.add(URL, ("gate",))
    await store.webhooks.announce("gate.promoted", {"pack": "shop"})
    courier = receiver.courier(store)
    assert (await courier.deliver(), await courier.deliver()) == (1, 0)
    (request,) = receiver.requests
    event = verified(request, webhook_secret(MASTER, hook.id))
    assert (event["type"], event["data"]) == ("gate.promoted", {"pack": "shop"})
    assert (str(request.url), request.headers["host"]) == ("https://93.184.216.34/in", "hooks.example")
    assert (await store.webhooks.counts())[hook.id] == {"delivered": 1}


async def test_a_failed_one_is_tried_again_with_its_id_and_given_up_at_last(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "FIRST_PAUSE", 0.0)
    receiver = Receiver(500, 302, 410)
    hook = await store.webhooks.add(URL, ("gate",))
    await store.webhooks.announce("gate.kept", {})
    courier = receiver.courier(store)
    reasons = []
    for _ in range(4):
        assert await courier.deliver() == 1
        reasons.append((await store.webhooks.deliveries(hook.id))[0].note)
    assert reasons == ["answered 500", "answered 302 (redirects are not followed)", "answered 410", ""]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert {request.url.host for request in receiver.requests} == {"93.184.216.34"}
    receiver.answers = [500] * TRIES
    await store.webhooks.announce("gate.kept", {})
    for _ in range(TRIES):
        assert await courier.deliver() == 1
    assert await courier.deliver() == 0
    assert (await store.webhooks.deliveries(hook.id))[0].state == "given up"


def test_pauses_grow_to_an_hour() -> None:
    seconds = [pause(attempts).total_seconds() for attempts in range(TRIES)]
    assert 4 <= seconds[0] <= 6 and 2880 <= seconds[-1] <= 4320
    assert 2 * 3600 < sum(seconds) < 6 * 3600


async def test_who_dies_while_sending_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, hook = asyncio.Event(), await store.webhooks.add(URL, ("gate",))
    await store.webhooks.announce("gate.kept", {})

    async def hangs(host: str, port: int) -> Sequence[str]:
        reached.set()
        await asyncio.sleep(60)
        return ()

    dying = asyncio.create_task(Courier(store, Settings(), MASTER, HttpClient(resolve=hangs)).run())
    await reached.wait()
    await courier_module.stopped(dying)
    (left,) = await store.webhooks.deliveries(hook.id)
    assert (left.state, left.attempts) == ("waiting", 1)
    receiver = Receiver()
    assert await receiver.courier(store).deliver() == 0, "the dead one's lease has not ended"
    later = left.created + 2 * webhooks.LEASE
    monkeypatch.setattr(webhooks, "moment", lambda _: asyncio.sleep(0, later))
    assert await receiver.courier(store).deliver() == 1
    assert [request.headers["webhook-id"] for request in receiver.requests] == [left.event]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0"]
)
async def test_a_name_that_leads_inside_is_not_followed(store: Store, address: str) -> None:
    receiver = Receiver()
    receiver.addresses = (address,)
    hook = await store.webhooks.add(URL, ("gate",))
    assert "private network" in await receiver.courier(store).test(hook)
    assert receiver.requests == []


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example/in", "https://127.0.0.1/", "https://localhost/x", "https://[::1]/", "ftp://x.example",
     "https://10.1.2.3/", "https://user:pw@hooks.example/", "https://hooks.example:99999/", "hooks.example",
     "https://hooks.example/a b", "https:///x", "https://hooks.example/#x",
     f"https://x.example/{'a' * 3000}"],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        check_url(url, private=False)


def test_private_addresses_by_setting() -> None:
    assert check_url("http://10.1.2.3:8080/in", private=True)


# --- Chatwoot


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, pack: Pack) -> Iterator[tuple[FakeChatwoot, Site]]:
    with chatwoot() as fake:
        settings = Settings(
            home=tmp_path_factory.mktemp("home"), rate_limit_per_minute=0, webhooks_private=True,
            chatwoot_url=fake.url, chatwoot_token=SecretStr(TOKEN), chatwoot_secret=SecretStr("s3cret"),
        )  # fmt: skip
        with serving(FakeWorkspace(settings, FakeCatalog({"shop": FakeServed(pack)}))) as site:
            fake.bot = f"{site.url}/webhooks/chatwoot/s3cret"
            yield fake, site


def said(fake: FakeChatwoot, conversation: int) -> list[str]:
    return [text for number, text in fake.said if number == conversation]


def test_a_visitor_of_chatwoot_is_answered_once(desk: tuple[FakeChatwoot, Site]) -> None:
    fake, site = desk
    for _ in range(3):  # Chatwoot tells it again when it is not sure
        assert fake.visitor_says(41, "can I send it back", id=500) == 200
    eventually(lambda: len(said(fake, 41)) >= 1)
    assert fake.visitor_says(41, "thanks") == 200
    eventually(lambda: len(said(fake, 41)) >= 2)
    assert said(fake, 41) == ["You can send it back within 30 days."] * 2
    turns = [len(before.messages) for before, *_ in site.workspace.assistant.asked]
    assert turns[:2] == [0, 2], "the second message goes on in the same conversation"


def test_a_handover_opens_the_conversation_and_the_bot_is_silent(desk: tuple[FakeChatwoot, Site]) -> None:
    fake, site = desk
    fake.failing = [503]
    asked = len(site.workspace.assistant.asked)
    assert fake.visitor_says(42, "person please") == 200
    eventually(lambda: fake.status[42] == "open")
    eventually(lambda: said(fake, 42) == ["I'm passing this on."])
    assert fake.visitor_says(42, "are you there?") == 200
    # What is not a visitor's word to the bot is left alone.
    assert fake.visitor_says(43, "of the bot", message_type="outgoing") == 200
    assert fake.visitor_says(43, "a note", private=True) == 200
    assert fake.visitor_says(43, "", event="conversation_created") == 200
    assert fake.visitor_says(44, "the last one") == 200
    eventually(lambda: len(said(fake, 44)) == 1)
    assert len(site.workspace.assistant.asked) == asked + 2
    assert said(fake, 43) == []


def test_who_does_not_know_the_address_is_not_heard(desk: tuple[FakeChatwoot, Site]) -> None:
    fake, site = desk
    right = fake.bot
    answers = []
    for wrong in ("other", "s3cret%00"):
        fake.bot = f"{site.url}/webhooks/chatwoot/{wrong}"
        answers.append(fake.visitor_says(45, "hi"))
    fake.bot = right
    assert answers == [404, 404]
    broken = httpx.post(right, json={"event": "message_created", "conversation": "41"})
    assert broken.status_code == 422
