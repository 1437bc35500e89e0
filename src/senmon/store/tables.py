"""The tables. Their history is in `migrations/`; a test keeps both equal."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
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
    false,
    text,
    true,
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


#: A site that embeds the widget has a public key; one without is there for its keys and visitors only.
#: Its secret is derived from the server's own and `salt`: a copy of the database holds no secret.
sites = Table(
    "sites",
    metadata,
    Column("id", String(64), primary_key=True),
    _created(),
    Column("name", String(100), nullable=False, server_default=""),
    Column("public_key", String(64)),
    Column("salt", String(64)),
    Column("fingerprint", String(64)),
    Column("previous_salt", String(64)),
    Column("previous_until", Moment),
    Column("origins", JSON, nullable=False, server_default="[]"),
    Column("packs", JSON(none_as_null=True)),
    Column("require_identity", Boolean, nullable=False, server_default=false()),
    Column("prechat", JSON(none_as_null=True)),
    Column("csat", Boolean, nullable=False, server_default=true()),
    Column("contact", JSON(none_as_null=True)),
    Column("language", String(35), nullable=False, server_default="en"),
    Column("removed", Moment),
    Index("ux_sites_public_key", "public_key", unique=True),
)

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

#: The refresh tokens that came from one another. A used token that comes again revokes them all.
refresh_families = Table(
    "refresh_families",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("visitor", String(128), nullable=False),
    _created(),
    Column("expires", Moment, nullable=False),
    Column("revoked", Moment),
    ForeignKeyConstraint(["site", "visitor"], ["visitors.site", "visitors.id"]),
    Index("ix_refresh_families_site_visitor", "site", "visitor"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("family", String(32), ForeignKey("refresh_families.id"), nullable=False, index=True),
    _created(),
    Column("expires", Moment, nullable=False),
    Column("used", Moment),
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
    Column("client_id", String(128)),
    Column("prechat", JSON(none_as_null=True)),
    ForeignKeyConstraint(["site", "visitor"], ["visitors.site", "visitors.id"]),
    Index("ix_conversations_site_visitor_channel", "site", "visitor", "channel"),
    Index("ux_conversations_client_id", "site", "visitor", "client_id", unique=True),
    Index("ix_conversations_created", "created"),
    Index("ix_conversations_customer", "customer"),
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
    #: How often another server went on with it after its owner fell silent.
    Column("taken", Integer, nullable=False, server_default="0"),
    _created(),
    Column("finished", Moment),
    #: Sent again, or otherwise: no longer part of what was said, though still stored.
    Column("replaced", Moment),
    UniqueConstraint("conversation", "number"),
    UniqueConstraint("conversation", "client_id"),
    Index("ix_runs_created", "created"),
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
    Column("run", String(32), ForeignKey("runs.id")),
    Column("conversation", String(32), ForeignKey("conversations.id"), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    _created(),
    Column("closed", Moment),
    Column("note", Text, nullable=False, server_default=""),
    Column("agent", String(100)),
    Column("joined", Moment),
    Index("ix_handovers_conversation", "conversation"),
    # At most one that waits or is under way in a conversation.
    Index(
        "ux_handovers_one_active",
        "conversation",
        unique=True,
        sqlite_where=text("state IN ('open', 'joined')"),
        postgresql_where=text("state IN ('open', 'joined')"),
    ),
)

#: What happens in a conversation beside its runs: a person's messages, a handover's steps, the rating.
conversation_events = Table(
    "conversation_events",
    metadata,
    Column("conversation", String(32), ForeignKey("conversations.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", String(16), nullable=False),
    Column("data", JSON, nullable=False),
    Column("client_id", String(128)),
    _created(),
    Index("ux_conversation_events_client_id", "conversation", "client_id", unique=True),
    Index("ix_conversation_events_created", "created"),
)

conversation_ratings = Table(
    "conversation_ratings",
    metadata,
    Column("conversation", String(32), ForeignKey("conversations.id"), primary_key=True),
    Column("score", Integer, nullable=False),
    Column("comment", Text, nullable=False),
    _created(),
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

#: What a person decided about one exchange. One decision each; a later one takes its place.
reviews = Table(
    "reviews",
    metadata,
    Column("run", String(32), ForeignKey("runs.id"), primary_key=True),
    Column("kind", String(16), nullable=False),
    #: The pack that should answer such a message; None: no pack should.
    Column("pack", String(64)),
    Column("data", JSON, nullable=False),
    Column("reviewer", String(100), nullable=False),
    Column("note", Text, nullable=False),
    _created(),
    #: The improvement that took it into the pack, and when.
    Column("used_by", String(64)),
    Column("used", Moment),
    Index("ix_reviews_pack", "pack"),
)

#: Who works in the console. `display` is the name that visitors see.
staff = Table(
    "staff",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("display", String(100), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    #: The hash; None until the person has chosen a password.
    Column("password", String(256)),
    _created(),
    Column("disabled", Moment),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("staff", String(32), ForeignKey("staff.id"), nullable=False, index=True),
    _created(),
    Column("seen", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
)

#: Links that are good once: to choose a password, or (without `staff`) to become the first owner.
staff_links = Table(
    "staff_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("staff", String(32), ForeignKey("staff.id")),
    _created(),
    Column("expires", Moment, nullable=False),
)

#: Every change made in the console or by `senmon staff`. Names are kept as they were.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    _created(),
    Column("who", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("what", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_audit_created", "created"),
)

#: Where events are sent. The secret is derived from the server's own and the id: none is stored.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("url", Text, nullable=False),
    #: Families of events: `handover`, `feedback`, `gate`.
    Column("events", JSON, nullable=False),
    #: Only of this site; None: of all.
    Column("site", String(64)),
    _created(),
)

#: What is to be sent, written in the transaction that made it happen. `webhook` None: to Chatwoot.
outbox = Table(
    "outbox",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("webhook", String(32), ForeignKey("webhooks.id")),
    #: The receiver's key to know a repetition by.
    Column("event", String(64), nullable=False),
    Column("type", String(32), nullable=False),
    Column("data", JSON, nullable=False),
    Column("conversation", String(32)),
    _created(),
    Column("attempts", Integer, nullable=False),
    Column("due", Moment),
    Column("state", String(16), nullable=False),
    Column("note", String(200), nullable=False),
    Index("ux_outbox_webhook_event", "webhook", "event", unique=True),
    Index("ix_outbox_state_due", "state", "due"),
    Index("ix_outbox_conversation", "conversation"),
)

#: What one server does for all that share the database: nobody else's until `due`.
duties = Table(
    "duties",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("due", Moment, nullable=False),
)

#: Of a class's code its keyed hash: with it and a nickname a pupil signs in.
class_codes = Table(
    "class_codes",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("klass", String(32), nullable=False),
    _created(),
    Column("expires", Moment, nullable=False),
)
