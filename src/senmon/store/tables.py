"""The tables. Their history is in `migrations/`; a test keeps both equal."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class Moment(TypeDecorator[datetime]):
    """A time in UTC. SQLite forgets the zone, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _created() -> Column[object]:
    return Column("created", Moment, nullable=False)


sites = Table("sites", metadata, Column("id", String(64), primary_key=True), _created())

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("site", String(64), ForeignKey("sites.id"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    _created(),
    Column("revoked", Moment),
)

visitors = Table(
    "visitors",
    metadata,
    Column("site", String(64), ForeignKey("sites.id"), primary_key=True),
    Column("id", String(128), primary_key=True),
    _created(),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("visitor", String(128), nullable=False),
    Column("customer", String(256)),
    Column("channel", String(16), nullable=False),
    _created(),
    ForeignKeyConstraint(["site", "visitor"], ["visitors.site", "visitors.id"]),
    Index("ix_conversations_site_visitor_channel", "site", "visitor", "channel"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("conversation", String(32), ForeignKey("conversations.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("client_id", String(128), nullable=False),
    Column("text_digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("owner", String(64)),
    Column("lease_until", Moment),
    _created(),
    Column("finished", Moment),
    UniqueConstraint("conversation", "number"),
    UniqueConstraint("conversation", "client_id"),
    # At most one run under way in a conversation, whoever writes.
    Index(
        "ux_runs_one_running",
        "conversation",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

events = Table(
    "events",
    metadata,
    Column("run", String(32), ForeignKey("runs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", String(16), nullable=False),
    Column("data", JSON, nullable=False),
    Column("private", JSON, nullable=False),
    _created(),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("run", String(32), ForeignKey("runs.id"), nullable=False),
    Column("visitor", String(128), nullable=False),
    Column("rating", String(8), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("correction", Text, nullable=False),
    _created(),
    UniqueConstraint("run", "visitor"),
)

handovers = Table(
    "handovers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("run", String(32), ForeignKey("runs.id"), nullable=False),
    Column("conversation", String(32), ForeignKey("conversations.id"), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    _created(),
    Column("closed", Moment),
)

review_items = Table(
    "review_items",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("run", String(32), ForeignKey("runs.id"), nullable=False),
    Column("feedback", String(32), ForeignKey("feedback.id")),
    Column("state", String(16), nullable=False),
    Column("note", Text, nullable=False),
    _created(),
    Column("decided", Moment),
)
