"""The operator's sign-in, availability and wrap-up."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from server.audit import SYSTEM, Event
from server.consultation.calling import match_all
from server.consultation.desk import Change, Desk, change, new_token, token_digest
from server.ports import Store
from server.proofing import HELD, PAUSE_REASONS, Availability, DomainError, Operator, Role, Session

NOTE_LENGTH = 1000


async def new_link(
    store: Store, name: str, role: Role, operator_id: str | None, now: datetime, lifetime: timedelta
) -> tuple[Operator, str]:
    """Create an operator, or give an existing one (same id) a new link. Returns the operator and the one-time token."""
    token = new_token()
    known = await store.operator(operator_id) if operator_id else None
    operator = known or Operator(operator_id or secrets.token_hex(4), name, role, since=now)
    event = Event(SYSTEM, "operator_added", "system", now, {"operator": operator.id, "role": str(operator.role)})
    await store.add_operator(operator, token_digest(token), now + lifetime, event)
    return operator, token


async def sign_in(desk: Desk, link_token: str) -> tuple[Operator, str]:
    """Use a one-time link up. Returns the operator and the cookie's token. Raises DomainError link_invalid."""
    now = desk.clock.now()
    token = new_token()
    operator = await desk.store.redeem_link(
        token_digest(link_token), token_digest(token), now + desk.limits.sign_in, now
    )
    if operator is None:
        await desk.store.append(desk.system_event("sign_in_failed", "system", code="link_invalid"))
        raise DomainError("link_invalid", "This sign-in link was used, is too old, or is not known. Ask for a new one.")
    await desk.store.append(desk.system_event("signed_in", f"operator:{operator.id}", operator=operator.id))
    return operator, token


async def sign_out(desk: Desk, operator: Operator, token: str) -> None:
    if operator.session_id is None:
        await set_availability(desk, operator.id, Availability.PAUSED, "end_of_shift")
    await desk.store.end_sign_in(token_digest(token))
    await desk.store.append(desk.system_event("signed_out", f"operator:{operator.id}", operator=operator.id))


async def set_availability(desk: Desk, operator_id: str, availability: Availability, reason: str = "") -> Operator:
    """Ready or paused. In a call it says what happens after it. Raises DomainError pause_reason_unknown."""
    if availability is Availability.PAUSED and reason not in PAUSE_REASONS:
        raise DomainError("pause_reason_unknown", "Choose one of the reasons for a pause.")
    operator = await desk.store.operator(operator_id)
    if operator is None:
        raise DomainError("operator_unknown", "There is no such operator.")
    reason = reason if availability is Availability.PAUSED else ""
    operator = replace(operator, availability=availability, pause_reason=reason, since=desk.clock.now())
    await desk.store.save_operator(
        operator,
        desk.system_event(
            "availability_set",
            f"operator:{operator.id}",
            operator=operator.id,
            availability=str(availability),
            reason=reason,
        ),
    )
    await desk.bus.publish(f"operator:{operator.id}")
    await desk.bus.publish("queue")
    await match_all(desk)
    return operator


async def page_opened(desk: Desk, operator_id: str, page: object) -> None:
    desk.presence.operators[operator_id] = page
    await desk.bus.publish("queue")
    await match_all(desk)


async def page_closed(desk: Desk, operator_id: str, page: object) -> None:
    if desk.presence.operators.get(operator_id) is page:
        del desk.presence.operators[operator_id]
        await desk.bus.publish("queue")


async def case_in_hand(desk: Desk, operator_id: str) -> Session:
    """The session that this operator holds or wraps up. Raises DomainError no_case."""
    operator = await desk.store.operator(operator_id)
    session = await desk.store.session(operator.session_id) if operator and operator.session_id else None
    if session is None:
        raise DomainError("no_case", "You have no citizen at the moment.")
    return session


async def wrap_up(desk: Desk, operator_id: str, note: str) -> None:
    """Finish the record of the last call; the operator is free for the next. Raises no_case, call_not_over."""
    session = await case_in_hand(desk, operator_id)
    operator = await desk.store.operator(operator_id)
    if operator is None or not is_over_for(session, operator):
        raise DomainError("call_not_over", "The call is not over yet.")
    event = desk.event(session, "wrapped_up", f"operator:{operator_id}", note_length=len(note[:NOTE_LENGTH]))
    freed = replace(operator, session_id=None, wrapping=False)
    await change(
        desk, session.id, lambda s: Change(replace(s, wrap_up_note=note[:NOTE_LENGTH]), (event,), operator=freed)
    )
    await desk.bus.publish(f"operator:{operator_id}")
    await match_all(desk)


def is_over_for(session: Session, operator: Operator) -> bool:
    """Whether this operator's call is over: decided, left, or gone to somebody else."""
    return operator.wrapping or session.state not in HELD or session.operator_id != operator.id
