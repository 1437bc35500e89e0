"""What several servers share: what one of them does for all, class codes; takeovers are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("runs", sa.Column("taken", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "duties",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("due", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_duties"),
    )
    op.create_table(
        "class_codes",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("klass", sa.String(32), nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("expires", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_class_codes"),
    )


def downgrade() -> None:
    op.drop_table("class_codes")
    op.drop_table("duties")
    op.drop_column("runs", "taken")
