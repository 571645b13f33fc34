"""An interpreter in a call: the operator asks for her, the citizen agrees or not, she binds herself to her duties.

Only then do her picture and sound go to both, and theirs to her; she sees nothing of the case. Any of the three ends
her part, and the end of the call does. Who she is stands in the store; the audit trail names her by a number.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from server.audit import Event
from server.consultation.desk import SAVE_ATTEMPTS, Desk, new_token, offer_topic, token_digest
from server.ports import INTERPRETED, Conflict, Leg, LegEvent
from server.proofing import HELD, INTERPRETED_LANGUAGES, DomainError, Interpreter, Session, State

DUTY_VERSION = "2026-11"
"""Of the text on confidentiality that an interpreter agrees to (web/locales/interpreter.*.json)."""
LINK = timedelta(minutes=30)
"""How long an invitation may lie unopened: the call that it is for lasts minutes."""

Make = Callable[[Interpreter], tuple[Interpreter, Event] | None]


async def living(desk: Desk, session_id: str) -> Interpreter | None:
    """The session's interpreter whose part is not over."""
    return next((one for one in await desk.store.interpreters(session_id) if one.ended_at is None), None)


async def invite(desk: Desk, session: Session, operator_id: str, name: str, language: str) -> str:
    """Ask an interpreter into the call; the token of her one-time link.

    Raises DomainError wrong_state, interpreter_name_needed, interpreter_language_unknown, interpreter_present.
    """
    session.require(State.IN_CALL, State.SUSPENDED)
    name = " ".join(name.split())
    if not name:
        raise DomainError("interpreter_name_needed", "Enter the interpreter's name: the citizen is told it.")
    if language not in INTERPRETED_LANGUAGES:
        raise DomainError("interpreter_language_unknown", "Choose one of the languages.")
    now, token = desk.clock.now(), new_token()
    one = Interpreter(secrets.token_hex(8), session.id, session.call_id or "", name, language, operator_id, now)
    event = desk.event(
        session,
        "interpreter_invited",
        f"operator:{operator_id}",
        interpreter=one.id,
        call=session.call_id,
        language=language,
    )
    try:
        await desk.store.add_interpreter(one, token_digest(token), now + LINK, event)
    except Conflict as error:
        raise DomainError("interpreter_present", "There is an interpreter in this call already.") from error
    await desk.tell(session)
    return token


async def sign_in(desk: Desk, link_token: str) -> tuple[Interpreter, str]:
    """Use a one-time link up. Returns the interpreter and the cookie's token. Raises DomainError link_invalid."""
    token = new_token()
    one = await desk.store.redeem_interpreter(token_digest(link_token), token_digest(token), desk.clock.now())
    if one is None:
        await desk.store.append(desk.system_event("sign_in_failed", "system", code="link_invalid"))
        raise DomainError("link_invalid", "This sign-in link was used, is too old, or is not known. Ask for a new one.")
    event = desk.event(one.session_id, "interpreter_signed_in", f"interpreter:{one.id}", interpreter=one.id)
    await desk.store.append(event)
    return one, token


async def bind(desk: Desk, one: Interpreter, duty_version: str) -> None:
    """She agrees to keep what she hears to herself. Raises DomainError duty_outdated, interpreter_ended."""
    if duty_version != DUTY_VERSION:
        raise DomainError("duty_outdated", "The text has changed; please read it again.", version=DUTY_VERSION)

    def agree(now: Interpreter) -> tuple[Interpreter, Event] | None:
        if now.duty_version or now.id != one.id:
            return None
        event = desk.event(
            now.session_id,
            "interpreter_bound",
            f"interpreter:{now.id}",
            interpreter=now.id,
            duty_version=duty_version,
        )
        return replace(now, duty_version=duty_version), event

    await _change(desk, one.session_id, agree)


async def answer_citizen(desk: Desk, session: Session, agree: bool) -> None:
    """The citizen agrees to being heard by the interpreter, or not (any more). Raises DomainError interpreter_ended."""
    if not agree:
        await end(desk, session, "applicant", "applicant")
        return

    def agreed(now: Interpreter) -> tuple[Interpreter, Event] | None:
        if now.agreed:
            return None
        return replace(now, agreed=True), desk.event(session, "interpreter_agreed", "applicant", interpreter=now.id)

    await _change(desk, session.id, agreed)


async def end(desk: Desk, session: Session, by: str, actor: str) -> None:
    """The interpreter's part is over. ``by``: operator, applicant, interpreter, call. Raises interpreter_ended."""

    def over(now: Interpreter) -> tuple[Interpreter, Event]:
        agreed = False if by == "applicant" and now.agreed is None else now.agreed
        event = desk.event(session, "interpreter_ended", actor, interpreter=now.id, by=by)
        return replace(now, agreed=agreed, ended_at=desk.clock.now(), ended_by=by), event

    await _hang_up(desk, await _change(desk, session.id, over))


async def call_over(desk: Desk, session: Session) -> None:
    """The call has ended, and her part with it; nothing where there is no interpreter."""
    try:
        await end(desk, session, "call", "system")
    except DomainError as error:
        if error.code != "interpreter_ended":
            raise


async def _change(desk: Desk, session_id: str, make: Make) -> Interpreter:
    """Read, change, save; again if somebody else saved in between. Raises DomainError interpreter_ended, Conflict."""
    for attempt in range(SAVE_ATTEMPTS):
        one = await living(desk, session_id)
        if one is None:
            raise DomainError("interpreter_ended", "There is no interpreter in this call, or no longer.")
        wanted = make(one)
        if wanted is None:
            return one
        try:
            saved = await desk.store.save_interpreter(*wanted)
        except Conflict:
            await asyncio.sleep(0.005 * attempt)
            continue
        session = await desk.store.session(session_id)
        if session is not None:
            await desk.tell(session)
        return saved
    raise Conflict(session_id)


# --- her connections -------------------------------------------------------------------------------


async def answer(desk: Desk, session: Session, leg: Leg, call: str, sdp: str) -> str:
    """Answer the offer of a connection that is there because of an interpreter: hers, or of another page to see her.

    Raises DomainError call_unknown, interpreter_not_admitted; MediaError.
    """
    one = await require_admitted(desk, session, call)
    desk.presence.calls[call] = session.id
    desk.presence.offered[call, leg] = _topic(session, one, leg)  # the engine may have an offer before its answer
    made = await desk.media.answer(call, leg, sdp)
    try:
        await require_admitted(desk, session, call)
    except DomainError:  # her part ended meanwhile
        desk.forget_offers(call, leg)
        await desk.media.hang_up(call, leg)
        raise
    return made


def _topic(session: Session, one: Interpreter, leg: Leg) -> str:
    """On which the page of this connection hears of its media."""
    if leg is Leg.APPLICANT_SIDE:
        return offer_topic(Leg.APPLICANT, session.id)
    if leg is Leg.OPERATOR_SIDE:
        return offer_topic(Leg.OPERATOR, session.operator_id or "")
    return offer_topic(Leg.INTERPRETER, one.id)


async def require_admitted(desk: Desk, session: Session, call: str) -> Interpreter:
    """The call's interpreter. Raises DomainError call_unknown, interpreter_not_admitted."""
    one = await living(desk, session.id)
    if one is None or one.call_id != call or session.call_id != call or session.state not in HELD:
        raise DomainError("call_unknown", "That call is not, or no longer, going on.")
    if not one.admitted:
        raise DomainError("interpreter_not_admitted", "The interpreter has not been admitted to the call yet.")
    return one


async def leg_changed(desk: Desk, session_id: str, event: LegEvent) -> None:
    """Her own connection is there, or lost; the others that are there because of her are their pages' affair."""
    one = await living(desk, session_id)
    session = await desk.store.session(session_id)
    if event.leg is not Leg.INTERPRETER or session is None or one is None or one.call_id != event.call:
        return
    legs = desk.presence.legs.setdefault(event.call, set())
    actor = f"interpreter:{one.id}"
    if event.kind == "connected":
        legs.add(event.leg)
        told = desk.event(session, "interpreter_joined", actor, interpreter=one.id, call=event.call)
    elif event.leg in legs:
        legs.discard(event.leg)
        told = desk.event(session, "interpreter_left", actor, interpreter=one.id, reason=event.kind)
    else:
        return
    await desk.store.append(told)
    await desk.tell(session)


async def _hang_up(desk: Desk, one: Interpreter) -> None:
    desk.presence.legs.get(one.call_id, set()).discard(Leg.INTERPRETER)
    for leg in INTERPRETED:
        desk.forget_offers(one.call_id, leg)
        await desk.media.hang_up(one.call_id, leg)
    session = await desk.store.session(one.session_id)
    if session is not None:
        await desk.tell(session)


# --- what the pages are shown ----------------------------------------------------------------------


async def view(desk: Desk, session: Session) -> dict[str, Any] | None:
    """The newest interpreter of the session's call as its two ends see her, also when her part is over."""
    all_of_call = [one for one in await desk.store.interpreters(session.id) if one.call_id == session.call_id]
    if not all_of_call:
        return None
    one = all_of_call[-1]
    return {
        "name": one.name,
        "language": one.language,
        "agreed": one.agreed,
        "bound": bool(one.duty_version),
        "connected": Leg.INTERPRETER in desk.presence.legs.get(one.call_id, ()),
        "ended": one.ended_by,
    }


async def snapshot(desk: Desk, interpreter: Interpreter) -> dict[str, Any]:
    """What the interpreter's page shows: herself, and of the call who is there; nothing of the case."""
    known = [one for one in await desk.store.interpreters(interpreter.session_id) if one.id == interpreter.id]
    one = known[-1] if known else interpreter
    session = await desk.store.session(one.session_id)
    call = None
    if one.admitted and session is not None and session.call_id == one.call_id and session.state in HELD:
        legs = desk.presence.legs.get(one.call_id, set())
        call = {
            "id": one.call_id,
            "applicant_connected": Leg.APPLICANT in legs,
            "operator_connected": Leg.OPERATOR in legs,
            "recording": one.call_id in desk.recorded,
        }
    return {
        "type": "state",
        "interpreter": {
            "id": one.id,
            "name": one.name,
            "language": one.language,
            "duty_version": DUTY_VERSION,
            "bound": bool(one.duty_version),
            "agreed": one.agreed,
            "ended": one.ended_by,
        },
        "call": call,
    }
