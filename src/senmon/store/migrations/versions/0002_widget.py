"""Sites with keys, refresh tokens, replaced runs, joined handovers, conversation events, ratings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def _created() -> "sa.Column[object]":
    return sa.Column("created", _MOMENT, nullable=False)


def _sites() -> None:
    for column in (
        sa.Column("name", sa.String(100), nullable=False, server_default=""),
        sa.Column("public_key", sa.String(64)),
        sa.Column("salt", sa.String(64)),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("previous_salt", sa.String(64)),
        sa.Column("previous_until", _MOMENT),
        sa.Column("origins", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("packs", sa.JSON()),
        sa.Column("require_identity", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("prechat", sa.JSON()),
        sa.Column("csat", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("contact", sa.JSON()),
        sa.Column("language", sa.String(35), nullable=False, server_default="en"),
        sa.Column("removed", _MOMENT),
    ):
        op.add_column("sites", column)
    op.create_index("ux_sites_public_key", "sites", ["public_key"], unique=True)


def _refresh_tokens() -> None:
    op.create_table(
        "refresh_families",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("visitor", sa.String(128), nullable=False),
        _created(),
        sa.Column("expires", _MOMENT, nullable=False),
        sa.Column("revoked", _MOMENT),
        sa.ForeignKeyConstraint(
            ["site", "visitor"], ["visitors.site", "visitors.id"], name="fk_refresh_families_site_visitor"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_families"),
    )
    op.create_index("ix_refresh_families_site_visitor", "refresh_families", ["site", "visitor"])
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("family", sa.String(32), nullable=False),
        _created(),
        sa.Column("expires", _MOMENT, nullable=False),
        sa.Column("used", _MOMENT),
        sa.ForeignKeyConstraint(["family"], ["refresh_families.id"], name="fk_refresh_tokens_family"),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_tokens"),
    )
    op.create_index("ix_refresh_tokens_family", "refresh_tokens", ["family"])


def _conversations() -> None:
    op.add_column("conversations", sa.Column("client_id", sa.String(128)))
    op.add_column("conversations", sa.Column("prechat", sa.JSON()))
    op.create_index(
        "ux_conversations_client_id", "conversations", ["site", "visitor", "client_id"], unique=True
    )
    op.create_index("ix_conversations_created", "conversations", ["created"])
    op.create_index("ix_conversations_customer", "conversations", ["customer"])
    op.add_column("runs", sa.Column("replaced", _MOMENT))
    op.create_table(
        "conversation_events",
        sa.Column("conversation", sa.String(32), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("client_id", sa.String(128)),
        _created(),
        sa.ForeignKeyConstraint(
            ["conversation"], ["conversations.id"], name="fk_conversation_events_conversation"
        ),
        sa.PrimaryKeyConstraint("conversation", "seq", name="pk_conversation_events"),
    )
    op.create_index(
        "ux_conversation_events_client_id", "conversation_events", ["conversation", "client_id"], unique=True
    )
    op.create_table(
        "conversation_ratings",
        sa.Column("conversation", sa.String(32), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        _created(),
        sa.ForeignKeyConstraint(
            ["conversation"], ["conversations.id"], name="fk_conversation_ratings_conversation"
        ),
        sa.PrimaryKeyConstraint("conversation", name="pk_conversation_ratings"),
    )


def _handovers() -> None:
    with op.batch_alter_table("handovers") as table:
        table.alter_column("run", existing_type=sa.String(32), nullable=True)
        table.add_column(sa.Column("note", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("agent", sa.String(100)))
        table.add_column(sa.Column("joined", _MOMENT))
    # A conversation could be handed over many times; from now on the first that waits stands for all.
    op.execute(
        "UPDATE handovers SET state = 'closed', closed = created WHERE state = 'open' AND EXISTS ("
        "SELECT 1 FROM handovers AS first WHERE first.conversation = handovers.conversation "
        "AND first.state = 'open' AND (first.created < handovers.created "
        "OR (first.created = handovers.created AND first.id < handovers.id)))"
    )
    op.create_index("ix_handovers_conversation", "handovers", ["conversation"])
    active = sa.text("state IN ('open', 'joined')")
    op.create_index(
        "ux_handovers_one_active",
        "handovers",
        ["conversation"],
        unique=True,
        sqlite_where=active,
        postgresql_where=active,
    )


def upgrade() -> None:
    _sites()
    _refresh_tokens()
    _conversations()
    _handovers()


def downgrade() -> None:
    op.drop_index("ux_handovers_one_active", "handovers")
    op.drop_index("ix_handovers_conversation", "handovers")
    # Asked for outside a run: the first schema has no place for them.
    op.execute("DELETE FROM handovers WHERE run IS NULL")
    with op.batch_alter_table("handovers") as table:
        for column in ("note", "agent", "joined"):
            table.drop_column(column)
        table.alter_column("run", existing_type=sa.String(32), nullable=False)
    for table_name in ("conversation_ratings", "conversation_events", "refresh_tokens", "refresh_families"):
        op.drop_table(table_name)
    with op.batch_alter_table("runs") as table:
        table.drop_column("replaced")
    for index in ("ux_conversations_client_id", "ix_conversations_created", "ix_conversations_customer"):
        op.drop_index(index, "conversations")
    with op.batch_alter_table("conversations") as table:
        table.drop_column("client_id")
        table.drop_column("prechat")
    op.drop_index("ux_sites_public_key", "sites")
    with op.batch_alter_table("sites") as table:
        for column in (
            *("name", "public_key", "salt", "fingerprint", "previous_salt", "previous_until", "origins"),
            *("packs", "require_identity", "prechat", "csat", "contact", "language", "removed"),
        ):
            table.drop_column(column)
