"""Certificate orders, written before signing, and the certificates that came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, select, union_all, update

from server.audit import Event
from server.ports import CertificateOrder, CertificateProfile, Conflict, IssuanceRefused, IssuedCertificate, Timer
from server.proofing import Session
from server.store.sessions import NO_TIMERS, write_move
from server.store.tables import certificate, certificate_order
from server.store.trail import write_events
from server.store.transactions import Transactions, in_turn


class CertificateRows(Transactions):
    """The Store protocol's part that concerns issuance."""

    async def place_orders(
        self,
        session: Session,
        orders: Sequence[CertificateOrder],
        keys: Mapping[CertificateProfile, str],
        *events: Event,
        timers: Mapping[Timer, datetime | None] = NO_TIMERS,
    ) -> Session:
        """Like ``save``, with the orders and the SPKI SHA-256 of their keys in the same transaction.

        Raises Conflict (also when the session has an order for that profile: read ``orders``) and IssuanceRefused
        csr_key_reused when a key was ordered or certified before, in any session.
        """
        names = [keys[order.profile] for order in orders]
        ordered, issued = certificate_order.c, certificate.c
        known_keys = union_all(
            select(ordered.spki_sha256).where(ordered.spki_sha256.in_(names)),
            select(issued.spki_sha256).where(issued.spki_sha256.in_(names)),
        )
        profiles = [order.profile.value for order in orders]
        same = select(ordered.profile).where(ordered.session_id == session.id, ordered.profile.in_(profiles))
        async with self.writing() as connection:
            await in_turn(connection, "certificate_order")
            after = await write_move(connection, session, events, timers)
            if (await connection.execute(same)).first() is not None:
                raise Conflict(f"session {session.id} has its certificate orders already")
            if len(set(names)) < len(names) or (await connection.execute(known_keys)).first() is not None:
                raise IssuanceRefused("csr_key_reused", "This key was used for a certificate before; make a new one.")
            rows = [
                {
                    "session_id": session.id,
                    "profile": order.profile.value,
                    "spki_sha256": name,
                    "serial_number": str(order.serial_number),
                    "csr_der": order.csr_der,
                    "subject_der": order.subject_der,
                    "not_before": order.not_before,
                    "not_after": order.not_after,
                }
                for order, name in zip(orders, names, strict=True)
            ]
            await connection.execute(insert(certificate_order), rows)
        return after

    async def orders(self, session_id: str) -> list[CertificateOrder]:
        """The session's orders: sign before auth."""
        query = select(certificate_order).where(certificate_order.c.session_id == session_id)
        async with self.reading() as connection:
            rows = (await connection.execute(query)).all()
        placed = [
            CertificateOrder(
                session=row.session_id,
                profile=CertificateProfile(row.profile),
                csr_der=row.csr_der,
                subject_der=row.subject_der,
                serial_number=int(row.serial_number),
                not_before=row.not_before,
                not_after=row.not_after,
            )
            for row in rows
        ]
        return sorted(placed, key=lambda order: _PROFILES.index(order.profile))

    async def record_certificates(
        self,
        session: Session,
        certificates: Sequence[IssuedCertificate],
        *events: Event,
        timers: Mapping[Timer, datetime | None] = NO_TIMERS,
    ) -> Session:
        """Like ``save``, with the certificates in the same transaction.

        Of one that is recorded already (same session, profile and serial number) only ``revoked_at`` is written.
        Raises Conflict.
        """
        async with self.writing() as connection:
            after = await write_move(connection, session, events, timers)
            for issued in certificates:
                same = (
                    (certificate.c.session_id == session.id)
                    & (certificate.c.profile == issued.profile.value)
                    & (certificate.c.serial_number == str(issued.serial_number))
                )
                known = await connection.execute(update(certificate).where(same).values(revoked_at=issued.revoked_at))
                if known.rowcount == 0:
                    await connection.execute(insert(certificate).values(_certificate_columns(session.id, issued)))
        return after

    async def certificates(self, session_id: str) -> list[IssuedCertificate]:
        """The session's certificates: sign before auth."""
        return await self._certificates(certificate.c.session_id == session_id)

    async def revoke(self, session_id: str, at: datetime, *events: Event) -> int:
        """Revoke the session's certificates that stand; how many. The events are written only if there was one."""
        standing = (certificate.c.session_id == session_id) & certificate.c.revoked_at.is_(None)
        async with self.writing() as connection:
            revoked = await connection.execute(update(certificate).where(standing).values(revoked_at=at))
            if revoked.rowcount:
                await write_events(connection, events)
        return revoked.rowcount

    async def revoked(self) -> list[IssuedCertificate]:
        """All that are revoked, for the revocation list, in the order of their revocation."""
        revoked = await self._certificates(certificate.c.revoked_at.is_not(None))
        return sorted(revoked, key=lambda issued: (issued.revoked_at or issued.not_after, issued.serial_number))

    async def _certificates(self, condition: ColumnElement[bool]) -> list[IssuedCertificate]:
        async with self.reading() as connection:
            rows = (await connection.execute(select(certificate).where(condition))).all()
        return sorted(map(_certificate, rows), key=lambda issued: _PROFILES.index(issued.profile))


_PROFILES = list(CertificateProfile)


def _certificate_columns(session_id: str, issued: IssuedCertificate) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "profile": issued.profile.value,
        "serial_number": str(issued.serial_number),
        "spki_sha256": issued.spki_sha256,
        "der": issued.der,
        "not_after": issued.not_after,
        "revoked_at": issued.revoked_at,
    }


def _certificate(row: Row[Any]) -> IssuedCertificate:
    return IssuedCertificate(
        session=row.session_id,
        profile=CertificateProfile(row.profile),
        serial_number=int(row.serial_number),
        spki_sha256=row.spki_sha256,
        der=row.der,
        not_after=row.not_after,
        revoked_at=row.revoked_at,
    )
