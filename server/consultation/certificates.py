"""Issuance: from a recorded approval to certificates, resumable at any moment, never twice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import structlog

from server.consultation.desk import Change, Desk, change, session_of
from server.ports import CertificateOrder, CertificateProfile, IssuanceRefused, IssuedCertificate, Timer
from server.proofing import DomainError, Move, Session, State

log = structlog.get_logger(__name__)


async def request(desk: Desk, session_id: str, requests: Mapping[CertificateProfile, bytes]) -> list[IssuedCertificate]:
    """Issue one certificate a profile for the requests (DER of PKCS#10). Repeated, it gives the same ones.

    Raises DomainError not_approved, already_requested; IssuanceRefused.
    """
    session = await session_of(desk, session_id)
    if session.state in (State.ISSUING, State.ISSUED):
        placed = {order.profile: order.csr_der for order in await desk.store.orders(session_id)}
        if placed != dict(requests):
            raise DomainError("already_requested", "Certificates were requested already, for other keys.")
    else:
        await _place(desk, session, requests)
    return await fulfil(desk, session_id)


async def _place(desk: Desk, session: Session, requests: Mapping[CertificateProfile, bytes]) -> None:
    if session.state is not State.APPROVED or session.decision is None or not session.decision.sealed:
        raise DomainError("not_approved", "Certificates are issued on a recorded approval only.")
    subject = desk.issuer.subject(session.attributes)
    keys = {profile: desk.issuer.examine(csr, subject) for profile, csr in requests.items()}
    if len(set(keys.values())) != len(keys):
        raise IssuanceRefused("csr_keys_identical", "Each certificate needs a key of its own.")
    orders = [
        desk.issuer.order(session.id, profile, csr, subject, desk.clock.now()) for profile, csr in requests.items()
    ]
    event = desk.event(
        session,
        "certificates_requested",
        "applicant",
        keys={str(profile): key for profile, key in keys.items()},
        serial_numbers={str(order.profile): f"{order.serial_number:x}" for order in orders},
    )
    moved = session.move(Move.REQUEST_CERTIFICATES)
    await desk.store.place_orders(moved, orders, keys, event)


async def fulfil(desk: Desk, session_id: str) -> list[IssuedCertificate]:
    """Have the CA sign what was ordered. The order fixes every byte, so a repeat after a crash yields the same."""
    session = await session_of(desk, session_id)
    if session.state is State.ISSUED:
        return await desk.store.certificates(session_id)
    orders = await desk.store.orders(session_id)
    try:
        issued = [await _enrol(desk, order) for order in orders]
    except IssuanceRefused:
        raise
    except Exception as error:
        # Whatever the CA's reason: the order stands, and the next request tries the same one again.
        log.error("enrolment_failed", session=session_id, error=type(error).__name__)
        raise DomainError("issuance_interrupted", "The certificates could not be made just now; try again.") from error
    event = desk.event(
        session,
        "certificates_issued",
        "system",
        certificates={str(one.profile): hashlib.sha256(one.der).hexdigest() for one in issued},
        serial_numbers={str(one.profile): f"{one.serial_number:x}" for one in issued},
    )
    moved = session.move(Move.ISSUE)
    session = await desk.store.record_certificates(moved, issued, event)
    await change(desk, session_id, lambda s: Change(s, timers={Timer.ISSUANCE: None}))
    await desk.tell(session)
    return issued


async def _enrol(desk: Desk, order: CertificateOrder) -> IssuedCertificate:
    der = await desk.issuer.enrol(order)
    key = desk.issuer.examine(order.csr_der, order.subject_der)
    return IssuedCertificate(order.session, order.profile, order.serial_number, key, der, order.not_after)


async def saved(desk: Desk, session_id: str) -> Session:
    """The page says that the applicant saved the key file."""

    def go(session: Session) -> Change | None:
        session.require(State.ISSUED)
        if session.saved:
            return None
        return Change(replace(session, saved=True), (desk.event(session, "certificates_saved", "applicant"),))

    session = await change(desk, session_id, go)
    await desk.tell(session)
    return session
