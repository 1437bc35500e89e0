"""The courier: takes what is due out of the outbox and sends it, again and again until it arrived."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from senmon.actions.http_client import HttpClient
from senmon.actions.http_request import HttpRequest
from senmon.errors import ActionFailed, ConfigError, SenmonError, WebhookNotFound
from senmon.server.webhooks.signing import webhook_secret
from senmon.server.webhooks.targets import chatwoot_request, check_url, event_request
from senmon.settings import Settings
from senmon.store.store import Store
from senmon.store.webhooks import Delivery, Webhook

#: Seconds between looks into the outbox; nothing else tells of what another process put there.
LOOK_SECONDS = 2.0
AT_ONCE = 8
#: Less than a claim's lease, with the client's own tries.
TIMEOUT = 15.0
#: Pauses before the next try: 5 s, then twice as long each time, at most an hour; about 3½ hours in all.
FIRST_PAUSE, LONGEST_PAUSE, TRIES = 5.0, 3600.0, 12
#: Looks after which what is old is deleted.
FORGET_EVERY = 1800

log = logging.getLogger(__name__)


class Courier:
    """`run()` until cancelled. `client` is a seam for tests."""

    def __init__(
        self, store: Store, settings: Settings, master: bytes, client: HttpClient | None = None
    ) -> None:
        self._store, self._settings, self._master = store, settings, master
        self._client = client or HttpClient()

    async def run(self, every: float = LOOK_SECONDS) -> None:
        looks = 0
        while True:
            try:
                while await self.deliver():
                    pass
                if looks % FORGET_EVERY == 0:
                    await self._store.webhooks.forget()
            except SenmonError as error:
                log.error("the outbox could not be looked into: %s", error.code)
            looks += 1
            await asyncio.sleep(every)

    async def deliver(self) -> int:
        """Try once all that is due, at most AT_ONCE; how many were tried."""
        claimed = await self._store.webhooks.claim(AT_ONCE)
        await asyncio.gather(*(self._try(each) for each in claimed))
        return len(claimed)

    async def _try(self, delivery: Delivery) -> None:
        outbox = self._store.webhooks
        try:
            request = await self._request(delivery)
            why = await self._sent(delivery, request)
        except WebhookNotFound:
            return  # removed meanwhile, and its deliveries with it
        except (ConfigError, ActionFailed) as error:
            why = error.message
        if not why:
            await outbox.delivered(delivery.id)
        elif delivery.attempts + 1 >= TRIES:
            log.warning("%s was given up after %d tries: %s", delivery.event, TRIES, why)
            await outbox.given_up(delivery.id, why, tried=delivery.attempts + 1)
        else:
            await outbox.again(delivery.id, pause(delivery.attempts), why, tried=delivery.attempts + 1)

    async def _sent(self, delivery: Delivery, request: HttpRequest) -> str:
        """Why it did not arrive; empty when it did. A redirect is not followed: it may lead anywhere."""
        private = self._settings.webhooks_private
        answer = await self._client.send(delivery.type, request, private=private, timeout=TIMEOUT)
        if 200 <= answer.status < 300:
            return ""
        told = " (redirects are not followed)" if 300 <= answer.status < 400 else ""
        return f"answered {answer.status}{told}"

    async def test(self, webhook: Webhook) -> str:
        """Send an event `test.ping` now, outside the outbox. Why it did not arrive; empty when it did."""
        moment = datetime.now(UTC)
        ping = Delivery("", webhook.id, f"evt_test_{moment:%Y%m%d%H%M%S%f}", "test.ping", {}, None, moment,
                        0, None, "waiting", "")  # fmt: skip
        try:
            return await self._sent(ping, await self._request(ping))
        except (ConfigError, ActionFailed) as error:
            return str(error)

    async def _request(self, delivery: Delivery) -> HttpRequest:
        private = self._settings.webhooks_private
        if delivery.webhook is None:
            request = chatwoot_request(self._settings, delivery)
            check_url(request.url, private=private)
            return request
        webhook = await self._store.webhooks.get(delivery.webhook)
        check_url(webhook.url, private=private)
        return event_request(webhook.url, webhook_secret(self._master, webhook.id), delivery)


def pause(attempts: int) -> timedelta:
    """Before the next try, after so many failed ones: with chance, so that many do not come at once."""
    return timedelta(seconds=min(FIRST_PAUSE * 2**attempts, LONGEST_PAUSE) * random.uniform(0.8, 1.2))


async def stopped(task: asyncio.Task[None]) -> None:
    """What is under way is sent again by the next server: its lease ends."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
