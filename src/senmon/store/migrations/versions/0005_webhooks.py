"""Webhooks, and what is to be sent to them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("site", sa.String(64)),
        sa.Column("created", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("webhook", sa.String(32)),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("conversation", sa.String(32)),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", _MOMENT),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["webhook"], ["webhooks.id"], name="fk_outbox_webhook"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ux_outbox_webhook_event", "outbox", ["webhook", "event"], unique=True)
    op.create_index("ix_outbox_state_due", "outbox", ["state", "due"])
    op.create_index("ix_outbox_conversation", "outbox", ["conversation"])


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("webhooks")
