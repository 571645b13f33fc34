"""The tables, as SQLAlchemy Core sees them. The migrations make them; tests/contract/test_store.py holds both equal.

Times are UTC with microseconds. JSON is kept as text, so that what was hashed comes back byte for byte.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """An aware time, in and out. SQLite has no time zones: there it is stored as UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _session_id(primary_key: bool = False) -> Column[str]:
    return Column("session_id", String, ForeignKey("session.id"), nullable=False, primary_key=primary_key)


session = Table(
    "session",
    metadata,
    Column("id", String, primary_key=True),
    Column("token_sha256", String, nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("joined_at", UtcTime),
    Column("priority", Integer, nullable=False),
    Column("present", Boolean, nullable=False),
    Column("present_since", UtcTime),
    Column("person", String),
    Column("operator_id", String),
    Column("created_at", UtcTime, nullable=False),
    Column("decided_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("document", Text, nullable=False),
    Index(None, "state", "priority", "joined_at"),
    Index(None, "person"),
    Index(None, "operator_id"),
)
"""``document`` is the whole Session (documents.py); the other columns are what queries need of it, and presence."""

excluded_operator = Table(
    "excluded_operator",
    metadata,
    _session_id(primary_key=True),
    Column("operator_id", String, primary_key=True),
)

handling = Table(
    "handling",
    metadata,
    Column("call_id", String, primary_key=True),
    _session_id(),
    Column("operator_id", String, nullable=False),
    Column("joined_at", UtcTime),
    Column("matched_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("outcome", String),
    Index(None, "session_id"),
    Index(None, "operator_id", "ended_at"),
    Index(None, "ended_at"),
)
"""One row for each time that an operator had a session: a session may be handled more than once."""

audit_event = Table(
    "audit_event",
    metadata,
    Column("stream", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("data", Text, nullable=False),
    Column("previous_sha256", String, nullable=False),
    Column("sha256", String, nullable=False),
)
"""Append-only: triggers refuse UPDATE, DELETE and any number but the next."""

check_result = Table(
    "check_result",
    metadata,
    Column("number", Integer, primary_key=True),
    _session_id(),
    Column("document", Text, nullable=False),
    Index(None, "session_id"),
)

message = Table(
    "message",
    metadata,
    _session_id(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sender", String, nullable=False),
    Column("client_id", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_at", UtcTime, nullable=False),
    UniqueConstraint("session_id", "sender", "client_id"),
)

timer = Table(
    "timer",
    metadata,
    _session_id(primary_key=True),
    Column("kind", String, primary_key=True),
    Column("due_at", UtcTime, nullable=False),
    Index(None, "due_at"),
)

operator = Table(
    "operator",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("availability", String, nullable=False),
    Column("pause_reason", String, nullable=False),
    Column("since", UtcTime),
    Column("session_id", String, ForeignKey("session.id")),
    Column("wrapping", Boolean, nullable=False),
)
"""``session_id`` is not unique: one operator may wrap up a session that a second person has by now."""

operator_link = Table(
    "operator_link",
    metadata,
    Column("link_sha256", String, primary_key=True),
    Column("operator_id", String, ForeignKey("operator.id"), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    Index(None, "operator_id"),
)

operator_sign_in = Table(
    "operator_sign_in",
    metadata,
    Column("session_sha256", String, primary_key=True),
    Column("operator_id", String, ForeignKey("operator.id"), nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

interpreter = Table(
    "interpreter",
    metadata,
    Column("id", String, primary_key=True),
    _session_id(),
    Column("call_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("language", String, nullable=False),
    Column("invited_by", String, nullable=False),
    Column("invited_at", UtcTime, nullable=False),
    Column("version", Integer, nullable=False),
    Column("agreed", Boolean),
    Column("duty_version", String, nullable=False),
    Column("ended_at", UtcTime),
    Column("ended_by", String, nullable=False),
    Column("link_sha256", String, nullable=False, unique=True),
    Column("link_expires", UtcTime, nullable=False),
    Column("token_sha256", String, unique=True),
    Index(None, "session_id"),
)
"""``token_sha256`` is set when the link is used: a link without one is unused."""

certificate_order = Table(
    "certificate_order",
    metadata,
    _session_id(primary_key=True),
    Column("profile", String, primary_key=True),
    Column("spki_sha256", String, nullable=False, unique=True),
    Column("serial_number", String, nullable=False, unique=True),
    Column("csr_der", LargeBinary, nullable=False),
    Column("subject_der", LargeBinary, nullable=False),
    Column("not_before", UtcTime, nullable=False),
    Column("not_after", UtcTime, nullable=False),
)
"""``serial_number`` is decimal text: RFC 5280 allows 20 octets, more than an integer column holds."""

certificate = Table(
    "certificate",
    metadata,
    _session_id(primary_key=True),
    Column("profile", String, primary_key=True),
    Column("serial_number", String, nullable=False, unique=True),
    Column("spki_sha256", String, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("not_after", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
    Index(None, "spki_sha256"),
)
