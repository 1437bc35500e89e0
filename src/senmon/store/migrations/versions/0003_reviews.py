"""What people decided about exchanges."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("pack", sa.String(64)),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("reviewer", sa.String(100), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("used_by", sa.String(64)),
        sa.Column("used", _MOMENT),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_reviews_run"),
        sa.PrimaryKeyConstraint("run", name="pk_reviews"),
    )
    op.create_index("ix_reviews_pack", "reviews", ["pack"])


def downgrade() -> None:
    op.drop_index("ix_reviews_pack", "reviews")
    op.drop_table("reviews")
