"""Sessions, operators, the audit trail, certificates.

Revision 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _sessions()
    _operators()
    _trail()
    _certificates()


def _session_id(primary_key: bool = False) -> sa.Column[str]:
    return sa.Column("session_id", sa.String, sa.ForeignKey("session.id"), nullable=False, primary_key=primary_key)


def _sessions() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("token_sha256", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("joined_at", _TIME),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("present", sa.Boolean, nullable=False),
        sa.Column("present_since", _TIME),
        sa.Column("person", sa.String),
        sa.Column("operator_id", sa.String),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("decided_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("document", sa.Text, nullable=False),
        sa.UniqueConstraint("token_sha256"),
    )
    op.create_index("ix_session_state_priority_joined_at", "session", ["state", "priority", "joined_at"])
    op.create_index("ix_session_person", "session", ["person"])
    op.create_index("ix_session_operator_id", "session", ["operator_id"])
    op.create_table(
        "excluded_operator", _session_id(primary_key=True), sa.Column("operator_id", sa.String, primary_key=True)
    )
    op.create_table(
        "handling",
        sa.Column("call_id", sa.String, primary_key=True),
        _session_id(),
        sa.Column("operator_id", sa.String, nullable=False),
        sa.Column("joined_at", _TIME),
        sa.Column("matched_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("outcome", sa.String),
    )
    op.create_index("ix_handling_session_id", "handling", ["session_id"])
    op.create_index("ix_handling_operator_id_ended_at", "handling", ["operator_id", "ended_at"])
    op.create_index("ix_handling_ended_at", "handling", ["ended_at"])
    op.create_table(
        "check_result",
        sa.Column("number", sa.Integer, primary_key=True),
        _session_id(),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("ix_check_result_session_id", "check_result", ["session_id"])
    op.create_table(
        "message",
        _session_id(primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sender", sa.String, nullable=False),
        sa.Column("client_id", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("sent_at", _TIME, nullable=False),
        sa.UniqueConstraint("session_id", "sender", "client_id"),
    )
    op.create_table(
        "timer",
        _session_id(primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("due_at", _TIME, nullable=False),
    )
    op.create_index("ix_timer_due_at", "timer", ["due_at"])


def _operators() -> None:
    op.create_table(
        "operator",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("availability", sa.String, nullable=False),
        sa.Column("pause_reason", sa.String, nullable=False),
        sa.Column("since", _TIME),
        sa.Column("session_id", sa.String, sa.ForeignKey("session.id")),
        sa.Column("wrapping", sa.Boolean, nullable=False),
    )
    op.create_table(
        "operator_link",
        sa.Column("link_sha256", sa.String, primary_key=True),
        sa.Column("operator_id", sa.String, sa.ForeignKey("operator.id"), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
    )
    op.create_index("ix_operator_link_operator_id", "operator_link", ["operator_id"])
    op.create_table(
        "operator_sign_in",
        sa.Column("session_sha256", sa.String, primary_key=True),
        sa.Column("operator_id", sa.String, sa.ForeignKey("operator.id"), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
    )


def _trail() -> None:
    op.create_table(
        "audit_event",
        sa.Column("stream", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("previous_sha256", sa.String, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
    )
    for statement in _APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


def _certificates() -> None:
    op.create_table(
        "certificate_order",
        _session_id(primary_key=True),
        sa.Column("profile", sa.String, primary_key=True),
        sa.Column("spki_sha256", sa.String, nullable=False),
        sa.Column("serial_number", sa.String, nullable=False),
        sa.Column("csr_der", sa.LargeBinary, nullable=False),
        sa.Column("subject_der", sa.LargeBinary, nullable=False),
        sa.Column("not_before", _TIME, nullable=False),
        sa.Column("not_after", _TIME, nullable=False),
        sa.UniqueConstraint("spki_sha256"),
        sa.UniqueConstraint("serial_number"),
    )
    op.create_table(
        "certificate",
        _session_id(primary_key=True),
        sa.Column("profile", sa.String, primary_key=True),
        sa.Column("serial_number", sa.String, nullable=False),
        sa.Column("spki_sha256", sa.String, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("not_after", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.UniqueConstraint("serial_number"),
    )
    op.create_index("ix_certificate_spki_sha256", "certificate", ["spki_sha256"])


_APPEND_ONLY = {
    "sqlite": (
        """CREATE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_event
           BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END""",
        """CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_event
           BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END""",
        # also what refuses INSERT OR REPLACE, which does not fire the trigger for DELETE
        """CREATE TRIGGER audit_event_next BEFORE INSERT ON audit_event
           WHEN NEW.number IS NOT 1 + coalesce((SELECT max(number) FROM audit_event WHERE stream = NEW.stream), 0)
           BEGIN SELECT RAISE(ABORT, 'audit events are numbered without a gap'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION refuse_change_of_audit_event() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'audit events are append-only'; END $$""",
        """CREATE FUNCTION refuse_gap_in_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN
             IF NEW.number IS DISTINCT FROM
                1 + coalesce((SELECT max(number) FROM audit_event WHERE stream = NEW.stream), 0)
             THEN RAISE EXCEPTION 'audit events are numbered without a gap'; END IF;
             RETURN NEW;
           END $$""",
        """CREATE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON audit_event
           FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_event()""",
        """CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_event()""",
        """CREATE TRIGGER audit_event_next BEFORE INSERT ON audit_event
           FOR EACH ROW EXECUTE FUNCTION refuse_gap_in_audit_events()""",
    ),
}
