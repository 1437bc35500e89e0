"""Whose a conversation is: the visitor's who began it and, once a customer spoke in it, that customer's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import ConversationNotFound, Forbidden
from senmon.messages import Identity
from senmon.store.records import ConversationRecord
from senmon.store.rows import one
from senmon.store.tables import conversations

_CUSTOMER = select(conversations.c.customer).where(conversations.c.id == bindparam("of"))


def admit(row: Mapping[str, Any] | None, identity: Identity) -> ConversationRecord:
    """Raises ConversationNotFound unless it is this visitor's, Forbidden when another customer's."""
    if row is None or (row["site"], row["visitor"]) != (identity.site, identity.visitor):
        raise ConversationNotFound("no such conversation of yours", remedy="POST /v1/conversations makes one")
    if row["customer"] is not None and row["customer"] != identity.customer:
        raise _not_this_customer()
    return ConversationRecord(**row)


async def bind_customer(connection: AsyncConnection, conversation: str, customer: str | None) -> None:
    """The customer speaks: the conversation is theirs from now on. Raises Forbidden when another's."""
    row = await one(connection, _CUSTOMER, {"of": conversation})
    if row is None or row["customer"] == customer:
        return
    if row["customer"] is not None:
        raise _not_this_customer()
    mine = and_(conversations.c.id == conversation, conversations.c.customer.is_(None))
    await connection.execute(update(conversations).where(mine).values(customer=customer))


def _not_this_customer() -> Forbidden:
    return Forbidden(
        "this conversation belongs to a signed-in customer",
        remedy="sign in again, or start a new conversation",
    )
