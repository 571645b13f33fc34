"""Revocation: what was issued in a session stops being valid. Both certificates go together; it cannot be undone."""

from __future__ import annotations

from server.audit import Event
from server.consultation.certificates import fulfil
from server.consultation.desk import Desk
from server.ports import Clock, Store
from server.proofing import DomainError, RevocationReason, Session, State


async def revoke(store: Store, clock: Clock, session_id: str, actor: str, reason: RevocationReason) -> Session:
    """Revoke every certificate of an issued session; nothing to do when they are revoked already.

    The revocation list is made from these rows at each request, so the next one that is fetched names them.
    Raises DomainError session_unknown, wrong_state.
    """
    session = await store.session(session_id)
    if session is None:
        raise DomainError("session_unknown", "There is no such session.")
    session.require(State.ISSUED)
    serial_numbers = {str(one.profile): f"{one.serial_number:x}" for one in await store.certificates(session_id)}
    now = clock.now()
    event = Event(
        session_id, "certificates_revoked", actor, now, {"reason": str(reason), "serial_numbers": serial_numbers}
    )
    await store.revoke(session_id, now, event)
    return session


async def revoke_own(desk: Desk, session: Session, reason: RevocationReason) -> Session:
    """The citizen revokes what she was issued, or what was ordered for keys that she has lost meanwhile.

    Raises DomainError wrong_state, issuance_interrupted.
    """
    if session.state is State.ISSUING:
        await fulfil(desk, session.id)  # an order cannot be taken back, a certificate can
    session = await revoke(desk.store, desk.clock, session.id, "applicant", reason)
    await desk.tell(session)
    return session
