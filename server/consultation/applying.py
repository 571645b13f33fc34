"""The applicant's steps before and beside the call: join, photograph the card, confirm, wait, leave."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import replace

from server.consultation import registering
from server.consultation.calling import end_call, match_all
from server.consultation.desk import (
    Change,
    Desk,
    change,
    iso,
    new_token,
    one_at_a_time,
    record,
    session_of,
    token_digest,
)
from server.ports import Timer
from server.proofing import FINAL, DomainError, Move, Session, State
from verification.contract import Side, SideReading

CONSENT_VERSION = "2026-11"
LANGUAGES = ("kk", "ru", "en")
PURPOSES = ("first_eds", "renew_eds")
CORRECTABLE = ("surname", "given_names", "patronymic")
"""What no check digit protects. Everything else is read again, never typed."""
NAME_LENGTH = 100


async def join(desk: Desk, language: str, purpose: str, consent_version: str) -> tuple[Session, str]:
    """Open a session. Returns it and the token that its browser shall keep. Raises consent_outdated."""
    if consent_version != CONSENT_VERSION:
        raise DomainError("consent_outdated", "The text has changed; please read it again.", version=CONSENT_VERSION)
    token = new_token()
    now = desk.clock.now()
    session = Session(
        id=secrets.token_hex(11),
        token_sha256=token_digest(token),
        language=language,
        purpose=purpose,
        consent_version=consent_version,
        created_at=now,
    )
    opened = desk.event(
        session, "session_opened", "applicant", language=language, purpose=purpose, consent_version=consent_version
    )
    timers = {Timer.PRESENCE: now + desk.limits.presence}
    return await desk.store.create_session(session, opened, timers=timers), token


async def set_language(desk: Desk, session_id: str, language: str) -> Session:
    session = await change(
        desk, session_id, lambda s: None if s.language == language else Change(replace(s, language=language))
    )
    await desk.tell(session)
    return session


async def add_side(desk: Desk, session_id: str, side: Side, image: bytes) -> tuple[Session, SideReading]:
    """Take a picture of one side, say at once whether it can be used and what it says.

    Raises UnusableInput, CheckUnavailable, DomainError wrong_state, too_many_pictures, check_under_way.
    """
    session = await session_of(desk, session_id)
    session.require(State.CONSENTED)
    async with one_at_a_time(desk, session_id):
        reading = await desk.checker.assess_side(image, side)
        return await _keep_side(desk, session_id, side, image, reading), reading


async def _keep_side(desk: Desk, session_id: str, side: Side, image: bytes, reading: SideReading) -> Session:
    original = await desk.vault.put(session_id, image)
    shown = await desk.vault.put(session_id, reading.image_jpeg)
    portrait = await desk.vault.put(session_id, reading.portrait_jpeg) if reading.portrait_jpeg else None

    def add(session: Session) -> Change:
        session.require(State.CONSENTED)
        uploads = 1 + sum(int(kept.get("uploads", 0)) for kept in session.readings.values())
        if uploads > desk.limits.uploads:
            raise DomainError("too_many_pictures", "Too many pictures in one session; please begin again.")
        kept = {
            "side": str(side),
            "usable": reading.usable,
            "problems": list(reading.problems),
            "attributes": dict(reading.attributes),
            "mrz_lines": list(reading.mrz_lines),
            "original": original,
            "uploads": 1 + int(session.readings.get(side, {}).get("uploads", 0)),
        }
        images = {**session.images, str(side): shown}
        if portrait and side is Side.FRONT:
            images["portrait"] = portrait
        elif side is Side.FRONT:
            images.pop("portrait", None)
        event = desk.event(
            session,
            "evidence_received",
            "applicant",
            side=str(side),
            image=shown,
            original=original,
            usable=reading.usable,
            problems=list(reading.problems),
        )
        return Change(replace(session, readings={**session.readings, str(side): kept}, images=images), (event,))

    session = await change(desk, session_id, add)
    await desk.tell(session)
    return session


async def make_specimen(desk: Desk, session_id: str, selfie: bytes) -> tuple[Session, Mapping[Side, SideReading]]:
    """Draw a SPECIMEN card with the face in the picture and take it as the evidence. Demo profile only."""
    if not desk.specimens:
        raise DomainError("not_in_this_profile", "Specimen cards exist in the demonstration only.")
    session = await session_of(desk, session_id)
    session.require(State.CONSENTED)
    async with one_at_a_time(desk, session_id):
        cards = await desk.checker.specimen(selfie, desk.random.randrange(2**31), desk.clock.now())
        readings = {}
        for side, image in zip((Side.FRONT, Side.BACK), cards, strict=True):
            readings[side] = await desk.checker.assess_side(image, side)
            session = await _keep_side(desk, session_id, side, image, readings[side])
    return session, readings


def person_digest(desk: Desk, iin: str) -> str:
    """A name for the person that finds her earlier sessions and tells nobody her IIN."""
    return hmac.new(desk.person_key, iin.encode(), hashlib.sha256).hexdigest()


async def confirm(desk: Desk, session_id: str, corrections: Mapping[str, str]) -> Session:
    """The applicant says that what was read is right; both sides are checked together, and the wait begins.

    Raises DomainError evidence_incomplete, correction_invalid, retry_later; UnusableInput; CheckUnavailable.
    """
    session = await session_of(desk, session_id)
    if session.state is not State.CONSENTED:
        return session  # a repeated request: the first one counted
    if not can_confirm(session):
        raise DomainError("evidence_incomplete", "Both sides of the card are needed, each usable.")
    corrections = _clean(corrections)
    async with one_at_a_time(desk, session_id):
        front = await desk.vault.get(session_id, str(session.readings[Side.FRONT]["original"]))
        back = await desk.vault.get(session_id, str(session.readings[Side.BACK]["original"]))
        now = desk.clock.now()
        reading = await desk.checker.read_document(front, back, now)
        iin = reading.attributes.get("iin", "")
        person = person_digest(desk, iin) if iin else ""
        if person and (rejected := await desk.store.last_rejection(person)) and now < rejected + desk.limits.retry:
            until = rejected + desk.limits.retry
            raise DomainError("retry_later", "The last attempt was refused a short time ago.", until=iso(until))
        corrections = {k: v for k, v in corrections.items() if v != reading.attributes.get(k, "")}
        attributes = {**reading.attributes, **corrections}
        results = list(reading.checks)
        if corrections:
            results.append(await desk.checker.judge_typed(reading.attributes, corrections))
        results.append(await registering.ask(desk, attributes))
        for result in results:
            await record(desk, session_id, result, "system")
        images = dict(session.images)
        images["front"] = await desk.vault.put(session_id, reading.front_jpeg)
        if reading.back_jpeg:
            images["back"] = await desk.vault.put(session_id, reading.back_jpeg)
        if reading.portrait_jpeg:
            images["portrait"] = await desk.vault.put(session_id, reading.portrait_jpeg)

        def queue(session: Session) -> Change | None:
            if session.state is not State.CONSENTED:
                return None
            moved = session.move(
                Move.QUEUE,
                joined_at=desk.clock.now(),
                attributes=attributes,
                corrections=corrections,
                images=images,
                person=person,
            )
            confirmed = desk.event(session, "evidence_confirmed", "applicant", corrected=sorted(corrections))
            return Change(moved, (confirmed, desk.event(session, "queued", "applicant")))

        session = await change(desk, session_id, queue)
    await desk.tell(session, queue=True)
    await match_all(desk)
    return await session_of(desk, session_id)


def can_confirm(session: Session) -> bool:
    """Whether both sides were photographed and can be used."""
    return all(bool(session.readings.get(side, {}).get("usable")) for side in Side)


def _clean(corrections: Mapping[str, str]) -> dict[str, str]:
    cleaned = {}
    for name, value in corrections.items():
        text = " ".join(unicodedata.normalize("NFC", value).split())
        letters = all(char.isalpha() or char in " -'ʼ’." for char in text)
        if name not in CORRECTABLE or len(text) > NAME_LENGTH or not letters:
            raise DomainError(
                "correction_invalid", "A name has letters, spaces, hyphens and apostrophes only.", name=name
            )
        if text or name == "patronymic":
            cleaned[name] = text
    return cleaned


async def leave(desk: Desk, session_id: str) -> Session:
    """The applicant ends it. Nothing to do when it has ended already or is being decided."""

    def go(session: Session) -> Change | None:
        if session.state in FINAL:
            return None
        moved = session.move(Move.LEAVE, ended_at=desk.clock.now())
        return Change(moved, (desk.event(session, "left", "applicant"),), dict.fromkeys(Timer))

    session = await change(desk, session_id, go)
    await end_call(desk, session)
    await desk.tell(session, queue=True)
    return session


async def expire(desk: Desk, session_id: str, timer: Timer) -> None:
    """A time limit passed. Nothing to do when the session has moved on."""

    def go(session: Session) -> Change | None:
        if session.state in FINAL or session.id in desk.presence.applicants:
            return None
        try:
            moved = session.move(Move.EXPIRE, ended_at=desk.clock.now())
        except DomainError:
            return None  # held by an operator, or issuing: other limits rule there
        return Change(moved, (desk.event(session, "expired", "system", timer=str(timer)),))

    await desk.store.clear_timer(session_id, timer, desk.clock.now())
    session = await change(desk, session_id, go)
    await desk.tell(session, queue=True)


async def page_opened(desk: Desk, session: Session, page: object) -> None:
    """The applicant's page is connected; it is the one that counts from now on."""
    desk.presence.applicants[session.id] = page
    await desk.store.set_presence(session.id, True, desk.clock.now())
    await desk.store.clear_timer(session.id, Timer.PRESENCE)
    if session.operator_id:
        await desk.bus.publish(f"operator:{session.operator_id}")
    await desk.bus.publish("queue")
    await match_all(desk)


async def page_closed(desk: Desk, session_id: str, page: object) -> None:
    """The page is gone: its place is kept for a while."""
    if desk.presence.applicants.get(session_id) is not page:
        return
    del desk.presence.applicants[session_id]
    now = desk.clock.now()
    await desk.store.set_presence(session_id, False, now)

    def keep(session: Session) -> Change | None:
        waits = session.state in (State.CONSENTED, State.WAITING, State.REFERRED)
        return Change(session, timers={Timer.PRESENCE: now + desk.limits.presence}) if waits else None

    session = await change(desk, session_id, keep)
    await desk.tell(session, queue=True)
