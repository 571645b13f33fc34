"""Interpreters.

Revision 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "interpreter",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("session_id", sa.String, sa.ForeignKey("session.id"), nullable=False),
        sa.Column("call_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("invited_by", sa.String, nullable=False),
        sa.Column("invited_at", _TIME, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("agreed", sa.Boolean),
        sa.Column("duty_version", sa.String, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("ended_by", sa.String, nullable=False),
        sa.Column("link_sha256", sa.String, nullable=False),
        sa.Column("link_expires", _TIME, nullable=False),
        sa.Column("token_sha256", sa.String),
        sa.UniqueConstraint("link_sha256"),
        sa.UniqueConstraint("token_sha256"),
    )
    op.create_index("ix_interpreter_session_id", "interpreter", ["session_id"])


def downgrade() -> None:
    op.drop_table("interpreter")
