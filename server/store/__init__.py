"""The Store protocol of server.ports on SQL: ``await migrate(url)``, then ``SqlStore(url)``, at the end ``aclose()``.

``url`` is SQLAlchemy's: ``sqlite+aiosqlite:///betpe.db`` (relative) or ``sqlite+aiosqlite:////var/lib/...`` (absolute).
"""

from __future__ import annotations

from server.store.certificates import CertificateRows
from server.store.handlings import HandlingRows
from server.store.interpreters import InterpreterRows
from server.store.migration import migrate
from server.store.operators import OperatorRows
from server.store.records import RecordRows
from server.store.retention import RetentionRows
from server.store.sessions import SessionRows
from server.store.trail import TrailRows
from server.store.transactions import open_engine

__all__ = ["SqlStore", "migrate"]


class SqlStore(
    SessionRows,
    HandlingRows,
    RecordRows,
    OperatorRows,
    InterpreterRows,
    CertificateRows,
    TrailRows,
    RetentionRows,
):
    """All of it. Every write is one transaction."""

    def __init__(self, url: str) -> None:
        super().__init__(open_engine(url))
