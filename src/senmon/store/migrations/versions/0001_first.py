"""Sites, keys, visitors, conversations, runs, events, feedback, handovers, review items."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _created() -> "sa.Column[object]":
    return sa.Column("created", sa.DateTime(timezone=True), nullable=False)


def _people() -> None:
    op.create_table(
        "sites",
        sa.Column("id", sa.String(64), nullable=False),
        _created(),
        sa.PrimaryKeyConstraint("id", name="pk_sites"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        _created(),
        sa.Column("revoked", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name="fk_api_keys_site"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_table(
        "visitors",
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("id", sa.String(128), nullable=False),
        _created(),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name="fk_visitors_site"),
        sa.PrimaryKeyConstraint("site", "id", name="pk_visitors"),
    )


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("visitor", sa.String(128), nullable=False),
        sa.Column("customer", sa.String(256)),
        sa.Column("channel", sa.String(16), nullable=False),
        _created(),
        sa.ForeignKeyConstraint(
            ["site", "visitor"], ["visitors.site", "visitors.id"], name="fk_conversations_site_visitor"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
    )
    op.create_index("ix_conversations_site_visitor_channel", "conversations", ["site", "visitor", "channel"])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("conversation", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(128), nullable=False),
        sa.Column("text_digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(64)),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        _created(),
        sa.Column("finished", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["conversation"], ["conversations.id"], name="fk_runs_conversation"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("conversation", "client_id", name="uq_runs_conversation_client_id"),
        sa.UniqueConstraint("conversation", "number", name="uq_runs_conversation_number"),
    )
    running = sa.text("state = 'running'")
    op.create_index(
        "ux_runs_one_running",
        "runs",
        ["conversation"],
        unique=True,
        sqlite_where=running,
        postgresql_where=running,
    )
    op.create_table(
        "events",
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("private", sa.JSON(), nullable=False),
        _created(),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_events_run"),
        sa.PrimaryKeyConstraint("run", "seq", name="pk_events"),
    )


def _learning() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("visitor", sa.String(128), nullable=False),
        sa.Column("rating", sa.String(8), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("correction", sa.Text(), nullable=False),
        _created(),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_feedback_run"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.UniqueConstraint("run", "visitor", name="uq_feedback_run_visitor"),
    )
    op.create_table(
        "handovers",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("conversation", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        _created(),
        sa.Column("closed", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["conversation"], ["conversations.id"], name="fk_handovers_conversation"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_handovers_run"),
        sa.PrimaryKeyConstraint("id", name="pk_handovers"),
    )
    op.create_table(
        "review_items",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("feedback", sa.String(32)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        _created(),
        sa.Column("decided", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["feedback"], ["feedback.id"], name="fk_review_items_feedback"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_review_items_run"),
        sa.PrimaryKeyConstraint("id", name="pk_review_items"),
    )


def upgrade() -> None:
    _people()
    _conversations()
    _runs()
    _learning()


def downgrade() -> None:
    for table in ("review_items", "handovers", "feedback", "events", "runs", "conversations", "visitors"):
        op.drop_table(table)
    op.drop_table("api_keys")
    op.drop_table("sites")
